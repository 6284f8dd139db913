"""Label ids of words -> spans -> counts -> precision, recall and F1. Flat numpy arrays, no loop over words.

Two readings of tags that are not legal BIO:

    strict      only B- begins a span; an I- that continues nothing is outside (seqeval, mode="strict", scheme=IOB2)
    conlleval   an I- that continues nothing begins a span (conlleval of Tjong Kim Sang and De Meulder 2003; default
                seqeval), the reading behind most published tables

Of legal BIO both read the same spans.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ner_data.labels import flat

READINGS = ("strict", "conlleval")
OUTSIDE, BEGIN, INSIDE = range(3)


class LabelParts(NamedTuple):
    """Label names taken apart."""

    kinds: np.ndarray  # (labels,) int8: OUTSIDE, BEGIN or INSIDE
    types: np.ndarray  # (labels,) int64: place in `names`, -1 for O
    names: list  # the entity types, sorted


class Spans(NamedTuple):
    """Entities among the n words of a corpus, in order; they do not overlap, and none crosses a sentence's end."""

    begin: np.ndarray  # (spans,) int64, the first word
    end: np.ndarray  # (spans,) int64, one past the last word
    type: np.ndarray  # (spans,) int64, place in `LabelParts.names`


class Counts(NamedTuple):
    """How many spans of each entity type; a correct one has its ends and its type right. All (types,) int64."""

    correct: np.ndarray
    gold: np.ndarray
    predicted: np.ndarray


def label_parts(names):
    """Take label names apart: `LabelParts`. Raises ValueError for a name that is neither O, nor B- or I- and a type."""
    wrong = [name for name in names if name != "O" and (name[:2] not in ("B-", "I-") or not name[2:])]
    if wrong:
        raise ValueError(f"label {wrong[0]!r} is neither O, nor B- or I- and a type")
    types = sorted({name[2:] for name in names if name != "O"})
    places = {type_: place for place, type_ in enumerate(types)}
    return LabelParts(
        np.array(["OBI".index(name[0]) for name in names], np.int8),
        np.array([-1 if name == "O" else places[name[2:]] for name in names], np.int64),
        types,
    )


def shared_ids(gold, predicted):
    """Two tags for every word as ids of the same labels.

    Args:
        gold, predicted: a list of tags per sentence (or a pyarrow list column), the same lengths in both.

    Returns:
        gold ids and predicted ids, int64 arrays (words,); offsets, int64 array (sentences + 1,); label names.

    Raises:
        ValueError: a sentence has not as many gold tags as predicted ones.
    """
    gold, predicted = (_tag_lists(tags) for tags in (gold, predicted))
    lengths, others = (tags.value_lengths().to_numpy(zero_copy_only=False) for tags in (gold, predicted))
    if not np.array_equal(lengths, others):
        raise ValueError("gold and predicted differ in the number of sentences or of words in a sentence")
    *ids, names = coded(flat(gold), flat(predicted))
    return *ids, np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))), names


def coded(*columns):
    """Several pyarrow string arrays as ids of the same strings: an int64 array for each, and the list of strings."""
    both = pa.concat_arrays(columns).dictionary_encode()
    ids = both.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return *np.split(ids, np.cumsum([len(column) for column in columns])[:-1]), both.dictionary.to_pylist()


def _tag_lists(tags):
    if isinstance(tags, pa.ChunkedArray):
        tags = tags.combine_chunks()
    return tags if isinstance(tags, pa.Array) else pa.array(tags, pa.list_(pa.string()))


def goes_on(ids, offsets, parts):
    """Which words continue the entity of the word before: (words,) bool. An I- that does not is illegal in BIO.

    Args:
        ids: int array (words,).
        offsets: int array (sentences + 1,), where each sentence begins among the words; empty sentences are fine.
        parts: `LabelParts`.
    """
    kinds, types = parts.kinds[ids], parts.types[ids]
    continues = kinds == INSIDE
    continues[1:] &= types[1:] == types[:-1]
    continues[offsets[:-1][offsets[:-1] < len(ids)]] = False
    return continues


def find_spans(ids, offsets, parts, reading="strict"):
    """The entities that label ids spell: `Spans`.

    Args:
        ids, offsets, parts: as in `goes_on`.
        reading: one of `READINGS`.

    Raises:
        ValueError: there is no such reading.
    """
    if reading not in READINGS:
        raise ValueError(f"reading {reading!r} is not one of {', '.join(READINGS)}")
    continues = goes_on(ids, offsets, parts)
    is_first = parts.kinds[ids] == BEGIN if reading == "strict" else (parts.types[ids] >= 0) & ~continues
    begin, breaks = np.flatnonzero(is_first), np.flatnonzero(~continues)
    end = np.append(breaks[1:], len(ids))[np.searchsorted(breaks, begin)] if len(begin) else begin
    return Spans(begin, end, parts.types[ids[begin]])


def same_span(gold, predicted):
    """For each predicted span the place of the gold span with the same ends and type, or -1: int64 (predicted,)."""
    place = np.searchsorted(gold.begin, predicted.begin)
    is_same = np.ones(len(place), bool)
    for gold_field, predicted_field in zip(gold, predicted, strict=True):
        is_same &= np.append(gold_field, -1)[place] == predicted_field
    return np.where(is_same, place, -1)


def count_spans(gold, predicted, types):
    """`Counts` of two `Spans` over the same words; `types` is the number of entity types."""
    correct = predicted.type[same_span(gold, predicted) >= 0]
    return Counts(*(np.bincount(part, minlength=types) for part in (correct, gold.type, predicted.type)))


def rates(correct, gold, predicted):
    """Precision, recall and F1 of counts, arrays of any one shape; 0 where there is nothing to divide by.

    The order of operations is that of seqeval, so that the figures are the same to the last digit.
    """
    precision = correct / np.maximum(predicted, 1)
    recall = correct / np.maximum(gold, 1)
    total = precision + recall
    return precision, recall, 2 * precision * recall / np.where(total == 0, 1, total)


def figures(counts, types):
    """Counts as the scores of metrics.json.

    Args:
        counts: `Counts`.
        types: names of the entity types.

    Returns:
        Micro `precision`, `recall`, `f1`; the same with `macro_`, the unweighted mean over the types that occur in
        gold or predicted, as in seqeval; `per_type`, the same with `support`, the number of gold spans.
    """
    occurs = np.flatnonzero(counts.gold + counts.predicted)
    by_type = np.stack(rates(*(part[occurs] for part in counts)))
    micro = rates(*(part.sum() for part in counts))
    macro = [row.mean() if len(row) else 0.0 for row in by_type]
    keys = ("precision", "recall", "f1")
    scores = {key: float(value) for key, value in zip(keys, micro, strict=True)}
    scores |= {f"macro_{key}": float(value) for key, value in zip(keys, macro, strict=True)}
    scores["per_type"] = {
        types[type_]: dict(zip(keys, column.tolist(), strict=True)) | {"support": int(counts.gold[type_])}
        for type_, column in zip(occurs, by_type.T, strict=True)
    }
    return scores


def span_scores(gold, predicted, offsets, names, reading="strict"):
    """Score predicted label ids against gold ones: the figures of `StrictSeqeval`, and of conlleval.

    Args:
        gold, predicted: int arrays (words,).
        offsets: int array (sentences + 1,).
        names: label names.
        reading: one of `READINGS`.

    Returns:
        `figures`, `accuracy` of words, `sentences`, `words`.
    """
    parts = label_parts(names)
    counts = count_spans(*(find_spans(ids, offsets, parts, reading) for ids in (gold, predicted)), len(parts.names))
    accuracy = int((gold == predicted).sum()) / len(gold) if len(gold) else 0.0
    return {"accuracy": accuracy} | figures(counts, parts.names) | {"sentences": len(offsets) - 1, "words": len(gold)}
