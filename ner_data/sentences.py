"""The words of one file, flat and in order -> checked -> a table with one row per sentence.

Every format's reader ends in `Words`; everything that is checked on words and tags is checked here, once, with the
line that each word stands on.
"""

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ner_data import InputError, schemes
from ner_data.text_file import counted, shown

LONGEST = 500  # words of a sentence that is believed where nothing in the file separates sentences


class Words(NamedTuple):
    """The n words of one file in order; sentence s is words starts[s] to starts[s + 1]."""

    path: str  # as the user typed it
    tokens: pa.Array  # (n,) string
    tags: pa.Array  # (n,) string
    starts: np.ndarray  # (sentences,) int64, ascending, the first is 0; no sentence is empty
    lines: np.ndarray  # (n,) int, the 1-based line each word stands on
    groups: pa.Array | None = None  # (sentences,) string, the document of each sentence, where one was asked for
    repairs: tuple = ()  # (line, what was wrong) of each span that was moved to whole words or dropped


def sentence_table(words):
    """`Words` -> a table with columns tokens: list<string>, tags: list<string>, row: int64, one row per sentence.

    Where the documents are known there is a fourth column, group: string.
    """
    offsets = pa.array(np.append(words.starts, len(words.tokens)), pa.int32())
    columns = {
        "tokens": pa.ListArray.from_arrays(offsets, words.tokens),
        "tags": pa.ListArray.from_arrays(offsets, words.tags),
        "row": pa.array(words.lines[words.starts], pa.int64()),
    }
    return pa.table(columns if words.groups is None else columns | {"group": words.groups})


def check_separated(place, sentences, words, has_header=False):
    """Raise InputError where nothing separates the sentences: so many words would be one.

    has_header: whether there could be a column of ids.
    """
    if sentences == 1 and words > LONGEST:
        what, fix = "no blank line", "put a blank line between sentences"
        if has_header:
            what, fix = (
                "neither a column of sentence ids nor a blank line",
                f"name the column with --sentence_column, or {fix}",
            )
        raise InputError(f"{place}: {what}, so {words:,} words would be one sentence, {fix}")


def is_empty(strings):
    """Which strings of an Arrow array are empty or nothing but white space: (n,) bool."""
    empty = pc.or_(pc.equal(pc.binary_length(strings), 0), pc.utf8_is_space(strings))
    return empty.to_numpy(zero_copy_only=False)


def check_words(words):
    """Raise InputError, with the file and the line, for no words at all, an empty word or an empty tag."""
    if len(words.tokens) == 0:
        raise InputError(f"{words.path}: no words, give a file with at least one sentence")
    blank = np.flatnonzero(is_empty(words.tokens))
    if len(blank):
        word = shown(words.tokens[blank[0]].as_py())
        raise InputError(f"{_place(words, blank[0])}: empty word, {word}, write the word or delete the row")
    blank = np.flatnonzero(is_empty(words.tags))
    if len(blank):
        tag = shown(words.tags[blank[0]].as_py())
        raise InputError(f"{_place(words, blank[0])}: empty tag, {tag}, write O, or B- or I- and the type")
    if _are_tags(words.tokens) and not _are_tags(words.tags):
        different = words.tokens.unique().to_pylist()
        fix = "give --word_column and --tag_column the other way round"
        raise InputError(f"{_place(words, 0)}: all words look like tags, {shown(different[:3])}, {fix}")


def _are_tags(strings):
    """Whether all strings of an Arrow array are O or a letter and a type."""
    if not all(word == "O" or schemes.PREFIXED.fullmatch(word) for word in strings[:100].to_pylist()):
        return False
    return all(word == "O" or schemes.PREFIXED.fullmatch(word) for word in strings.unique().to_pylist())


def in_bio(words, scheme=None, repair=False, say=print):
    """`Words` with tags in any scheme -> `Words` with tags in BIO.

    The scheme (a key of `schemes.LETTERS`) is detected from the tags unless it is given, and said in a line. Raises
    InputError, with the file and the line, for a tag that is not one of the scheme's, and for tags that the scheme
    does not allow where they stand, unless `repair`: then they are counted, and read as conlleval reads them.
    """
    coded = words.tags.dictionary_encode()  # once, for all that follows
    scheme = find_scheme(words, coded, scheme, say)
    wrong = schemes.ill_formed(coded, scheme)
    if len(wrong):
        tag = words.tags[wrong[0]].as_py()
        raise InputError(f"{_place(words, wrong[0])}: {_what_it_is_not(scheme)}, {shown(tag)}, {_fix_for(tag, scheme)}")
    tags = schemes.take_apart(coded, words.starts, scheme)
    places = schemes.illegal(tags, scheme)
    if len(places):
        first = [f"line {words.lines[place]} {shown(words.tags[place].as_py())}" for place in places[:5]]
        more = ", ..." * (len(places) > len(first))
        what = f"{counted(len(places), 'tag')} out of place in {scheme} ({', '.join(first)}{more})"
        if not repair:
            raise InputError(f"{_place(words, places[0])}: {what}, correct them, or give --repair")
        say(f"{_place(words, places[0])}: {what}, read as conlleval reads them")
    return words if scheme == "BIO" and not len(places) else words._replace(tags=schemes.put_together(tags, "BIO"))


def find_scheme(words, coded, scheme=None, say=print):
    """The scheme of `Words`, detected and said in a line; a scheme that is given wins. coded: the encoded tags."""
    detected, evidence = schemes.detect(coded, words.starts)
    say(f"{words.path}: tag scheme {detected or 'BIO'}: {evidence}" + f", read as {scheme}" * (scheme is not None))
    return scheme or detected or "BIO"


def _place(words, word):
    return f"{words.path}:{words.lines[word]}"


def _what_it_is_not(scheme):
    if scheme == "unprefixed":
        return "the tag is neither O nor a type"
    letters = [f"{letter}-" for letter in schemes.LETTERS[scheme]]
    choice = " or ".join((", ".join(letters[:-1]), letters[-1])) if len(letters) > 1 else letters[0]
    return f"the tag is neither O nor {choice} and a type"


def _fix_for(tag, scheme):
    """What to write instead of an ill-formed tag."""
    if schemes.are_several(tag):
        return "give each word a row of its own, and its tag"
    turned = re.sub(r"^(.+)[-_.:/ –]([BIESLU])$", r"\2-\1", tag.strip())
    likely = re.sub(r"^([A-Za-z])[-_:./ –]\s*", lambda match: match[1].upper() + "-", turned)
    likely = "O" if likely in ("o", "0", "_") else likely
    letters = schemes.LETTERS[scheme]
    if likely == "O" or (letters and re.fullmatch(rf"[{letters}]-\S(?:.*\S)?", likely)):
        return f"write {shown(likely)}"
    if not letters:
        return "write O or the type"
    return f"write O, or {letters[0]}- and the type, such as {letters[0]}-per; types alone: --tag_scheme unprefixed"
