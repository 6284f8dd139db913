"""Confidence and calibration: exact values, edges of bins, and a model that is right as often as it says."""

import numpy as np
import pytest

from ner_eval.calibration import calibration, entity_confidence
from ner_eval.span_counts import Spans


def spans(*ends):
    begin, end = np.array(ends, np.int64).reshape(-1, 2).T
    return Spans(begin, end, np.zeros(len(begin), np.int64))


def test_confidence_is_the_product_over_the_words():
    probabilities = np.array([0.5, 0.5, 0.9, 0.8, 1.0])
    assert entity_confidence(probabilities, spans((0, 2), (3, 4), (4, 5))).tolist() == [0.25, 0.8, 1.0]
    assert entity_confidence(probabilities, spans((0, 5))).tolist() == pytest.approx([0.18])
    assert entity_confidence(probabilities, spans()).tolist() == []


def test_exact_calibration():
    result = calibration(np.array([0.95, 0.95, 0.55, 0.52]), np.array([True, False, True, True]))
    assert result["entities"] == 4 and result["precision"] == 0.75
    assert result["confidence"] == pytest.approx(0.7425)
    assert result["ece"] == pytest.approx((abs(1.9 - 1) + abs(1.07 - 2)) / 4)
    filled = [row for row in result["bins"] if row["entities"]]
    assert [(row["above"], row["to"], row["entities"], row["precision"]) for row in filled] == [
        (0.5, 0.6, 2, 1.0),
        (0.9, 1.0, 2, 0.5),
    ]
    assert result["bins"][0] == {"above": 0.0, "to": 0.1, "entities": 0, "confidence": None, "precision": None}


def test_a_bin_holds_its_upper_edge_and_the_first_one_zero():
    edges = np.arange(11) / 10
    sizes = [row["entities"] for row in calibration(edges, np.ones(11, bool))["bins"]]
    assert sizes == [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert calibration(np.array([1.0000001]), np.array([True]))["bins"][9]["entities"] == 1


def test_a_calibrated_model_has_next_to_no_error_and_an_overconfident_one_has_it_all():
    rng = np.random.default_rng(0)
    confidence = rng.random(20_000)
    assert calibration(confidence, rng.random(20_000) < confidence)["ece"] < 0.02
    assert calibration(np.full(1000, 0.99), np.zeros(1000, bool))["ece"] == pytest.approx(0.99)


def test_without_entities_there_is_nothing_to_say():
    result = calibration(np.zeros(0), np.zeros(0, bool))
    assert (result["entities"], result["ece"], result["precision"]) == (0, None, None)
