"""Scores: exact figures, and the mistakes of the 2018 recipe pinned."""

from types import SimpleNamespace

import evaluate
import numpy as np
import pytest

from ner_data.labels import IGNORED
from ner_eval.score import ComputeMetrics, score, table
from ner_eval.seqeval_metric import StrictSeqeval

NAMES = ["O", "B-geo", "I-geo", "B-per", "I-per"]


def prediction(gold, predicted, shuffle=False):
    """What NerTrainer returns for sentences of label ids, in one batch with padding."""
    words = max(map(len, gold))
    labels = np.full((len(gold), words), IGNORED)
    rows = np.full((len(gold), words, len(NAMES)), float(IGNORED))
    for k, (g, p) in enumerate(zip(gold, predicted, strict=True)):
        labels[k, : len(g)] = g
        rows[k, : len(g)] = np.log(0.1 / 4)
        rows[k, np.arange(len(p)), p] = np.log(0.9)
    order = np.random.default_rng(0).permutation(len(gold)) if shuffle else np.arange(len(gold))
    meta = labels[order], np.arange(len(gold))[order], np.zeros(len(gold), int)
    return SimpleNamespace(predictions=[rows[order]], label_ids=[meta])


GOLD = [[3, 4, 0, 1, 0], [1, 2], [0, 0, 3]]
PREDICTED = [[3, 4, 0, 1, 1], [1, 0], [0, 0, 3]]  # 3 right of 5 predicted, 4 gold


@pytest.mark.parametrize("shuffle", [False, True])
def test_exact_figures(shuffle):
    scored = score(prediction(GOLD, PREDICTED, shuffle), NAMES)
    scores = scored.scores
    assert scores["precision"] == 3 / 5 and scores["recall"] == 3 / 4
    assert scores["f1"] == pytest.approx(2 * 0.6 * 0.75 / 1.35)
    assert scores["per_type"]["per"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2}
    assert scores["per_type"]["geo"] == {"precision": 1 / 3, "recall": 1 / 2, "f1": pytest.approx(0.4), "support": 2}
    assert scores["macro_f1"] == pytest.approx(0.7)
    assert scores["accuracy"] == 8 / 10
    assert scores["loss"] == pytest.approx(-(8 * np.log(0.9) + 2 * np.log(0.025)) / 10)
    assert (scores["sentences"], scores["words"]) == (3, 10)
    assert scored.gold[1] == ["B-geo", "I-geo"] and scored.predicted[1] == ["B-geo", "O"]


def test_epoch_figures_are_the_final_figures():
    flat = ComputeMetrics(NAMES)(prediction(GOLD, PREDICTED))
    scores = score(prediction(GOLD, PREDICTED), NAMES).scores
    assert flat == {name: value for name, value in scores.items() if name != "per_type"}


def test_original_mistake_precision_and_recall_are_not_swapped():
    """`f1_score(predictions, gold)`: the 2018 recipe's arguments; precision and recall changed places."""
    scores = score(prediction([[1, 0, 3, 0]], [[1, 0, 0, 0]]), NAMES).scores
    assert (scores["precision"], scores["recall"]) == (1.0, 0.5)


def test_original_mistake_entities_do_not_run_across_sentences():
    """Flattened together, `B-per | I-per` of two sentences became one entity."""
    scores = score(prediction([[0, 3], [3, 0]], [[0, 3], [4, 0]]), NAMES).scores
    assert (scores["precision"], scores["recall"]) == (1.0, 0.5)


def test_original_mistake_padding_is_not_a_correct_word():
    """75 padded positions, most of them `O` on `O`: accuracy near 1 for a model that says `O`."""
    scores = score(prediction([[1, 2, 1], [0] * 5], [[0, 0, 0], [0] * 5]), NAMES).scores
    assert scores["accuracy"] == 5 / 8 and scores["words"] == 8


def test_strict_mode_wants_a_beginning():
    assert score(prediction([[3, 4]], [[4, 4]]), NAMES).scores["f1"] == 0.0


def test_constant_and_perfect_predictors():
    constant = score(prediction(GOLD, [[0] * len(g) for g in GOLD]), NAMES).scores
    assert (constant["f1"], constant["precision"], constant["recall"]) == (0.0, 0.0, 0.0)
    assert score(prediction(GOLD, GOLD), NAMES).scores["f1"] == 1.0


def test_without_entities_the_scores_are_zero_and_nothing_fails():
    scores = score(prediction([[0, 0]], [[0, 0]]), NAMES).scores
    assert (scores["f1"], scores["accuracy"], scores["per_type"]) == (0.0, 1.0, {})
    assert "entity type" in table(scores)


def test_evaluate_loads_the_module_offline_and_agrees_with_the_class():
    tags = {"predictions": [["B-per", "O", "B-geo"]], "references": [["B-per", "O", "O"]]}
    loaded = evaluate.load("ner_eval/seqeval_metric.py")
    assert loaded.compute(**tags) == StrictSeqeval(keep_in_memory=True).compute(**tags)


def test_the_table_shows_every_type_and_its_support():
    lines = table(score(prediction(GOLD, PREDICTED), NAMES).scores).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["geo", "per", "micro", "macro"]
    assert lines[1].split() == ["geo", "0.3333", "0.5000", "0.4000", "2"]
    assert lines[3].split() == ["micro", "0.6000", "0.7500", "0.6667", "4"]
