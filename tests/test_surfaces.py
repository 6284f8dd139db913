"""Unique surfaces, and surfaces seen in training: by hand."""

import pyarrow as pa
import pytest
from test_span_matching import both_spans

from ner_eval.span_counts import rates
from ner_eval.surfaces import seen_scores, surface_scores, surfaces_of, training_surfaces

TOKENS = "Paris Paris Paris New York Texas".split()
GOLD = "B-geo B-per O B-geo I-geo B-geo".split()
PREDICTED = "B-geo B-geo B-geo B-geo I-geo O".split()


def test_a_surface_is_its_words():
    spans, _, _ = both_spans([GOLD], [PREDICTED])
    assert surfaces_of(TOKENS, spans) == [("Paris",), ("Paris",), ("New", "York"), ("Texas",)]


def test_unique_surfaces_count_once():
    gold, predicted, _ = both_spans([GOLD], [PREDICTED])
    scores = surface_scores(TOKENS, gold, predicted)
    assert (scores["correct"], scores["gold"], scores["predicted"]) == (2, 4, 2)  # Paris/geo, New York/geo
    assert (scores["precision"], scores["recall"]) == (1.0, 0.5)


def test_a_surface_must_be_right_in_its_place():
    """Both have Paris as geo, but not the same Paris: not correct, as in the script of WNUT-17."""
    gold, predicted, _ = both_spans([["B-geo", "O"]], [["O", "B-geo"]])
    assert surface_scores(["Paris", "Paris"], gold, predicted)["correct"] == 0


def test_upper_case_and_borders_of_words_make_another_surface():
    gold, predicted, _ = both_spans([["B-geo", "B-geo", "B-geo", "I-geo"]], [["O"] * 4])
    assert surface_scores(["us", "US", "a b", "c"], gold, predicted)["gold"] == 3
    assert (
        len(set(surfaces_of(["a b", "c", "a", "b c"], both_spans([["B-x", "I-x", "B-x", "I-x"]], [["O"] * 4])[0]))) == 2
    )


def training(*sentences):
    tokens, tags = zip(*([part.split() for part in pair] for pair in sentences), strict=True)
    return pa.table({"tokens": list(tokens), "tags": list(tags), "row": list(range(len(tokens)))})


def test_what_training_has_shown():
    known = training_surfaces(training(("Paris sang", "B-per O"), ("in Paris , New York", "O B-geo O B-geo I-geo")))
    assert known == {("Paris",): {"per", "geo"}, ("New", "York"): {"geo"}}


def test_seen_and_unseen():
    gold, predicted, types = both_spans([GOLD], [PREDICTED])
    known = training_surfaces(training(("Paris , New York", "B-geo O B-per I-per")))
    scores = seen_scores(TOKENS, gold, predicted, types, known)
    counts = {name: (row["correct"], row["gold"], row["predicted"]) for name, row in scores.items()}
    assert counts == {"same_type": (1, 1, 3), "other_type": (1, 2, 1), "never": (0, 1, 0)}
    assert (scores["same_type"]["precision"], scores["same_type"]["recall"]) == (1 / 3, 1.0)
    assert scores["other_type"]["f1"] == pytest.approx(float(rates(1, 2, 1)[2]))
    assert scores["never"]["f1"] == 0.0


def test_an_empty_training_has_shown_nothing():
    gold, predicted, types = both_spans([GOLD], [PREDICTED])
    scores = seen_scores(TOKENS, gold, predicted, types, {})
    assert scores["never"]["gold"] == 4 and scores["same_type"]["predicted"] == 0
