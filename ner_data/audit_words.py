"""Checks of an audit that look at words, tags and types, one by one."""

import re
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa

from ner_data.audit_corpus import Finding, split_of_spans
from ner_data.sentences import is_empty
from ner_data.text_file import shown

JOINERS = "\u200c\u200d"  # they shape letters in Persian and Indic scripts, and tie emoji together
TYPO_RATIO = 20  # how many times as frequent the right name is, at least
TYPO_LENGTH = 3  # of the shorter name, at least

# What UTF-8 looks like when it was read as Latin-1 or Windows-1252: a character that was a lead byte, then as many as
# it asks for that were bytes 80 to BF. Of the leads for two bytes, those of Latin (C2 to C5), Greek and Cyrillic (CE to
# D1), Hebrew and Arabic (D7 to D9); the others are letters that stand before a closing quotation mark in good text.
FOLLOWING = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
MOJIBAKE = re.compile(
    f"[\u00c2-\u00c5\u00ce-\u00d1\u00d7-\u00d9]{FOLLOWING}|[\u00e0-\u00ef]{FOLLOWING}{{2}}|[\u00f0-\u00f4]{FOLLOWING}{{3}}"
)


def check_words(corpus):
    """Findings on the characters of words: empty, white space at an edge, unprintable, U+FFFD, mojibake."""
    rules = {
        "empty-word": ("words that are empty or nothing but white space", lambda word: not word.strip()),
        "space-at-edge": (
            "words that begin or end with white space, and so differ from those that do not",
            lambda word: word != word.strip() and word.strip(),
        ),
        "replacement-character": ("words with U+FFFD, which stands for a character that was lost", _has_lost),
        "unprintable-word": (
            "words with control, format or private-use characters (joiners within a word are fine)",
            _unprintable(corpus.words),
        ),
        "mojibake": ("words with UTF-8 that was read as Latin-1 or Windows-1252, such as Ã© for é", MOJIBAKE.search),
    }
    findings = []
    for code, (what, is_wrong) in rules.items():
        wrong = np.array([bool(is_wrong(word)) for word in corpus.words], bool)
        places = np.flatnonzero(wrong[corpus.word])
        findings.append(Finding(code, what, places, lambda k, at=places: shown(_word(corpus, at[k]))))
    return findings


def _has_lost(word):
    return "\ufffd" in word


def _word(corpus, place):
    return corpus.words[corpus.word[place]]


def _unprintable(words):
    """A function that finds an unprintable character in a word; the distinct characters of `words` are looked up."""
    characters = "".join(filter(_is_unprintable, sorted(set("".join(words)) - set(JOINERS))))
    pattern = f"^[{JOINERS}]|[{JOINERS}]$" + (f"|[{re.escape(characters)}]" if characters else "")
    return re.compile(pattern).search


def _is_unprintable(character):
    """Whether a character has no shape. Unassigned ones pass: the next Unicode may have given them one."""
    is_tag = "\U000e0020" <= character <= "\U000e007f"  # spells the flag of Scotland
    is_noncharacter = ord(character) & 0xFFFE == 0xFFFE
    return is_noncharacter or (not is_tag and unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))


def check_tags(corpus):
    """Findings on tags as they stand in the files: empty, of no scheme, out of place, seen once; spans off words."""
    first, found = 0, {"empty-tag": [], "ill-formed-tag": [], "illegal-transition": []}
    for part in corpus.parts:
        blank = np.flatnonzero(is_empty(part.words.tags))
        found["empty-tag"].append(blank + first)
        found["ill-formed-tag"].append(np.setdiff1d(part.ill_formed, blank) + first)
        found["illegal-transition"].append(part.illegal + first)
        first += len(part.words.tokens)
    what = {
        "empty-tag": "words without a tag",
        "ill-formed-tag": "tags that are not of their file's scheme",
        "illegal-transition": "tags that their file's scheme does not allow where they stand",
    }
    findings = []
    for code, places in found.items():
        at = np.concatenate(places)
        show = lambda k, at=at: f"{shown(_tag(corpus, at[k]))} on {shown(_word(corpus, at[k]))}"  # noqa: E731
        findings.append(Finding(code, what[code], at, show))
    return [*findings, _seen_once(corpus), _off_words(corpus)]


def _tag(corpus, place):
    """The tag of a word as it stands in its file."""
    for part in corpus.parts:
        if place < len(part.words.tags):
            return part.words.tags[int(place)].as_py()
        place -= len(part.words.tags)


def _seen_once(corpus):
    counts, first, places = Counter(), 0, {}
    for part in corpus.parts:
        coded = part.words.tags.dictionary_encode()
        codes, begins, number = np.unique(coded.indices.to_numpy(), return_index=True, return_counts=True)
        tags = coded.dictionary.take(pa.array(codes)).to_pylist()
        counts.update(dict(zip(tags, number.tolist(), strict=True)))
        places |= {tags[k]: first + int(begins[k]) for k in np.flatnonzero(number == 1).tolist()}
        first += len(part.words.tags)
    once = sorted(((places[tag], tag) for tag, count in counts.items() if count == 1 and tag.strip()))
    at = np.array([place for place, _ in once], np.int64)
    return Finding("tag-seen-once", "tags that stand on a single word", at, lambda k: shown(once[k][1]))


def _off_words(corpus):
    first, at, whats = 0, [], []
    for part in corpus.parts:
        lines = [line for line, _ in part.words.repairs]
        at.append(np.searchsorted(part.words.lines, lines) + first)
        whats += [what for _, what in part.words.repairs]
        first += len(part.words.lines)
    what = "spans that do not lie on whole words"
    return Finding("span-off-words", what, np.concatenate(at), lambda k: whats[k])


def check_types(corpus):
    """Findings on entity types: absent from a split, and names that look like a slip for a more frequent one."""
    number = len(corpus.types)
    _, first, of_type = np.unique(corpus.spans.type, return_index=True, return_inverse=True)
    counts = np.zeros((len(corpus.splits), number), np.int64)
    np.add.at(counts, (split_of_spans(corpus), corpus.spans.type), 1)
    absent = [(type_, split) for split, type_ in np.argwhere(counts == 0).tolist()]
    starts = corpus.spans.begin[first]
    absent.sort(key=lambda pair: (starts[pair[0]], pair[1]))
    at = starts[[type_ for type_, _ in absent]] if absent else starts[:0]
    what = "types without an entity in a split; the line is that of the first entity elsewhere"
    show = lambda k: f"{corpus.types[absent[k][0]]} is not in {corpus.splits[absent[k][1]]}"  # noqa: E731
    return [Finding("type-missing", what, at, show), _typos(corpus, counts.sum(axis=0))]


def _typos(corpus, counts):
    right = likely_typos(dict(zip(corpus.types, counts.tolist(), strict=True)))
    wrong = np.array([name in right for name in corpus.types], bool)
    spans = np.flatnonzero(wrong[corpus.spans.type]) if len(wrong) else np.array([], np.int64)

    def show(k):
        name = corpus.types[corpus.spans.type[spans[k]]]
        number, other = (counts[corpus.types.index(type_)] for type_ in (name, right[name]))
        return f"{shown(name)} ({number:,}) beside {shown(right[name])} ({other:,})"

    what = (
        f"entities whose type is one letter or one swap away from one {TYPO_RATIO} times as frequent, "
        "or differs from a more frequent one in upper and lower case only"
    )
    return Finding("likely-typo", what, corpus.spans.begin[spans], show)


def likely_typos(counts):
    """Type names that look like a slip for another one: {name: the name that is meant}.

    A name is one when the other differs in upper and lower case alone and is more frequent; or when it is one letter
    (added, lost or changed) or one swap of neighbours away, no digits among them, case-folded, is at least
    `TYPO_RATIO` times as frequent, and both have at least `TYPO_LENGTH` letters.

    counts: entities by name.
    """
    found = {}
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    for place, name in enumerate(ranked):
        for other in ranked[:place]:
            is_case = name.casefold() == other.casefold() and counts[other] > counts[name]
            if is_case or (
                counts[other] >= TYPO_RATIO * counts[name] and _is_one_slip(name.casefold(), other.casefold())
            ):
                found[name] = other
                break
    return found


def _is_one_slip(name, other):
    """Whether one letter added, lost or changed, or one swap of neighbours, makes `name` of `other`."""
    if min(len(name), len(other)) < TYPO_LENGTH:
        return False
    same = 0
    while same < min(len(name), len(other)) and name[same] == other[same]:
        same += 1
    name, other = name[same:], other[same:]
    while name and other and name[-1] == other[-1]:
        name, other = name[:-1], other[:-1]
    is_letter = len(name) <= 1 and len(other) <= 1
    is_swap = len(name) == 2 and name == other[::-1]
    return (is_letter or is_swap) and not any(letter.isdigit() for letter in name + other)
