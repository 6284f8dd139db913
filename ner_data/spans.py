r"""Spans (start, end, type) -> the words of a text and their tags.

The one word tokenisation: a word is a run of letters, digits and underscores, or a single other character that is
not white space. So `U.S. (10,000)` is U . S . ( 10 , 000 ), and no character but white space is lost. Combining marks
and joiners belong to what they follow. A letter of a script that is written without spaces (Chinese, Japanese, Thai,
Lao, Burmese, Khmer) is a word of its own.
"""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

UNSPACED = (  # letters of scripts without spaces between words, for a character class of a pattern
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)


class Fault(NamedTuple):
    """A span that does not lie on words as it is."""

    span: tuple  # (start, end, type) as given
    what: str  # what is wrong with it
    became: tuple | None  # the span that it was adjusted to, or None: dropped


def words_in(text):
    """The words of a text as (start, end) in characters: `Ada's` -> [(0, 3), (3, 4), (4, 5)]."""
    return [match.span() for match in _word().finditer(text)]


@cache
def _word():
    marks = combining_marks()
    letter, unspaced = rf"[^\W{UNSPACED}]", rf"[{UNSPACED}][{marks}]*"
    other = rf"[^\w\s][{marks}]*(?:\u200d[^\w\s][{marks}]*)*"  # with the joiner, emoji of several characters
    return re.compile(rf"{letter}+(?:(?:[{marks}]|[\u200c\u200d](?={letter})){letter}*)*|{unspaced}|{other}")


@cache
def combining_marks():
    """Combining marks, variation selectors and skin tones, for a character class of a pattern."""
    codes = (code for plane in (range(0x300, 0x20000), range(0xE0100, 0xE01F0)) for code in plane)
    marks = [code for code in codes if unicodedata.category(chr(code))[0] == "M" or 0x1F3FB <= code <= 0x1F3FF]
    breaks = [0, *(k for k in range(1, len(marks)) if marks[k] != marks[k - 1] + 1), len(marks)]
    return "".join(f"\\U{marks[a]:08x}-\\U{marks[b - 1]:08x}" for a, b in zip(breaks, breaks[1:], strict=False))


def lay_spans(words, size, spans):
    """Lay spans on words: words and spans are (start, end), end exclusive, in a text of `size` characters.

    A span that leaves the text, or begins or ends within a word or between two, is moved to the edges of the words
    that it touches. One that touches no word, or a word of a span that starts before it (of two that start together,
    of the longer one), is dropped. Each of these is a fault, for the caller to refuse or to count.

    Returns (tags, faults): a BIO tag for each word, and a list of `Fault`.
    """
    tags, faults, first = ["O"] * len(words), [], 0
    for start, end, name in sorted(spans, key=lambda span: (span[0], -span[1])):
        while first < len(words) and words[first][1] <= start:
            first += 1
        last = first
        while start < end and last < len(words) and words[last][0] < end:
            last += 1
        what, became = None, None
        if start >= end:
            what = "ends where it starts, or before"
        elif any(tag != "O" for tag in tags[first:last]):
            what = "overlaps another one"
        else:
            became = (words[first][0], words[last - 1][1], name) if first < last else None
            if start < 0 or end > size:
                what = f"leaves the text, which ends at {size}"
            elif became != (start, end, name):
                what = "does not begin and end with a word" if became else "holds no word"
            tags[first:last] = [f"B-{name}", *[f"I-{name}"] * (last - first - 1)][: last - first]
        if what:
            faults.append(Fault((start, end, name), what, became))
    return tags, faults
