"""The corpus that an audit looks at: all words of all splits in flat arrays, each with its split, file and line.

Words and tags come as the readers yield them, so there may be empty words, and tags that no scheme allows.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ner_data import schemes
from ner_data.labels import flat, sentence_offsets
from ner_data.sentences import Words
from ner_data.split import number_sequences

PLACES = 5  # shown of each finding


class Part(NamedTuple):
    """The words of one file, and what its tags are in their scheme."""

    split: str
    words: Words
    tags: schemes.Tags
    scheme: str
    illegal: np.ndarray  # places of the tags that the scheme does not allow where they stand
    ill_formed: np.ndarray  # places of what is no tag of the scheme


class Spans(NamedTuple):
    """The entities, as conlleval reads the tags; all (spans,) int64."""

    begin: np.ndarray  # the first word
    end: np.ndarray  # one past the last word
    type: np.ndarray  # place in `Corpus.types`


class Corpus(NamedTuple):
    """n words in m sentences, split after split, file after file."""

    parts: list  # of Part
    splits: list  # names, in order
    words: list  # the distinct words
    word: np.ndarray  # (n,) int64, place in `words`
    offsets: np.ndarray  # (m + 1,) int64, where each sentence begins
    split: np.ndarray  # (m,) int64, place in `splits`
    part: np.ndarray  # (m,) int64, place in `parts`
    types: list  # entity types, in the order of the alphabet
    spans: Spans


class Finding(NamedTuple):
    """Something that is wrong with a corpus."""

    code: str  # such as "empty-word"
    count: int
    what: str  # the rule, in words
    places: list  # the first of them: {"place": "file:line", "shown": what stands there}


def part_of(split, words, scheme=None, say=print):
    """`Words` of one file -> `Part`. The scheme is detected and said, unless it is given; nothing is refused."""
    coded = words.tags.dictionary_encode()
    detected, evidence = schemes.detect(coded, words.starts)
    say(f"{words.path}: tag scheme {detected or 'BIO'}: {evidence}" + f", read as {scheme}" * (scheme is not None))
    scheme = scheme or detected or "BIO"
    tags = schemes.take_apart(coded, words.starts, scheme)
    return Part(split, words, tags, scheme, schemes.illegal(tags, scheme), schemes.ill_formed(coded, scheme))


def part_of_table(split, table):
    """A sentence table -> `Part`; each word stands on its sentence's row, and the file is named as the split."""
    offsets = sentence_offsets(table)
    lines = np.repeat(table["row"].to_numpy(), np.diff(offsets))
    words = Words(split, flat(table["tokens"]), flat(table["tags"]), offsets[:-1], lines)
    return part_of(split, words, "BIO", say=lambda line: None)


def corpus_of(parts):
    """A list of `Part` -> `Corpus`; parts of one split stand together."""
    splits = list(dict.fromkeys(part.split for part in parts))
    coded = pa.chunked_array([part.words.tokens for part in parts], pa.string()).dictionary_encode().unify_dictionaries()
    sizes = [len(part.words.tokens) for part in parts]
    firsts = np.concatenate(([0], np.cumsum(sizes)))
    sentences = np.array([len(part.words.starts) for part in parts])
    begins = [part.words.starts + first for part, first in zip(parts, firsts, strict=False)]
    types, spans = _spans(parts, firsts)
    return Corpus(
        parts=parts,
        splits=splits,
        words=coded.chunk(0).dictionary.to_pylist(),
        word=np.concatenate([chunk.indices.to_numpy() for chunk in coded.chunks]).astype(np.int64),
        offsets=np.append(np.concatenate(begins), firsts[-1]),
        split=np.repeat([splits.index(part.split) for part in parts], sentences),
        part=np.repeat(np.arange(len(parts)), sentences),
        types=types,
        spans=spans,
    )


def _spans(parts, firsts):
    """The entity types of all parts, and the `Spans` of their words, which begin at `firsts`."""
    types = sorted({name for part in parts for name in part.tags.names})
    found = []
    for part, first in zip(parts, firsts, strict=False):
        begin = np.flatnonzero(schemes.entity_begins(part.tags))
        last = np.flatnonzero((part.tags.types >= 0) & ~schemes.entity_goes_on(part.tags))
        place = np.array([types.index(name) for name in part.tags.names] + [-1], np.int64)
        found.append((begin + first, last + 1 + first, place[part.tags.types[begin]]))
    return types, Spans(*(np.concatenate(column) for column in zip(*found, strict=True)))


def split_of_spans(corpus):
    """The split that each entity stands in: (spans,) int64."""
    return corpus.split[sentence_of(corpus, corpus.spans.begin)]


def sentence_of(corpus, words):
    """The sentence of each word: places of words (k,) -> (k,) int64."""
    return np.searchsorted(corpus.offsets, words, side="right") - 1


def surfaces(corpus):
    """Number the words of the entities, upper and lower case kept: two have the same number if they are the same.

    Returns (spans,) int64.
    """
    begin, end, _ = corpus.spans
    sizes = end - begin
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    words = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - begin, sizes)
    return number_sequences(corpus.word[words], offsets)


def words_shown(corpus, begin, end, limit=60):
    """The words from `begin` to `end` (exclusive) as one short string."""
    text = " ".join(corpus.words[code] for code in corpus.word[begin : min(end, begin + limit)])
    return text if len(text) <= limit else text[: limit - 3] + "..."


def line_at(corpus, word):
    """`file:line` of a word."""
    sentence = int(sentence_of(corpus, word))
    part = corpus.part[sentence]
    first = corpus.offsets[np.searchsorted(corpus.part, part)]
    words = corpus.parts[part].words
    return f"{words.path}:{words.lines[word - first]}"


def finding(corpus, code, what, words, show):
    """A finding of one place for each of `words` (places of words, ascending); `show(k)` is what stands at words[k]."""
    places = [{"place": line_at(corpus, word), "shown": show(k)} for k, word in enumerate(words[:PLACES])]
    return Finding(code, len(words), what, places)
