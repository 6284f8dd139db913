r"""CoNLL columns: one word per line, two or more columns by tab or by spaces, no header, blank lines between sentences.

    @paulwalk	O
    Empire	B-location
    State	I-location

    ESB	B-location

The word is in the first column and the tag in the last, unless the columns are given by number. Where the first
word's line holds a tab, every line is split at tabs and the cells stay as they are; otherwise lines are split at runs
of spaces. A line of nothing but spaces and tabs is blank. `-DOCSTART-` lines and comments (`# text`, unless that is a
word and its tag: in columns by tab whatever the tag, else `O`, a prefixed one or one of other lines) are skipped. So
are, in a `.conllu`, the lines of several words together (1-2) and of words that are not there (5.1).
"""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ner_data import InputError
from ner_data.schemes import PREFIXED
from ner_data.sentences import Words
from ner_data.text_file import counted, read_text, shown

COMMENT, DOCUMENT = r"^#([ \t]|$)", r"^-DOCSTART-([ \t]|$)"
RANGE = r"^[0-9]+[-.][0-9]+\t"  # how a line of a .conllu begins that holds several words together, or none


def is_conllu(path):
    """Whether a file's name says that it is CoNLL-U, packed or not."""
    return Path(str(path).lower().removesuffix(".gz")).suffix == ".conllu"


def read_conll(path, word_column=1, tag_column=-1, say=print):
    """Read the words of the CoNLL file at `path`.

    word_column, tag_column: 1 is the first column, -1 the last.
    Raises InputError for a line with too few or too many columns, and for columns that are not there.
    """
    text = read_text(path, say)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = pc.split_pattern(pa.array([text], pa.binary()).cast(pa.string()), "\n").flatten()
    kept, breaks, separator = _find_words(path, lines, tag_column, say)
    cells, columns = _cells(path, lines.take(pa.array(kept)), kept + 1, separator)
    if not len(kept):
        raise InputError(f"{path}: no words, give a file with at least one sentence")
    place = f"{path}:{kept[0] + 1}"
    tokens = _column(place, cells, columns, "--word_column", word_column)
    tags = _column(place, cells, columns, "--tag_column", tag_column)
    if _index(word_column, columns) == _index(tag_column, columns):
        raise InputError(f"--tag_column {tag_column}: the same as --word_column, name two different columns")
    starts = np.flatnonzero(np.diff(breaks[kept], prepend=-1))
    return Words(path, tokens, tags, starts, kept + 1)


def _find_words(path, lines, tag_column, say):
    """Find the lines that hold a word.

    Returns (kept, breaks, separator): the lines, counted from 0; for each line of the file, how many blank lines and
    documents came before it; and a tab, or None for runs of spaces.
    """
    is_blank = _mask(pc.equal(pc.utf8_trim(lines, " \t"), ""))
    is_document = _mask(pc.match_substring_regex(lines, DOCUMENT))
    is_comment = _mask(pc.match_substring_regex(lines, COMMENT)) & ~is_blank
    is_range = np.zeros(len(lines), bool)
    if is_conllu(path):
        is_range = _mask(pc.match_substring_regex(lines, RANGE))
    is_other = ~is_blank & ~is_document & ~is_comment & ~is_range
    first = np.flatnonzero(is_other)
    first = first if len(first) else np.flatnonzero(is_comment)  # a lone # may be the only word
    sample = lines[first[0]].as_py() if len(first) else ""
    separator = "\t" if "\t" in sample else None
    columns = len(_split(sample, separator))
    tag_index = tag_column - (tag_column > 0)
    tags = None
    for line in np.flatnonzero(is_comment):
        cells = _split(lines[line].as_py(), separator)
        if not -len(cells) <= tag_index < len(cells) == columns:
            continue
        tag, is_word = cells[tag_index], separator is not None and cells[0] == "#"
        if not is_word and tags is None:  # those of the other lines
            rows = (_split(other, separator) for other in lines.filter(pa.array(is_other)).to_pylist())
            tags = {row[tag_index] for row in rows if len(row) == columns}
        is_word = is_word or tag == "O" or (cells[0] == "#" and tag in tags) or PREFIXED.fullmatch(tag)
        is_comment[line] = not is_word
    ranges = "line of several words together, or of a word that is not there,"
    for kind, which in (("-DOCSTART- line", is_document), ("comment line", is_comment), (ranges, is_range)):
        if which.any():
            first = int(np.flatnonzero(which)[0])
            example = "" if which is is_document else f", the first is {shown(lines[first].as_py())}, line {first + 1}"
            say(f"{path}: {counted(which.sum(), kind, kind.replace('line', 'lines', 1))} skipped{example}")
    is_skipped = is_blank | is_document | is_comment | is_range
    return np.flatnonzero(~is_skipped), np.cumsum(is_blank | is_document), separator


def _cells(path, rows, lines, separator):
    """All cells, row after row, and how many there are in each row.

    rows: (rows,) string, none of them blank; lines: (rows,) the 1-based line of each.
    Raises InputError for a row with one cell, or not as many as the first row.
    """
    if separator is None:
        cells = pc.split_pattern_regex(pc.utf8_trim(rows, " \t"), "[ \t]+")
    else:
        cells = pc.split_pattern(rows, separator)
    counts = pc.list_value_length(cells).to_numpy()
    columns = int(counts[0]) if len(counts) else 2
    wrong = np.flatnonzero((counts != columns) | (counts < 2))
    if len(wrong):
        row, count = wrong[0], counts[wrong[0]]
        expected = "there must be two or more" if columns < 2 else f"the first row, line {lines[0]}, has {columns}"
        what = f"{counted(count, 'column')} where {expected}"
        fix = "write the word first and its tag last, separated by a tab"
        raise InputError(f"{path}:{lines[row]}: {what}, {shown(rows[row].as_py())}, {fix}")
    return cells.flatten(), columns


def _column(place, cells, columns, flag, number):
    """One column of the cells; 1 is the first, -1 the last."""
    if not 1 <= abs(number) <= columns:
        raise InputError(f"{place}: no column {number}, the rows have {columns}, set {flag} to 1 to {columns} or -1")
    return cells.take(pa.array(np.arange(_index(number, columns), len(cells), columns)))


def _index(number, columns):
    """The place of a column, from 0; 1 is the first, -1 the last."""
    return number - 1 if number > 0 else columns + number


def _split(line, separator):
    return line.split(separator) if separator else re.split("[ \t]+", line.strip(" \t"))


def _mask(array):
    return array.to_numpy(zero_copy_only=False)
