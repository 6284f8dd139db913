r"""CSV or TSV with a header line and one word per row, as in Kaggle's "entity annotated corpus" (GMB).

    Sentence #,Word,POS,Tag
    Sentence: 1,Thousands,NNS,O
    ,of,IN,O

The sentence id stands on a sentence's first row only, or on every row, and so does its document in a group column;
with no id column, blank lines separate the sentences. Comma, semicolon or tab, quoted as CSV is: a cell that starts
with a quotation mark ends with one, and marks inside it are doubled. pandas reads the cells, as strings and nothing
but strings. It pads short rows without a word and knows no line numbers, so numpy finds the rows in the bytes first.
"""

import csv
import difflib
import io
import re
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ner_data import InputError
from ner_data.schemes import PREFIXED
from ner_data.sentences import Words, check_separated, is_empty
from ner_data.text_file import counted, line_of, read_text, shown

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
SENTENCE_IDS = re.compile(r"sent(ence)?s?[ _.-]?(#|ids?|no|nr|num|number|idx|index)?", re.IGNORECASE)
BLOCK = 1 << 22  # bytes
AT_ONCE = 500_000  # rows that pandas reads together
QUOTE, LF, CR = ord('"'), ord("\n"), ord("\r")


class Columns(NamedTuple):
    """The names of the columns that are read."""

    sentence: str = "Sentence #"
    word: str = "Word"
    tag: str = "Tag"
    group: str | None = None  # the document, for splits that keep its sentences together


class Rows(NamedTuple):
    """Where the rows of a CSV file stand in its bytes; all (rows,) int32, the header is row 0."""

    starts: np.ndarray  # first byte
    ends: np.ndarray  # one past the last byte, without the line end
    cells: np.ndarray  # how many
    lines: np.ndarray  # the 1-based line a row starts on


class Marks(NamedTuple):
    """Where the bytes stand that make a file's rows, whether quoted or not; all int32."""

    ends: np.ndarray  # line ends; of CRLF, the LF
    separators_before_ends: np.ndarray  # how many separators stand before each
    quotes: np.ndarray
    separators_before_quotes: np.ndarray
    separators: int  # how many there are in all


def read_word_csv(path, columns=Columns(), say=print):  # noqa: B008 (a tuple cannot change)
    """Read the words of the CSV or TSV file at `path`. Raises InputError for whatever cannot be read exactly."""
    data = read_text(path, say)
    start, header = _find_header(path, data)
    separator = _find_separator(header, columns)
    names = _split_header(header, separator)
    has_ids = _check_header(f"{path}:{line_of(data, start)}", names, columns)
    if separator != ",":
        say(f"{path}: the columns are separated by {SEPARATORS[separator]}s")
    rows = _find_rows(path, data, separator)
    blank = _find_blank(path, data, rows, separator, len(names))
    wanted = {columns.word, columns.tag, *[columns.sentence] * has_ids, *[columns.group] * (columns.group is not None)}
    cells = _read_cells(path, data, separator, names, sorted(wanted), rows)
    words, tags = cells[columns.word], cells[columns.tag]
    looks_blank = np.flatnonzero(~blank & is_empty(words))
    blank[looks_blank] = [_is_blank(data[rows.starts[row] : rows.ends[row]], separator) for row in looks_blank]
    blank[: np.searchsorted(rows.starts, np.int32(start)) + 1] = True  # the header
    if blank.all():
        raise InputError(f"{path}:{line_of(data, start)}: a header and no rows, add one row per word")
    ids = cells[columns.sentence] if has_ids else None
    if not has_ids:
        say(f"{path}: no column {shown(columns.sentence)}, so blank lines separate the sentences")
    groups = None if columns.group is None else cells[columns.group]
    lines = rows.lines
    del data, rows, cells
    return words_of_rows(path, words, tags, ids, blank, lines, groups, say)


def column_names(path, columns=Columns()):  # noqa: B008
    """The names of the columns of the CSV or TSV file at `path`. Raises InputError if they cannot be read."""
    _, header = _find_header(path, read_text(path, say=lambda _: None))
    return _split_header(header, _find_separator(header, columns))


def read_frame(frame, columns=Columns(), say=print):  # noqa: B008
    """Read the words of a DataFrame with one word per row; rows count from 1, and errors name them as lines.

    A missing value in the id column is an empty id; in the word and tag columns it is an error, because `None` and
    `NA` are words: read the file with `dtype=str, keep_default_na=False`.
    """
    path = "DataFrame"
    frame = frame.rename(columns=str)
    has_ids = _check_header(path, list(frame.columns), columns)
    blank = frame.isna().all(axis=1).to_numpy() | (frame == "").all(axis=1).to_numpy()
    if blank.all():
        raise InputError(f"{path}: no rows, add one row per word")
    for name in (columns.word, columns.tag):
        _check_strings(path, name, frame[name], np.flatnonzero(~blank))
    ids = _filled(frame[columns.sentence]) if has_ids else None
    if not has_ids:
        say(f"{path}: no column {shown(columns.sentence)}, so blank rows separate the sentences")
    words, tags = (_strings(frame[name].astype(object).where(~blank, "")) for name in (columns.word, columns.tag))
    groups = None if columns.group is None else _filled(frame[columns.group])
    return words_of_rows(path, words, tags, ids, blank, np.arange(1, len(frame) + 1), groups, say)


def _filled(column):
    """A DataFrame's column of any values as strings, a missing one as the empty string."""
    return _strings(column.astype(object).where(column.notna(), "").astype(str))


def _check_strings(path, name, values, rows):
    """InputError for the first of the given rows of a DataFrame's column that is not a string."""
    if pd.api.types.infer_dtype(values.iloc[rows].astype(object), skipna=False) == "string":
        return
    row = next(row for row in rows if not isinstance(values.iloc[row], str))
    fix = "read the file with dtype=str, keep_default_na=False"
    raise InputError(f"{path}:{row + 1}: column {shown(name)} is not a string, {shown(values.iloc[row])}, {fix}")


def words_of_rows(path, tokens, tags, ids, blank, lines, groups, say):
    """Rows, some of them blank -> `Words`; with `ids` None, the blank rows separate the sentences.

    tokens, tags, ids, groups: (rows,) string; blank: (rows,) bool; lines: (rows,) int.
    Raises InputError when the first row has no sentence id, an id comes back later, a sentence has no group or two, or
    nothing separates the sentences.
    """
    kept = np.flatnonzero(~blank).astype(np.int32)
    lines = lines[kept]
    if ids is None:
        starts = np.flatnonzero(np.diff(kept, prepend=-2) > 1)
        check_separated(f"{path}:{lines[0]}", len(starts), len(kept), has_header=True)
    else:
        is_after_blank = np.diff(kept, prepend=kept[0] - 1) > 1
        starts = _starts_by_id(path, _at(ids, kept), lines, is_after_blank)
        within = np.setdiff1d(np.flatnonzero(is_after_blank), starts, assume_unique=True)
        if len(within):
            what = f"{counted(len(within), 'blank line')} between rows of one sentence id, read as one sentence"
            say(f"{path}:{lines[within[0]]}: {what}; is it the document's id?")
    if groups is not None:
        groups = _groups_of_sentences(path, _at(groups, kept), starts, lines)
    return Words(path, _at(tokens, kept), _at(tags, kept), starts, lines, groups)


def _at(column, kept):
    """The rows of a column that are kept, ascending; where they are neighbours, no copy."""
    if kept[-1] - kept[0] == len(kept) - 1:
        return column.slice(int(kept[0]), len(kept))
    return column.take(pa.array(kept))


def _groups_of_sentences(path, groups, starts, lines):
    """The group of each sentence, from its first row; the others repeat it or are empty."""
    first = groups.take(pa.array(starts))
    blank = np.flatnonzero(is_empty(first))
    if len(blank):
        line = lines[starts[blank[0]]]
        raise InputError(f"{path}:{line}: no group, '', write the document on the first row of each sentence")
    expected = first.take(pa.array(np.repeat(np.arange(len(starts)), np.diff(starts, append=len(groups)))))
    other = np.flatnonzero(~is_empty(groups) & pc.not_equal(groups, expected).to_numpy(zero_copy_only=False))
    if len(other):
        row = int(other[0])
        what = f"group {shown(groups[row].as_py())} within a sentence of group {shown(expected[row].as_py())}"
        raise InputError(f"{path}:{lines[row]}: {what}, a sentence is in one document")
    return first


def _starts_by_id(path, ids, lines, is_after_blank):
    """The rows at which a sentence starts, when its id stands on its first row only, or on every row."""
    given = ~is_empty(ids)
    if not given[0]:
        fix = "write the id on the first row of each sentence"
        raise InputError(f"{path}:{lines[0]}: the first row has no sentence id, {shown(ids[0].as_py())}, {fix}")
    stray = np.flatnonzero(is_after_blank & ~given)
    if len(stray):
        fix = "write the id on the first row of each sentence, or delete the blank line"
        raise InputError(f"{path}:{lines[stray[0]]}: no sentence id after a blank line, {fix}")
    codes = ids.dictionary_encode().indices.to_numpy()
    starts = np.flatnonzero(given if not given.all() else np.diff(codes, prepend=-1) != 0)
    again = np.flatnonzero(pd.Series(codes[starts]).duplicated().to_numpy())
    if len(again):
        row = starts[again[0]]
        first = starts[np.flatnonzero(codes[starts] == codes[row])[0]]
        raise InputError(
            f"{path}:{lines[row]}: sentence id {shown(ids[int(row)].as_py())} comes back, it began on line "
            f"{lines[first]}, give each sentence its own id, on its first row or on all its rows"
        )
    return starts


def _find_header(path, data):
    """The first line that is not blank, and the byte it starts at."""
    start = len(data) - len(data.lstrip(b"\r\n"))
    header = re.match(rb"[^\r\n]*", data[start : start + 100_001])[0]
    if len(header) > 100_000:
        raise InputError(f"{path}:{line_of(data, start)}: a first line of over 100,000 bytes, give a CSV file")
    return start, header.decode()


def _split_header(header, separator):
    return next(csv.reader([header], delimiter=separator))


def _find_separator(header, columns):
    """Comma, semicolon or tab: the one that finds most of the columns in the header, then the most frequent."""

    def names_found(separator):
        names = _split_header(header, separator)
        return len(set(columns) & set(names)), len(names)

    return max(SEPARATORS, key=names_found)


def _check_header(place, names, columns):
    """Whether there is a column of sentence ids. InputError for a column that is missing or named twice."""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError(f"{place}: two columns named {shown(twice[0])}, rename or delete one of them")
    flags = {"--sentence_column": columns.sentence, "--word_column": columns.word, "--tag_column": columns.tag}
    if columns.group is not None:
        flags["--group_column"] = columns.group
    for flag in ("--tag_column", "--sentence_column", "--group_column"):
        if flags.get(flag) == columns.word:
            raise InputError(f"{flag} {columns.word}: the same as --word_column, name two different columns")
    if len(names) == 1 and not {columns.word, columns.tag} & set(names):
        fix = "separate the cells by comma, semicolon or tab"
        raise InputError(f"{place}: one column where two or more are needed, {shown(names[0])}, {fix}")
    rest = [other for other in names if other not in columns]
    if columns.sentence == Columns().sentence and not ids_by_another_name(names, columns):
        del flags["--sentence_column"]  # blank lines separate the sentences, if it is not there
    for flag, name in flags.items():
        if name in names:
            continue
        nearest = ids_by_another_name(names, columns) if flag == "--sentence_column" else None
        nearest = nearest or _nearest(name, rest)
        found = ", ".join(shown(other, 40) for other in names[:12]) + ", ..." * (len(names) > 12)
        fix = f"set {flag} {shown(nearest)}" if nearest else f"name it with {flag}, or add a header line"
        if any(other == "O" or PREFIXED.fullmatch(other) for other in names):
            fix = "add a header line, or where this is a word and its tag, --format conll"
            raise InputError(f"{place}: no header, there are {found}, {fix}")
        others = [other for other, column in flags.items() if column not in names and other != flag]
        fix += f"; so with {', '.join(others)}" * bool(others)
        raise InputError(f"{place}: no column {shown(name)}, there are {found}, {fix}")
    return columns.sentence in names


def ids_by_another_name(names, columns):
    """A column of a header that seems to hold the sentence ids though it is not called `columns.sentence`, or None."""
    others = [name for name in names if name not in columns]
    if columns.sentence in names:
        return None
    usual = next((name for name in others if SENTENCE_IDS.fullmatch(name.strip())), None)
    return usual or _nearest(columns.sentence, others, 0.8)


def _nearest(name, names, cutoff=0.5):
    """The name that is most like `name`, whatever its case, or None."""
    lowered = {other.lower(): other for other in reversed(names)}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=cutoff)
    return lowered[close[0]] if close else None


def _find_rows(path, data, separator):
    """Find the rows in the bytes of a CSV file. InputError for quotation marks that do not pair up."""
    text = np.frombuffer(data, np.uint8)
    marks = _find_marks(text, separator)
    ends, separators_before = marks.ends, marks.separators_before_ends
    if not len(ends) or ends[-1] < len(text) - 1:  # no line end at the end of the file
        ends = np.append(ends, np.int32(len(text)))
        separators_before = np.append(separators_before, np.int32(marks.separators))
    lines = np.arange(1, len(ends) + 1, dtype=np.int32)
    quoted = _find_quoted(path, data, text, marks.quotes, separator)
    inner = np.searchsorted(ends, quoted)
    inner_separators = np.diff(marks.separators_before_quotes[np.searchsorted(marks.quotes, quoted)])[:, 0]
    if (inner[:, 0] != inner[:, 1]).any():  # there are line ends in quoted text
        _refuse_swallowed_rows(path, data, quoted, inner_separators, inner[:, 1] - inner[:, 0])
        is_outside = np.cumsum(np.bincount(inner.ravel(), minlength=len(ends)))[: len(ends)] % 2 == 0
        lines = np.append(np.int32(1), 1 + lines[is_outside][:-1])
        ends, separators_before = ends[is_outside], separators_before[is_outside]
    starts = np.append(np.int32(0), ends[:-1] + 1)
    cells = 1 + np.diff(separators_before, prepend=np.int32(0))
    if len(quoted):
        rows = np.searchsorted(starts, quoted[:, 0], side="right") - 1
        cells -= np.bincount(rows, inner_separators, minlength=len(cells)).astype(np.int32)
    if b"\r" in data:
        is_crlf = (text[np.minimum(ends, len(text) - 1)] == LF) & (ends > starts) & (text[ends - 1] == CR)
        ends = ends - is_crlf
    return Rows(starts, ends, cells, lines)


def _find_marks(text, separator):
    """Find the line ends and the quotation marks, block by block, which saves memory and with it time."""
    parts, separators = [], 0
    for first in range(0, len(text), BLOCK):
        block = text[first : first + BLOCK]
        is_end = block == LF
        returns = np.flatnonzero(block == CR)
        is_end[returns[text[np.minimum(returns + first + 1, len(text) - 1)] != LF]] = True
        found = np.flatnonzero(block == ord(separator))
        for places in (np.flatnonzero(is_end), np.flatnonzero(block == QUOTE)):
            both = (places + first, np.searchsorted(found, places) + separators)
            parts += [array.astype(np.int32) for array in both]  # a file has less than 2 GiB
        separators += len(found)
    return Marks(*(np.concatenate(parts[kind::4]) for kind in range(4)), separators)


def _find_quoted(path, data, text, marks, separator):
    """Pair up the quotation marks, (marks,) -> those around each piece of quoted text: (pieces, 2) int32.

    Where every mark opens a cell, closes one or is doubled, the marks pair up as they come, and a doubled one parts
    its cell in two pieces. Where a mark stands inside an unquoted cell (5'10"), a walk from mark to mark finds out.
    """
    is_edge = np.zeros(256, bool)
    is_edge[[ord(separator), LF, CR]] = True
    before = (marks == 0) | is_edge[text[marks - 1]]
    after = (marks == len(text) - 1) | is_edge[text[np.minimum(marks + 1, len(text) - 1)]]
    touches_next = np.diff(marks, append=-2) == 1
    touches_last = np.diff(marks, prepend=-2) == 1
    if len(marks) % 2 == 0 and (before | touches_last)[::2].all() and (after | touches_next)[1::2].all():
        return marks.reshape(-1, 2)
    pieces, opening, skip = [], None, False
    for mark, is_first, is_last, is_doubled in zip(marks.tolist(), before, after, touches_next, strict=True):
        if skip:
            skip = False
        elif opening is None:
            opening = mark if is_first else None
        elif is_doubled:
            skip = True
        elif is_last:
            pieces.append((opening, mark))
            opening = None
        else:
            _refuse_quote(path, data, opening, f"text follows the closing mark on line {line_of(data, mark)}")
    if opening is not None:
        _refuse_quote(path, data, opening, "it is never closed")
    return np.array(pieces, np.int32).reshape(-1, 2)


def _refuse_quote(path, data, opening, what):
    place = f"{path}:{line_of(data, opening)}"
    cell = shown(data[opening : opening + 200].split(b"\n")[0].decode(errors="replace"))
    fix = 'write a quotation mark that is a word as """"'
    raise InputError(f"{place}: a quotation mark opens this cell and {what}, {cell}, {fix}")


def _refuse_swallowed_rows(path, data, quoted, separators, line_ends):
    """InputError for a quoted cell that holds a separator and a line end: a lone quotation mark swallowed rows.

    separators, line_ends: (pieces,) how many of them each quoted piece holds.
    """
    cells = np.cumsum(np.append(0, quoted[1:, 0] != quoted[:-1, 1] + 1))
    swallowed = np.flatnonzero((np.bincount(cells, separators) > 0) & (np.bincount(cells, line_ends) > 0))
    if len(swallowed):
        pieces = quoted[cells == swallowed[0]]
        last = line_of(data, int(pieces[-1, 1]))
        _refuse_quote(path, data, int(pieces[0, 0]), f"it runs over whole rows to line {last}")


def _find_blank(path, data, rows, separator, columns):
    """Which rows are blank: (rows,) bool. InputError for the first row with too few or too many cells."""
    blank = rows.ends - rows.starts == rows.cells - 1
    for row in np.flatnonzero((rows.cells != columns) & ~blank):
        text = data[rows.starts[row] : rows.ends[row]]
        if not _is_blank(text, separator):
            count = f"{counted(rows.cells[row], 'cell')} where the header has {columns}"
            fix = "add the missing ones" if rows.cells[row] < columns else "quote a cell that holds the separator"
            raise InputError(f"{path}:{rows.lines[row]}: {count}, {shown(text.decode())}, {fix}")
        blank[row] = True
    return blank


def _is_blank(text, separator):
    """Whether every cell in the bytes of a row is empty, white space, or a pair of quotation marks around nothing."""
    return all(cell.strip(b" \t") in (b"", b'""') for cell in text.split(separator.encode()))


def _read_cells(path, data, separator, names, wanted, rows):
    """The wanted columns, {name: (rows,) string}, blank lines and the header included as rows.

    Block by block, which saves memory. Raises InputError where pandas finds other rows than stand there.
    """
    parts = {name: [] for name in wanted}
    above = separator.encode() * (len(names) - 1) + b"\n"  # a row, since pandas looks for a mark before the first one
    for first in range(0, len(rows.starts), AT_ONCE):
        ends = rows.ends[first : first + AT_ONCE]
        block = data[rows.starts[first] : ends[-1]]
        end = b"\r" if block.endswith(b"\r") else b"\n"  # or the two would be one line end
        frame = pd.read_csv(
            io.BytesIO(b"".join((above, block, end))),
            sep=separator,
            header=None,
            names=range(len(names)),
            usecols=[names.index(name) for name in wanted],
            index_col=False,
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            skip_blank_lines=False,
        )
        if len(frame) - 1 != len(ends):
            what = f"pandas reads {len(frame) - 1} rows where {len(ends)} stand"
            raise InputError(f"{path}:{rows.lines[first]}: {what}, is it CSV at all?")
        for name, part in parts.items():
            part.append(_strings(frame[names.index(name)])[1:])
    return {name: pa.concat_arrays(parts.pop(name)) for name in wanted}


def _strings(column):
    """A column of strings as one Arrow array."""
    return pa.chunked_array(pa.array(column)).cast(pa.string()).combine_chunks()
