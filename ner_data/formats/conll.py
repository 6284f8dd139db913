r"""CoNLL columns: one word per line, two or more columns by tab or by spaces, no header, blank lines between sentences.

    @paulwalk	O
    Empire	B-location
    State	I-location

    ESB	B-location

The word is in the first column and the tag in the last. Where the first word's line holds a tab, every line is split
at tabs and the cells stay as they are; otherwise lines are split at runs of spaces. A line of nothing but spaces and
tabs is blank. `-DOCSTART-` lines and comments (`# text`, unless that is a word and its tag) are skipped.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ner_data import InputError
from ner_data.schemes import PREFIXED
from ner_data.sentences import Words
from ner_data.text_file import counted, read_text, shown


def read_conll(path, say=print):
    """Read the words of the CoNLL file at `path`. Raises InputError for a line with too few or too many columns."""
    text = read_text(path, say)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = pc.split_pattern(pa.array([text], pa.binary()).cast(pa.string()), "\n").flatten()
    is_blank = _mask(pc.equal(pc.utf8_trim(lines, " \t"), ""))
    is_document = _mask(pc.match_substring_regex(lines, r"^-DOCSTART-([ \t]|$)"))
    is_comment = _mask(pc.match_substring_regex(lines, r"^#([ \t]|$)")) & ~is_blank
    first = np.flatnonzero(~is_blank & ~is_document & ~is_comment)
    sample = lines[first[0]].as_py() if len(first) else ""
    separator = "\t" if "\t" in sample else None
    columns = len(_split(sample, separator))
    for line in np.flatnonzero(is_comment):
        cells = _split(lines[line].as_py(), separator)
        is_row = len(cells) == columns and (cells[-1] == "O" or PREFIXED.fullmatch(cells[-1]))
        is_comment[line] = not is_row
    kept = np.flatnonzero(~is_blank & ~is_document & ~is_comment)
    for kind, count in (("-DOCSTART- line", is_document.sum()), ("comment line", is_comment.sum())):
        if count:
            say(f"{path}: {counted(count, kind)} skipped")
    tokens, tags = _cells(path, lines.take(pa.array(kept)), kept + 1, separator)
    ends_sentence = np.cumsum(is_blank | is_document)
    return Words(path, tokens, tags, np.flatnonzero(np.diff(ends_sentence[kept], prepend=-1)), kept + 1)


def _cells(path, rows, lines, separator):
    """The first and the last cell of each row. InputError for a row with one cell, or not as many as the first row.

    rows: (rows,) string, none of them blank; lines: (rows,) the 1-based line of each.
    """
    if separator is None:
        cells = pc.split_pattern_regex(pc.utf8_trim(rows, " \t"), "[ \t]+")
    else:
        cells = pc.split_pattern(rows, separator)
    counts = pc.list_value_length(cells).to_numpy()
    columns = counts[0] if len(counts) else 2
    wrong = np.flatnonzero((counts != columns) | (counts < 2))
    if len(wrong):
        row, count = wrong[0], counts[wrong[0]]
        expected = "there must be two or more" if columns < 2 else f"the first row, line {lines[0]}, has {columns}"
        what = f"{counted(count, 'column')} where {expected}"
        fix = "write the word first and its tag last, separated by a tab"
        raise InputError(f"{path}:{lines[row]}: {what}, {shown(rows[row].as_py())}, {fix}")
    flat, every = cells.flatten(), np.arange(0, columns * len(rows), columns)
    return flat.take(pa.array(every)), flat.take(pa.array(every + columns - 1))


def _split(line, separator):
    return line.split(separator) if separator else re.split("[ \t]+", line.strip(" \t"))


def _mask(array):
    return array.to_numpy(zero_copy_only=False)
