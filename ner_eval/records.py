"""What a prediction reads, one sentence or paragraph at a time: running text, word CSV, CoNLL columns, JSON lines.

The layouts are those of `ner_data.read`, but no tags are needed, and a file of any size is read in little memory. In
`.txt` and in files of unknown suffix every line is a paragraph of running text; so is standard input (`-`).
"""

import codecs
import csv
import gzip
import io
import itertools
import json
import os
import re
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

from ner_data import InputError
from ner_data.formats.conll import COMMENT, DOCUMENT, RANGE, is_conllu
from ner_data.formats.word_csv import SEPARATORS, Columns, ids_by_another_name
from ner_data.read import FORMATS, OTHER_FILES
from ner_data.schemes import PREFIXED
from ner_data.sentences import check_separated
from ner_data.text_file import CHUNK, ENCODING_NAMES, counted, other_encoding, shown

INPUT_FORMATS = ("text", *FORMATS)
TOKENS = ("tokens", "words", "tokenized_text")
QUOTED_MARK = '""""'
TABLES = "write it as JSON lines"  # of .parquet and .arrow
csv.field_size_limit(2**31 - 1)  # of a C long on Windows


class Row(NamedTuple):
    """A row of a word CSV or a line of a CoNLL file."""

    text: str  # as it stands there, without the line end
    is_word: bool  # not blank, no comment, no header


class Record(NamedTuple):
    """A sentence or paragraph of the input."""

    line: int  # the 1-based line that it starts on
    text: str  # of running text and JSON `text`, the original; of words, these joined by single spaces
    words: list  # of (start, end) in characters of `text`
    fields: dict | None = None  # of a JSON line, all of it
    rows: tuple = ()  # of `Row`: a file of words as it stands there, the blank rows after the sentence included

    @property
    def tokens(self):
        """The words as strings."""
        return [self.text[start:end] for start, end in self.words]


class Source:
    """A file to predict.

    Args:
        path: as the user typed it; "-" is standard input. What gzip wrote is unpacked.
        format: one of `INPUT_FORMATS`, or None: by the suffix.
        columns: the names of the columns of a word CSV; for CoNLL `columns.word` is the number of a column.
        say: called with each line to be shown to the user.

    Raises:
        InputError: there is no such file, or it cannot be read as text; `records` for what stands in it.
    """

    def __init__(self, path, format=None, columns=Columns(), say=print):  # noqa: B008
        if format is not None and format not in INPUT_FORMATS:
            raise InputError(f"--format {format}: not known, give one of {', '.join(INPUT_FORMATS)}")
        self.path, self.columns = path, columns
        self.format = format or _format_of(path)
        self.encoding = "utf-8-sig" if path == "-" else _encoding(path, say)
        if self.format == "text" and format is None and path != "-" and self._looks_like_columns():
            say(f"{path}: read as running text, but its lines look like a word and its tag: --format conll")
        self.header, self.separator = None, None
        self.comments = 0  # lines of a CoNLL file that `records` has passed over, or is to pass over
        self.ranges = 0  # those of a .conllu that hold several words together, or none
        if self.format == "word_csv":
            if path == "-":
                raise InputError("-: a CSV file cannot come from standard input, give its path")
            self._read_header(say)

    def records(self, split):
        """Yield the `Record` of each paragraph, sentence or JSON line.

        Args:
            split: text -> list of (start, end), the words of running text.

        Raises:
            InputError: with the file and the line, for what cannot be read exactly.
        """
        readers = {"text": _read_text, "word_csv": _read_csv, "conll": _read_conll, "jsonl": _read_jsonl}
        with self._open() as lines:
            yield from readers[self.format](self, lines, split)

    def _open(self):
        """The file's lines; only LF ends one, but in CoNLL columns CR does too, as in training."""
        newline = "" if self.format in ("word_csv", "conll") else "\n"
        if self.path == "-":
            return io.TextIOWrapper(sys.stdin.buffer, encoding=self.encoding, newline=newline, errors="surrogateescape")
        return _opener(self.path)(self.path, "rt", encoding=self.encoding, newline=newline)

    def _looks_like_columns(self):
        """Whether the first lines that are not blank have equally many cells, two or more, and a tag for the last."""
        with self._open() as lines:
            cells = [line.split() for line in itertools.islice(lines, 100) if line.strip()]
        tagged = all(len(row) > 1 and (row[-1] == "O" or PREFIXED.fullmatch(row[-1])) for row in cells)
        return len(cells) > 1 and tagged and len(set(map(len, cells))) == 1

    def _read_header(self, say):
        """Find the header line of a word CSV and its separator: the one that finds most of the columns."""
        self.header_line = 1
        with self._open() as lines:
            for self.header_line, line in enumerate(lines, start=1):
                self.header = line.rstrip("\r\n")
                if self.header:
                    break
        cells = {mark: next(csv.reader([self.header or ""], delimiter=mark), []) for mark in SEPARATORS}
        wanted = {self.columns.sentence, self.columns.word}
        self.separator = max(cells, key=lambda mark: (len(wanted & set(cells[mark])), len(cells[mark])))
        self.names = cells[self.separator]
        found = ", ".join(shown(name, 40) for name in self.names[:12]) or "none"
        place = f"{self.path}:{self.header_line}"
        if self.columns.word not in self.names:
            what = f"no column {shown(self.columns.word)}, there are {found}"
            raise InputError(f"{place}: {what}, name it with --word_column")
        if self.columns.sentence not in self.names:
            other = ids_by_another_name(self.names, self.columns)
            if other or self.columns.sentence != Columns().sentence:
                what = f"no column {shown(self.columns.sentence)}, there are {found}"
                raise InputError(f"{place}: {what}, set --sentence_column" + (f" {shown(other)}" if other else ""))
            say(f"{self.path}: no column {shown(self.columns.sentence)}, so blank lines separate the sentences")


def _read_text(source, lines, split):
    for number, line in enumerate(lines, start=1):
        text = line.removesuffix("\n").removesuffix("\r")
        _check(f"{source.path}:{number}", text)
        yield Record(number, text, split(text))


def _read_jsonl(source, lines, split):
    for number, line in enumerate(lines, start=1):
        place = f"{source.path}:{number}"
        if not line.strip():
            continue
        _check(place, line)
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = getattr(error, "msg", "nested too deep, or a number too long")
            what = f"not JSON ({what}), {shown(line.strip())}"
            raise InputError(f"{place}: {what}, write one JSON object per line") from None
        if not isinstance(fields, dict):
            raise InputError(f"{place}: not a JSON object, {shown(fields)}, write one JSON object per line")
        if "\\u" in line:  # half a surrogate pair, in a field that is carried along
            _check(place, json.dumps(fields, ensure_ascii=False))
        key = next((key for key in TOKENS if key in fields), None)
        if key is None and "text" not in fields:
            if "label_names" in fields:
                continue  # the line before the first of a labelled file
            keys = ", ".join(shown(key, 30) for key in list(fields)[:8])
            raise InputError(f"{place}: neither `text` nor `tokens`, the keys are {keys or 'none'}, give one of them")
        yield _json_record(place, number, fields, key, split)


def _json_record(place, number, fields, key, split):
    """The `Record` of a JSON object; where it holds both, the words are those given and stand in the text."""
    text = fields.get("text")
    if "text" in fields and not isinstance(text, str):
        raise InputError(f"{place}: `text` is not a string, {shown(text)}, write the text")
    _check(place, text or "")
    given = fields.get(key)
    if text is not None and isinstance(given, list) and given and all(isinstance(token, dict) for token in given):
        key = None  # Prodigy's and spaCy's tokens are objects, and their text is there
    if key is None:
        return Record(number, text, split(text), fields)
    tokens = fields[key]
    if not isinstance(tokens, list) or not all(isinstance(token, str) and token.strip() for token in tokens):
        raise InputError(f'{place}: `{key}` is not a list of words, {shown(tokens)}, write it as ["...", "..."]')
    for token in tokens:
        _check(place, token)
    if text is None:
        return _of_words(number, tokens, fields=fields)
    words, end = [], 0
    for token in tokens:
        start = text.find(token, end)
        if start < 0:
            fix = "write the words as they stand in the text, or leave one of the two out"
            raise InputError(f"{place}: the word {shown(token)} of `{key}` is not in `text` behind the others, {fix}")
        end = start + len(token)
        words.append((start, end))
    return Record(number, text, words, fields)


def _read_csv(source, lines, split):
    return _sentences(source, _csv_rows(source, lines), has_ids=source.columns.sentence in source.names)


def _csv_rows(source, lines):
    """Yield (line, word or None, whether it starts a sentence, the row as it stands there).

    A sentence starts at every id that is not the one before; without a column of ids, after a blank row.
    """
    word_at = source.names.index(source.columns.word)
    id_at = source.names.index(source.columns.sentence) if source.columns.sentence in source.names else None
    sentence_id, after_blank = None, True
    for line, cells, text in _csv_cells(source, lines):
        place = f"{source.path}:{line}"
        if not any(cell.strip() for cell in cells):
            after_blank = True
            yield line, None, False, text
            continue
        if line == source.header_line:
            continue
        _check_cells(source, place, cells, word_at)
        starts = after_blank
        if id_at is not None:
            given = cells[id_at].strip()
            if sentence_id is None and not given:
                raise InputError(f"{place}: the first row has no sentence id, write it on each sentence's first row")
            starts = bool(given) and given != sentence_id
            sentence_id = given or sentence_id
        after_blank = False
        yield line, cells[word_at], starts, text


def _csv_cells(source, lines):
    """Yield (line, cells, the row as it stands there) of every row, the header included."""
    consumed, line = [], 1
    lines = (consumed.append(text) or text for text in _without_second_ends(lines))
    reader = csv.reader(lines, delimiter=source.separator, strict=True)
    while True:
        consumed.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            what = f"{source.path}:{line}: not CSV ({error}), {shown(''.join(consumed[:1]).strip())}"
            raise InputError(f"{what}, write a quotation mark that is a word as {QUOTED_MARK}") from None
        yield line, cells, "".join(consumed).rstrip("\r\n")
        line += len(consumed)


def _without_second_ends(lines):
    """Of line ends CR CR LF, which come as a CR and a CR LF, the first."""
    before = ""
    for text in lines:
        if not (text == "\r\n" and before.endswith("\r")):
            yield text
        before = text


def _check_cells(source, place, cells, word_at):
    if len(cells) != len(source.names):
        count = f"{counted(len(cells), 'cell')} where the header has {len(source.names)}"
        row = shown(source.separator.join(cells))
        raise InputError(f"{place}: {count}, {row}, quote a cell that holds the separator")
    word = cells[word_at]
    if "\n" in word or "\r" in word:
        fix = f"write a quotation mark that is a word as {QUOTED_MARK}"
        raise InputError(f"{place}: a quotation mark opens this cell and it runs over lines, {shown(word)}, {fix}")
    _check_word(place, word)


def _check_word(place, word):
    if not word.strip():
        raise InputError(f"{place}: empty word, {shown(word)}, write the word or delete the row")
    _check(place, word)


def _read_conll(source, lines, split):
    return _sentences(source, _conll_rows(source, lines))


def _conll_rows(source, lines):
    """Yield (line, word or None, whether it starts a sentence, the line as it stands there).

    Columns by tab where the first word's line holds one, else by runs of spaces; blank lines between sentences.
    """
    column = _column_number(source.columns.word)
    starts, source.comments, source.ranges = True, 0, 0
    lines = _without_second_ends(lines)
    head, width, source.separator = _shape_of(lines, is_conllu(source.path))
    for number, line in enumerate(itertools.chain(head, lines), start=1):
        place, text = f"{source.path}:{number}", line.rstrip("\r\n")
        _check(place, text)
        if not text.strip(" \t") or re.match(DOCUMENT, text):
            starts = True
            yield number, None, False, text
        elif _is_comment(text, width, source.separator):
            source.comments += 1
            yield number, None, False, text
        elif is_conllu(source.path) and re.match(RANGE, text):
            source.ranges += 1
            yield number, None, False, f"# {text}"  # a comment in what is written, whose name need not end in .conllu
        else:
            cells = _cells_of(text, source.separator)
            if len(cells) != width or abs(column) > width:
                what = f"{counted(len(cells), 'column')} where the first row has {width}"
                raise InputError(f"{place}: {what} and the word is in {column}, {shown(text)}, see --word_column")
            word = cells[column - 1 if column > 0 else column]
            _check_word(place, word)
            yield number, word, starts, text
            starts = False


def _shape_of(lines, has_ranges):
    """Look for the first line that is surely of a word; without one, a lone # may be the only word.

    Returns (the lines that were read for it, its number of columns, their separator).
    """
    head, sample = [], None
    for line in lines:
        head.append(line)
        text = line.rstrip("\r\n")
        if not text.strip(" \t") or re.match(DOCUMENT, text) or (has_ranges and re.match(RANGE, text)):
            continue
        sample = sample or text
        if not re.match(COMMENT, text):
            sample = text
            break
    separator = "\t" if "\t" in (sample or "") else " "
    return head, len(_cells_of(sample or "", separator)), separator


def _cells_of(text, separator):
    return text.split("\t") if separator == "\t" else re.split("[ \t]+", text.strip(" \t"))


def _sentences(source, rows, has_ids=False):
    """(line, word or None, whether it starts a sentence, text) -> `Record` of each sentence."""
    tokens, kept, first, separated = [], [], 0, has_ids
    for line, word, starts, text in rows:
        if tokens and starts:
            separated = True
            yield _of_words(first, tokens, rows=tuple(kept))
            tokens, kept = [], []
        if word is not None:
            first = first if tokens else line
            tokens.append(word)
        kept.append(Row(text, word is not None))
    if not tokens:
        raise InputError(f"{source.path}: no words, give a file with one word per row")
    if not separated:
        check_separated(f"{source.path}:{first}", 1, len(tokens), has_header=source.header is not None)
    yield _of_words(first, tokens, rows=tuple(kept))


def _is_comment(text, width, separator):
    """Whether a line is a comment, and not the word #: in columns by tab, or with its tag, as in training."""
    if not re.match(COMMENT, text):
        return False
    cells = _cells_of(text, separator)
    if len(cells) != width:
        return True
    is_word = cells[0] == "#" and (separator == "\t" or width == 1)
    return not (is_word or cells[-1] == "O" or PREFIXED.fullmatch(cells[-1]))


def _column_number(name):
    if name == Columns().word:
        return 1
    if not re.fullmatch(r"-?[1-9]\d*", name):
        raise InputError(f"--word_column {name}: not a number, CoNLL columns have numbers, 1 for the first")
    return int(name)


def _of_words(line, tokens, fields=None, rows=()):
    """A `Record` whose text is its words joined by single spaces."""
    words, begin = [], 0
    for token in tokens:
        words.append((begin, begin + len(token)))
        begin += len(token) + 1
    return Record(line, " ".join(tokens), words, fields, rows)


def _check(place, text):
    """InputError for characters that stand for undecodable bytes, and for half a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        what = f"not UTF-8 (byte 0x{code - 0xDC00:02X})" if 0xDC80 <= code <= 0xDCFF else "half a surrogate pair"
        raise InputError(f"{place}: {what}, {shown(text)}, convert the text to UTF-8") from None


def _format_of(path):
    suffix = Path(path.lower().removesuffix(".gz")).suffix
    if suffix in OTHER_FILES and os.path.isfile(path):
        advice = {".conllu": "give --format conll --word_column 2", ".arrow": TABLES, ".parquet": TABLES}
        fix = advice.get(suffix, OTHER_FILES[suffix])
        raise InputError(f"{path}: no format has the suffix {suffix!r}, {fix}")
    named = (name for name, suffixes in FORMATS.items() if suffix in suffixes and suffix != ".txt")
    return next(named, "text")


def _encoding(path, say):
    """UTF-8 or, failing that, what `other_encoding` says; a look through the whole file, so that no mistake shows up
    hours later."""
    if not os.path.lexists(path):
        raise InputError(f"{path}: no such file, check the path")
    if not os.path.isfile(path):
        raise InputError(f"{path}: is not a regular file, give the path of one file")
    decoder, encoding, doubled = codecs.getincrementaldecoder("utf-8")(), "utf-8-sig", False
    try:
        with _opener(path)(path, "rb") as file:
            while chunk := file.read(CHUNK):
                if b"\0" in chunk:
                    raise InputError(f"{path}: NUL byte, not a text file or UTF-16: iconv -f UTF-16 -t UTF-8")
                doubled = doubled or b"\r\r\n" in chunk
                if encoding == "utf-8-sig":
                    encoding = _decoded(decoder, chunk)
        encoding = encoding if encoding is None else _decoded(decoder, b"", final=True)
        if encoding is None:
            with _opener(path)(path, "rb") as file:
                encoding = other_encoding(f"{path}: not UTF-8", iter(lambda: file.read(CHUNK), b""))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}), check the file and its permissions") from None
    if encoding in ENCODING_NAMES:
        say(f"{path}: not UTF-8, so the whole file is read as {ENCODING_NAMES[encoding]}")
    if doubled:
        say(f"{path}: line ends of CR CR LF, read as one each")
    return encoding


def _opener(path):
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return gzip.open if is_gzip or path.lower().endswith(".gz") else open


def _decoded(decoder, chunk, final=False):
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return None
    return "utf-8-sig"
