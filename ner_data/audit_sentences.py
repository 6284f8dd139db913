"""Checks and facts of an audit that look at whole sentences and entities: sizes, repetitions, contradictions, leaks."""

import numpy as np
import pyarrow as pa

from ner_data.audit_corpus import Finding, bio_tag, line_at, split_of_spans, surfaces, words_shown
from ner_data.split import number_folded, number_sequences
from ner_data.text_file import shown

QUANTILES = {"least": 0.0, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95, "99%": 0.99, "most": 1.0}
SHOWN_SURFACES = 10


def sizes(corpus):
    """By split: sentences, words, words_per_sentence (quantiles) and entities by type."""
    lengths, of_span = np.diff(corpus.offsets), split_of_spans(corpus)
    facts = {}
    for place, split in enumerate(corpus.splits):
        own = lengths[corpus.split == place]
        quantiles = np.quantile(own, list(QUANTILES.values()), method="inverted_cdf").tolist()
        counts = np.bincount(corpus.spans.type[of_span == place], minlength=len(corpus.types)).tolist()
        facts[split] = {
            "sentences": len(own),
            "words": int(own.sum()),
            "words_per_sentence": dict(zip(QUANTILES, map(int, quantiles), strict=True)),
            "entities": dict(zip(corpus.types, counts, strict=True)),
        }
    return facts


def check_sentences(corpus):
    """Findings on sentences with the same case-folded words: repeated, tagged differently, in two splits."""
    folded = number_folded(corpus.words)[corpus.word]
    sentence, tagging = (number_sequences(codes, corpus.offsets) for codes in (folded, corpus.tag))
    in_split = corpus.split * (sentence.max(initial=0) + 1) + sentence
    first, first_here = _first_with_same(sentence), _first_with_same(in_split)
    again, elsewhere = first_here != np.arange(len(first)), corpus.split[first] != corpus.split
    rules = {
        "duplicate-sentence": ("whose words, case-folded, stand in their split before", again, first_here),
        "conflicting-tags": (
            "that stand in their split before with other tags, each counted once",
            _once(tagging != tagging[first_here], in_split),
            first_here,
        ),
        "sentence-in-two-splits": (
            "whose words, case-folded, stand in an earlier split, each counted once in a split",
            elsewhere & ~again,
            first,
        ),
        "conflicting-splits": (
            "that stand in an earlier split with other tags, each counted once in a split",
            _once(elsewhere & (tagging != tagging[first]), in_split),
            first,
        ),
    }
    findings = []
    for code, (what, found, other) in rules.items():
        at = np.flatnonzero(found)
        show = lambda k, at=at, other=other: _beside(corpus, at[k], other[at[k]])  # noqa: E731
        findings.append(Finding(code, f"sentences {what}", corpus.offsets[at], show))
    return findings


def check_documents(corpus):
    """A finding on documents with sentences in two splits; none where the documents of a part are not known."""
    groups = [part.words.groups for part in corpus.parts]
    if any(group is None for group in groups):
        return []
    coded = pa.chunked_array(groups, pa.string()).combine_chunks().dictionary_encode()
    document = coded.indices.to_numpy().astype(np.int64)
    first = _first_with_same(document)
    in_split = corpus.split * len(coded.dictionary) + document
    at = np.flatnonzero(_once(corpus.split[first] != corpus.split, in_split))

    def show(k):
        name, place = coded.dictionary[int(document[at[k]])].as_py(), corpus.offsets[first[at[k]]]
        return f"{shown(name)} (first: {line_at(corpus, place)})"

    what = "documents with sentences in an earlier split, each counted once in a split"
    return [Finding("document-in-two-splits", what, corpus.offsets[at], show)]


def _first_with_same(numbers):
    """The place of the first of the numbers that is the same: (n,) int -> (n,) int64."""
    _, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    return first[places]


def _once(found, numbers):
    """Of what is found, (n,) bool, the first place for each of the numbers, (n,) int: (n,) bool."""
    places = np.flatnonzero(found)
    once = np.zeros(len(found), bool)
    once[places[np.unique(numbers[places], return_index=True)[1]]] = True
    return once


def _beside(corpus, sentence, first):
    """A sentence, where the same words stood first, and the first word with another tag there, in one line."""
    begin, other = int(corpus.offsets[sentence]), int(corpus.offsets[first])
    text = words_shown(corpus, begin, corpus.offsets[sentence + 1])
    size = corpus.offsets[sentence + 1] - begin
    differ = np.flatnonzero(corpus.tag[begin : begin + size] != corpus.tag[other : other + size])
    here, place = line_at(corpus, begin), line_at(corpus, other)
    path, _, line = place.rpartition(":")
    place = f"line {line}" if here.startswith(f"{path}:") else place
    if not len(differ):
        return f"{text} (first: {place})"
    word = begin + differ[0]
    tags = [bio_tag(corpus, at) for at in (word, other + differ[0])]
    return f"{text} ({corpus.words[corpus.word[word]]} is {tags[0]}; first: {place}, {tags[1]})"


def ambiguous_surfaces(corpus):
    """The words that are entities of several types.

    Returns how many there are, and the most frequent of them: [{"surface", "count", "types": {type: share}}], the most
    frequent type first.
    """
    surface = surfaces(corpus)
    number = max(len(corpus.types), 1)
    pairs, counts = np.unique(surface * number + corpus.spans.type, return_counts=True)
    owner, type_ = np.divmod(pairs, number)
    ambiguous = np.bincount(owner) > 1
    totals = np.where(ambiguous, np.bincount(owner, counts), 0)
    most = np.argsort(-totals, kind="stable")[: min(SHOWN_SURFACES, int(ambiguous.sum()))]
    _, example = np.unique(surface, return_index=True)
    shown = []
    for place in most:
        own = sorted(np.flatnonzero(owner == place), key=lambda pair: (-counts[pair], type_[pair]))
        shown.append(
            {
                "surface": words_shown(corpus, corpus.spans.begin[example[place]], corpus.spans.end[example[place]]),
                "count": int(totals[place]),
                "types": {corpus.types[type_[pair]]: float(counts[pair] / totals[place]) for pair in own},
            }
        )
    return int(ambiguous.sum()), shown


def seen_shares(corpus):
    """By split but the first: the share of its entities whose words, case kept, are an entity of any type in the first.

    A split without entities is left out.
    """
    surface, split = surfaces(corpus), split_of_spans(corpus)
    known = np.unique(surface[split == 0])
    shares = {}
    for place, name in enumerate(corpus.splits[1:], start=1):
        own = surface[split == place]
        if len(own):
            shares[name] = float(np.isin(own, known).mean())
    return shares
