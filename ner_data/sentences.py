"""The words of one file, flat and in order -> checked -> a table with one row per sentence.

Every format's reader ends in `Words`; everything that is checked on words and tags is checked here, once, with the
line that each word stands on.
"""

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ner_data import InputError
from ner_data.text_file import counted, shown

TAG = re.compile(r"O|[BI]-\S(?:.*\S)?")


class Words(NamedTuple):
    """The n words of one file in order; sentence s is words starts[s] to starts[s + 1]."""

    path: str  # as the user typed it
    tokens: pa.Array  # (n,) string
    tags: pa.Array  # (n,) string
    starts: np.ndarray  # (sentences,) int64, ascending, the first is 0; no sentence is empty
    lines: np.ndarray  # (n,) int64, the 1-based line each word stands on


def sentence_table(words):
    """`Words` -> a table with columns tokens: list<string>, tags: list<string>, row: int64, one row per sentence."""
    offsets = pa.array(np.append(words.starts, len(words.tokens)), pa.int32())
    return pa.table(
        {
            "tokens": pa.ListArray.from_arrays(offsets, words.tokens),
            "tags": pa.ListArray.from_arrays(offsets, words.tags),
            "row": pa.array(words.lines[words.starts], pa.int64()),
        }
    )


def is_empty(strings):
    """Which strings of an Arrow array are empty or nothing but white space: (n,) bool."""
    return pc.equal(pc.utf8_trim_whitespace(strings), "").to_numpy(zero_copy_only=False)


def check_words(words):
    """Raise InputError, with the file and the line, for the first empty word, empty tag or ill-formed tag."""
    if len(words.tokens) == 0:
        raise InputError(f"{words.path}: no words, give a file with at least one sentence")
    blank = np.flatnonzero(is_empty(words.tokens))
    if len(blank):
        place, word = f"{words.path}:{words.lines[blank[0]]}", words.tokens[blank[0]].as_py()
        raise InputError(f"{place}: empty word, {shown(word)}, write the word or delete the row")
    tags = words.tags.dictionary_encode()
    ill_formed = np.array([not TAG.fullmatch(tag) for tag in tags.dictionary.to_pylist()])
    wrong = np.flatnonzero(ill_formed[tags.indices.to_numpy()])
    if len(wrong):
        place, tag = f"{words.path}:{words.lines[wrong[0]]}", words.tags[wrong[0]].as_py()
        what = "the tag is neither O nor B- or I- and a type" if tag.strip() else "empty tag"
        raise InputError(f"{place}: {what}, {shown(tag)}, {_fix_for(tag)}")


def _fix_for(tag):
    """What to write instead of an ill-formed tag."""
    likely = re.sub(r"^([BbIi])[-_:.]\s*", lambda match: match[1].upper() + "-", tag.strip())
    if likely in ("o", "0"):
        likely = "O"
    return f"write {shown(likely)}" if TAG.fullmatch(likely) else "write O, or B- or I- and the type, such as B-per"


def report_orphans(words, say=print):
    """Say how many I- tags do not follow a B- or I- tag of their own type, and where the first one stands."""
    tags = words.tags.dictionary_encode()
    names = tags.dictionary.to_pylist()
    types = {name[2:]: number for number, name in enumerate(names)}
    is_inside = np.array([name.startswith("I-") for name in names])
    codes = tags.indices.to_numpy()
    type_of = np.array([types[name[2:]] if name != "O" else -1 for name in names])[codes]
    previous = np.concatenate(([-1], type_of[:-1]))
    previous[words.starts] = -1
    orphans = np.flatnonzero(is_inside[codes] & (type_of != previous))
    if len(orphans):
        first = orphans[0]
        what = f"{counted(len(orphans), 'I- tag')} not after a tag of the same type"
        tag = shown(names[codes[first]])
        say(f"{words.path}:{words.lines[first]}: {what}, the first {tag}: strict scoring counts no entity there")
