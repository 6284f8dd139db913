"""Scores by the words of an entity: unique surfaces, and surfaces that training has or has not shown.

A surface is the tuple of an entity's words as they stand, upper and lower case kept.
"""

import numpy as np

from ner_data.labels import flat, sentence_offsets
from ner_eval.span_counts import find_spans, label_parts, rates, same_span

SEEN = ("same_type", "other_type", "never")


def surfaces_of(tokens, spans):
    """The surface of each span: a list of tuples. `tokens` is a list of words, one sentence after the other."""
    ends = zip(spans.begin.tolist(), spans.end.tolist(), strict=True)
    return [tuple(tokens[begin:end]) for begin, end in ends]


def surface_scores(tokens, gold, predicted):
    """Precision, recall and F1 over unique pairs of surface and type, as the evaluation script of WNUT-17 has them.

    A pair is correct when one of its predicted entities, at least, is correct in its place (Derczynski, Nichols, van
    Erp and Limsopatham 2017, "F1 (surface)").

    Args:
        tokens: list of words (words,).
        gold, predicted: `Spans` over them.

    Returns:
        `precision`, `recall`, `f1`, and the numbers of unique pairs `correct`, `gold`, `predicted`.
    """
    pairs = list(zip(surfaces_of(tokens, predicted), predicted.type.tolist(), strict=True))
    correct = {pairs[span] for span in np.flatnonzero(same_span(gold, predicted) >= 0)}
    gold_pairs = set(zip(surfaces_of(tokens, gold), gold.type.tolist(), strict=True))
    return _scores(len(correct), len(gold_pairs), len(set(pairs)))


def training_surfaces(sentences):
    """The types under which each surface occurs as an entity: a dict from surface to a set of type names.

    Args:
        sentences: sentence table (`tokens: list<string>`, `tags: list<string>`, legal BIO).
    """
    coded = flat(sentences["tags"]).dictionary_encode()
    parts = label_parts(coded.dictionary.to_pylist())
    spans = find_spans(coded.indices.to_numpy(), sentence_offsets(sentences), parts)
    known = {}
    for surface, type_ in zip(surfaces_of(flat(sentences["tokens"]).to_pylist(), spans), spans.type, strict=True):
        known.setdefault(surface, set()).add(parts.names[type_])
    return known


def seen_scores(tokens, gold, predicted, types, known):
    """Scores apart for entities whose surface occurs in training with that type, with other types only, or never.

    Gold and predicted spans are sorted by the same rule, each by its own surface and its own type. A correct span is
    the same on both sides, so the counts of the three classes add up to those of all entities. Recall is the share of
    the gold spans of a class that were found, precision the share of the predicted spans of a class that are right
    (seen and unseen entities: Augenstein, Derczynski and Bontcheva 2017).

    Args:
        tokens: list of words (words,).
        gold, predicted: `Spans` over them.
        types: names of the entity types.
        known: `training_surfaces`.

    Returns:
        For each of `SEEN`: `precision`, `recall`, `f1`, and the numbers of spans `correct`, `gold`, `predicted`.
    """

    def classes(spans):
        found = (known.get(surface, ()) for surface in surfaces_of(tokens, spans))
        pairs = zip(found, spans.type.tolist(), strict=True)
        return np.array([0 if types[type_] in there else 1 if there else 2 for there, type_ in pairs], np.int64)

    gold_classes, predicted_classes = classes(gold), classes(predicted)
    correct = predicted_classes[same_span(gold, predicted) >= 0]
    counts = [np.bincount(part, minlength=3).tolist() for part in (correct, gold_classes, predicted_classes)]
    return {name: _scores(*row) for name, row in zip(SEEN, zip(*counts, strict=True), strict=True)}


def _scores(correct, gold, predicted):
    precision, recall, f1 = map(float, rates(correct, gold, predicted))
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "correct": correct,
        "gold": gold,
        "predicted": predicted,
    }
