"""The corpus that an audit looks at: all words of all splits in flat arrays, each with its split, file and line.

Words and tags come as the readers yield them, so there may be empty words, and tags that no scheme allows.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ner_data import schemes
from ner_data.labels import flat, sentence_offsets
from ner_data.sentences import Words, find_scheme
from ner_data.split import number_sequences


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
    word: np.ndarray  # (n,) int32, place in `words`
    tag: np.ndarray  # (n,) int32, 0 for O, 1 + 2t for B- and 2 + 2t for I- of types[t], whatever the file's scheme
    offsets: np.ndarray  # (m + 1,) int64, where each sentence begins
    split: np.ndarray  # (m,) int64, place in `splits`
    part: np.ndarray  # (m,) int64, place in `parts`
    types: list  # entity types, in the order of the alphabet
    spans: Spans


class Finding(NamedTuple):
    """Something that is wrong with a corpus."""

    code: str  # such as "empty-word"
    what: str  # is found, in words
    words: np.ndarray  # (k,) int64, ascending, the word that each of the k places begins with
    show: Callable  # k -> what stands at the place, in one line


def part_of(split, words, scheme=None, say=print):
    """`Words` of one file -> `Part`. The scheme is detected and said, unless it is given; nothing is refused."""
    coded = words.tags.dictionary_encode()
    scheme = find_scheme(words, coded, scheme, say)
    tags = schemes.take_apart(coded, words.starts, scheme)
    return Part(split, words, tags, scheme, schemes.illegal(tags, scheme), schemes.ill_formed(coded, scheme))


def part_of_table(split, table):
    """A sentence table -> `Part`; each word stands on its sentence's row, and the file is named as the split."""
    offsets = sentence_offsets(table)
    lines = np.repeat(table["row"].to_numpy().astype(np.int32), np.diff(offsets))
    groups = table["group"].combine_chunks() if "group" in table.column_names else None
    words = Words(split, flat(table["tokens"]), flat(table["tags"]), offsets[:-1], lines, groups)
    return part_of(split, words, "BIO", say=lambda line: None)


def corpus_of(parts):
    """A list of `Part` -> `Corpus`; parts of one split stand together."""
    splits = list(dict.fromkeys(part.split for part in parts))
    tokens = pa.chunked_array([part.words.tokens for part in parts], pa.string())
    coded = tokens.dictionary_encode().unify_dictionaries()
    sizes = [len(part.words.tokens) for part in parts]
    firsts = np.concatenate(([0], np.cumsum(sizes)))
    sentences = np.array([len(part.words.starts) for part in parts])
    begins = [part.words.starts + first for part, first in zip(parts, firsts, strict=False)]
    types = sorted({name for part in parts for name in part.tags.names})
    tag = np.concatenate([_tags_in_bio(part.tags, types) for part in parts])
    return Corpus(
        parts=parts,
        splits=splits,
        words=coded.chunk(0).dictionary.to_pylist(),
        word=np.concatenate([chunk.indices.to_numpy() for chunk in coded.chunks]),
        tag=tag,
        offsets=np.append(np.concatenate(begins), firsts[-1]),
        split=np.repeat([splits.index(part.split) for part in parts], sentences),
        part=np.repeat(np.arange(len(parts)), sentences),
        types=types,
        spans=_spans(tag),
    )


def _tags_in_bio(tags, types):
    """The tags of a part as `Corpus.tag` has them."""
    place = np.array([types.index(name) for name in tags.names] + [-1], np.int32)[tags.types]
    return np.where(place < 0, 0, 1 + 2 * place + ~schemes.entity_begins(tags))


def _spans(tag):
    """The entities of `Corpus.tag`."""
    begin, is_inside = np.flatnonzero(tag % 2), (tag > 0) & (tag % 2 == 0)
    end = np.flatnonzero((tag > 0) & ~np.append(is_inside, False)[1:]) + 1
    return Spans(begin, end, tag[begin].astype(np.int64) // 2)


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


def bio_tag(corpus, word):
    """The tag of a word, in BIO."""
    code = corpus.tag[word]
    return f"{'IB'[code % 2]}-{corpus.types[(code - 1) // 2]}" if code else "O"


def line_at(corpus, word):
    """`file:line` of a word."""
    sentence = int(sentence_of(corpus, word))
    part = corpus.part[sentence]
    first = corpus.offsets[np.searchsorted(corpus.part, part)]
    words = corpus.parts[part].words
    return f"{words.path}:{words.lines[word - first]}"


def described(corpus, finding, places):
    """A `Finding` as a dict: code, count, what, and the first places, each with `place` (file:line) and `shown`."""
    first = [
        {"place": line_at(corpus, word), "shown": finding.show(k)} for k, word in enumerate(finding.words[:places])
    ]
    return {"code": finding.code, "count": len(finding.words), "what": finding.what, "places": first}
