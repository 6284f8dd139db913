"""SemEval-2013 figures against nervaluate; kinds of error and confusion by hand."""

import numpy as np
import pytest
from test_span_counts import random_corpus

from ner_eval.span_counts import find_spans, label_parts, shared_ids
from ner_eval.span_matching import KINDS, confusion, count_errors, error_kinds, semeval


def both_spans(gold, predicted, reading="strict"):
    *sides, offsets, names = shared_ids(gold, predicted)
    parts = label_parts(names)
    return *(find_spans(ids, offsets, parts, reading) for ids in sides), parts.names


def as_dicts(spans, names, offsets):
    """Spans as nervaluate's dict loader takes them, a list per sentence, ends inclusive."""
    sentences = [[] for _ in offsets[1:]]
    for begin, end, type_ in zip(*spans, strict=True):
        sentence = np.searchsorted(offsets, begin, side="right") - 1
        sentences[sentence].append({"label": names[type_], "start": int(begin), "end": int(end) - 1})
    return sentences


@pytest.mark.parametrize("reading", ["strict", "conlleval"])
def test_two_hundred_random_corpora_score_as_in_nervaluate(reading):
    nervaluate = pytest.importorskip("nervaluate", reason="nervaluate, the oracle of the SemEval scores, is missing")
    for seed in range(200):
        gold, predicted = random_corpus(seed)
        *spans, names = both_spans(gold, predicted, reading)
        if not names:
            continue
        *_, offsets, _ = shared_ids(gold, predicted)
        lists = (as_dicts(side, names, offsets) for side in spans)
        results = nervaluate.Evaluator(*lists, tags=names, loader="dict").evaluate()["overall"]
        for ours, theirs in (("strict", "strict"), ("exact", "exact"), ("partial", "partial"), ("type", "ent_type")):
            row, expected = semeval(*spans)[ours], results[theirs]
            for key in ("correct", "incorrect", "partial", "missed", "spurious"):
                assert row[key] == getattr(expected, key), (seed, ours, key)
            for key in ("precision", "recall", "f1"):
                assert row[key] == pytest.approx(getattr(expected, key)), (seed, ours, key)


@pytest.mark.parametrize(
    ("gold", "predicted", "gold_kinds", "predicted_kinds"),
    [
        ("B-per I-per O", "B-per I-per O", "correct", "correct"),
        ("B-per I-per O", "B-per O O", "boundary", "boundary"),
        ("B-per I-per O", "B-geo I-geo O", "type", "type"),
        ("B-per I-per O", "O B-geo O", "both", "both"),
        ("B-per I-per O", "O O B-per", "missed", "spurious"),
        ("B-per O O", "O O O", "missed", ""),
        ("O O O", "B-per O O", "", "spurious"),
        (
            "B-per I-per I-per",
            "B-per B-per I-per",
            "boundary",
            "boundary spurious",
        ),  # one partner, the first comes first
        ("B-per I-per B-per", "B-per I-per I-per", "boundary missed", "boundary"),  # the one with the nearer ends
        ("B-per B-geo I-geo", "B-geo I-geo I-geo", "missed boundary", "boundary"),  # rather the same type
        ("B-geo B-per O", "O B-per I-per", "missed boundary", "boundary"),
    ],
)
def test_kinds_of_error(gold, predicted, gold_kinds, predicted_kinds):
    *spans, _ = both_spans([gold.split()], [predicted.split()])
    kinds = error_kinds(*spans)
    assert [" ".join(KINDS[kind] for kind in side) for side in kinds[:2]] == [gold_kinds, predicted_kinds]


def test_errors_add_up_to_the_spans():
    for seed in range(40):
        *spans, _ = both_spans(*random_corpus(seed))
        errors = count_errors(*spans)
        pairs = sum(errors[kind] for kind in ("correct", "boundary", "type", "both"))
        assert pairs + errors["missed"] == len(spans[0].begin)
        assert pairs + errors["spurious"] == len(spans[1].begin)
        assert errors["correct"] == semeval(*spans)["strict"]["correct"]


def test_confusion_of_types():
    gold = [["B-per", "I-per", "O", "B-geo", "B-org"], ["B-per", "O", "O"]]
    predicted = [["B-per", "O", "O", "B-org", "B-org"], ["O", "B-geo", "O"]]
    table = confusion(*both_spans(gold, predicted))
    assert table["types"] == ["geo", "org", "per"]
    assert table["counts"] == [
        [0, 1, 0, 0],  # geo taken for org
        [0, 1, 0, 0],
        [0, 0, 1, 1],  # one per found (with another end), one missed
        [1, 0, 0, 0],  # a spurious geo
    ]


def test_confusion_shows_the_types_that_occur():
    ids, offsets = np.array([3, 0]), np.array([0, 2])
    parts = label_parts(["O", "B-art", "B-geo", "B-per"])
    spans = find_spans(ids, offsets, parts)
    assert confusion(spans, spans, parts.names) == {"types": ["per"], "counts": [[1, 0], [0, 0]]}


def test_without_spans_all_is_zero():
    *spans, names = both_spans([["O"]], [["O"]])
    assert set(count_errors(*spans).values()) == {0}
    assert confusion(*spans, names) == {"types": [], "counts": [[0]]}
    assert semeval(*spans)["partial"]["f1"] == 0.0
