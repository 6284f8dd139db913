"""Predicted spans beside gold ones where they do not agree: SemEval-2013 scores, kinds of error, confusion of types.

Every predicted span is paired with at most one gold span that it shares a word with, and no gold span is given twice.
Spans with the same ends are paired first; the others take turns from left to right, as in nervaluate 1.2.
"""

import numpy as np

from ner_eval.span_counts import rates

KINDS = ("correct", "boundary", "type", "both", "spurious", "missed")
CORRECT, BOUNDARY, TYPE, BOTH, SPURIOUS, MISSED = range(6)


def pair_spans(gold, predicted, prefer_type=True):
    """Give each predicted span its partner.

    Args:
        gold, predicted: `Spans` over the same words.
        prefer_type: take an overlapping gold span of the same type, the one with the nearest ends, before one of
            another type; otherwise the first overlapping one, whatever its type.

    Returns:
        int64 array (predicted,): place of the gold span, or -1.
    """
    first = np.searchsorted(gold.end, predicted.begin, side="right")
    last = np.searchsorted(gold.begin, predicted.end, side="left")
    padded_begin, padded_end = np.append(gold.begin, -1), np.append(gold.end, -1)
    same_ends = (padded_begin[first] == predicted.begin) & (padded_end[first] == predicted.end)
    partner = np.where(same_ends, first, -1)
    given = set()
    for span in np.flatnonzero((first < last) & ~same_ends).tolist():
        free = [place for place in range(first[span], last[span]) if place not in given]
        if prefer_type:
            free.sort(key=lambda place: _distance(gold, place, predicted, span))  # stable: then from left to right
        if free:
            partner[span] = free[0]
            given.add(free[0])
    return partner


def _distance(gold, place, predicted, span):
    """How far a gold span is from a predicted one of the same type, in words; beyond all of them for another type."""
    if gold.type[place] != predicted.type[span]:
        return np.inf
    return abs(gold.begin[place] - predicted.begin[span]) + abs(gold.end[place] - predicted.end[span])


def error_kinds(gold, predicted):
    """What is wrong with every span.

    correct: both ends and the type are right; boundary: the type alone; type: the ends alone; both: neither, but it
    shares a word with its partner; spurious: a predicted span without a partner; missed: a gold span without one.

    Args:
        gold, predicted: `Spans` over the same words.

    Returns:
        kinds of the gold spans, int array (gold,), and of the predicted ones, int array (predicted,): places in
        `KINDS`; `pair_spans`, int array (predicted,). The two spans of a pair are of the same kind.
    """
    partner = pair_spans(gold, predicted)
    is_paired = partner >= 0
    other = partner[is_paired]
    same_ends, same_type = _agreement(gold, predicted, partner)
    predicted_kinds = np.full(len(partner), SPURIOUS)
    predicted_kinds[is_paired] = np.array([[BOTH, BOUNDARY], [TYPE, CORRECT]])[same_ends * 1, same_type * 1]
    gold_kinds = np.full(len(gold.begin), MISSED)
    gold_kinds[other] = predicted_kinds[is_paired]
    return gold_kinds, predicted_kinds, partner


def count_errors(gold, predicted):
    """How often each of `KINDS` occurs: a dict of ints; a pair counts once."""
    gold_kinds, predicted_kinds, _ = error_kinds(gold, predicted)
    counts = np.bincount(predicted_kinds, minlength=len(KINDS))
    counts[MISSED] = (gold_kinds == MISSED).sum()
    return dict(zip(KINDS, counts.tolist(), strict=True))


def confusion(gold, predicted, types):
    """Which type was taken for which.

    Args:
        gold, predicted: `Spans` over the same words.
        types: names of the entity types.

    Returns:
        `types`, those that occur in gold or predicted, and `counts`, a list of rows: a row per gold type and one for
        spurious spans at the end; a column per predicted type and one for missed spans at the end. Pairs count
        whatever their ends.
    """
    occurs = np.unique(np.concatenate((gold.type, predicted.type)))
    gold_type, predicted_type = np.searchsorted(occurs, gold.type), np.searchsorted(occurs, predicted.type)
    partner = pair_spans(gold, predicted)
    is_missed = np.ones(len(gold_type), bool)
    is_missed[partner[partner >= 0]] = False
    none, size = len(occurs), len(occurs) + 1
    cells = np.concatenate(
        (np.append(gold_type, none)[partner] * size + predicted_type, gold_type[is_missed] * size + none)
    )
    counts = np.bincount(cells, minlength=size**2).reshape(size, size)
    return {"types": [types[place] for place in occurs], "counts": counts.tolist()}


def semeval(gold, predicted):
    """The four evaluations of SemEval-2013 task 9.1 (Segura-Bedmar, Martinez and Herrero-Zazo 2013).

    strict: ends and type; exact: ends, whatever the type; partial: ends, and half a point for an overlap, whatever the
    type; type: the type, with any overlap. Counts as in nervaluate 1.2, over all types together.

    Args:
        gold, predicted: `Spans` over the same words.

    Returns:
        For each of the four `correct`, `incorrect`, `partial`, `missed`, `spurious`, and `precision`, `recall`, `f1`
        with a half for each partial one.
    """
    partner = pair_spans(gold, predicted, prefer_type=False)
    same_ends, same_type = _agreement(gold, predicted, partner)
    _, same_type_preferred = _agreement(gold, predicted, pair_spans(gold, predicted))
    spans = len(gold.begin), len(predicted.begin)
    return {
        "strict": _semeval_row(same_ends & same_type, *spans),
        "exact": _semeval_row(same_ends, *spans),
        "partial": _semeval_row(same_ends, *spans, partial=True),
        "type": _semeval_row(same_type_preferred, *spans),
    }


def _agreement(gold, predicted, partner):
    """Of the paired predicted spans, in order: which have the ends of their partner, and which its type."""
    is_paired = partner >= 0
    other = partner[is_paired]
    same_ends = (gold.begin[other] == predicted.begin[is_paired]) & (gold.end[other] == predicted.end[is_paired])
    return same_ends, gold.type[other] == predicted.type[is_paired]


def _semeval_row(is_correct, gold, predicted, partial=False):
    """One evaluation, from which pairs are correct (bool array) and the numbers of gold and predicted spans."""
    pairs, correct = len(is_correct), int(is_correct.sum())
    rest = pairs - correct
    points = correct + rest / 2 if partial else correct
    precision, recall, f1 = rates(points, gold, predicted)
    return {
        "correct": correct,
        "incorrect": 0 if partial else rest,
        "partial": rest if partial else 0,
        "missed": gold - pairs,
        "spurious": predicted - pairs,
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }
