"""Intervals against seqeval on the very sentences that were drawn."""

import time

import numpy as np
import pytest
from test_span_counts import random_corpus

from ner_eval import bootstrap
from ner_eval.bootstrap import intervals, resample, sentence_counts
from ner_eval.span_counts import count_spans, find_spans, label_parts, shared_ids, span_scores


def corpus_counts(gold, predicted):
    *sides, offsets, names = shared_ids(gold, predicted)
    parts = label_parts(names)
    spans = [find_spans(ids, offsets, parts) for ids in sides]
    return sentence_counts(*spans, offsets, len(parts.names)), count_spans(*spans, len(parts.names))


def test_the_counts_of_sentences_add_up_to_those_of_the_corpus():
    for seed in range(30):
        by_sentence, counts = corpus_counts(*random_corpus(seed))
        assert np.array_equal(by_sentence.sum(axis=0), np.stack(counts))


def test_every_sentence_has_its_own_counts():
    gold = [["B-per", "O"], [], ["O", "B-geo"], ["B-geo"]]
    predicted = [["B-per", "O"], [], ["B-geo", "O"], ["O"]]
    by_sentence, _ = corpus_counts(gold, predicted)
    assert by_sentence.tolist() == [  # correct, gold, predicted of geo and per
        [[0, 1], [0, 1], [0, 1]],
        [[0, 0], [0, 0], [0, 0]],
        [[0, 0], [1, 0], [1, 0]],
        [[0, 0], [1, 0], [0, 0]],
    ]


def test_intervals_are_those_of_scoring_the_drawn_sentences():
    gold, predicted = random_corpus(11)
    by_sentence, _ = corpus_counts(gold, predicted)
    drawn = np.random.default_rng(5).integers(0, len(gold), (200, len(gold)))
    scores = [span_scores(*shared_ids([gold[k] for k in draw], [predicted[k] for k in draw])) for draw in drawn]
    names = label_parts(shared_ids(gold, predicted)[3]).names
    result = intervals(by_sentence, resamples=200, seed=5, types=names)
    assert (result["level"], result["resamples"], result["seed"]) == (0.95, 200, 5)

    def ends(values):
        return pytest.approx(np.percentile(values, [2.5, 97.5]).tolist()) if len(set(values)) > 1 else None

    for key in ("precision", "recall", "f1"):
        assert result[key] == ends([score[key] for score in scores])
    whole = span_scores(*shared_ids(gold, predicted))["per_type"]
    macro = [sum(score["per_type"].get(name, whole[name])["f1"] for name in whole) / len(whole) for score in scores]
    assert result["macro_f1"] == ends(macro)
    assert list(result["per_type"]) == names
    for name in names:
        values = [score["per_type"][name]["f1"] for score in scores if name in score["per_type"]]
        assert result["per_type"][name] == ends(values)


def test_rare_types_that_are_never_found_do_not_lift_the_interval_of_macro_f1():
    """One type is always right, nine stand once each and are missed: macro F1 is 0.1 whatever is drawn."""
    counts = np.zeros((30, 3, 10), int)
    counts[:20, :, 0] = 1
    counts[np.arange(20, 29), 1, np.arange(1, 10)] = 1
    result = intervals(counts, resamples=200, types=[f"t{k}" for k in range(10)])
    assert result["macro_f1"] is None and set(result["per_type"].values()) == {None}


def test_chunks_do_not_change_the_sums(monkeypatch):
    counts = np.random.default_rng(0).integers(0, 3, (50, 4))
    whole = resample(counts, 100, seed=1)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 350)
    assert np.array_equal(resample(counts, 100, seed=1), whole)
    assert not np.array_equal(resample(counts, 100, seed=2), whole)


def test_sums_are_of_as_many_sentences_as_there_are():
    assert (resample(np.ones((37, 1), int), 20, seed=0) == 37).all()
    counts = np.zeros((1000, 1), int)
    counts[::2] = 1  # sentences without an entity are drawn like the others
    sums = resample(counts, 2000, seed=0)
    assert sums.mean() == pytest.approx(500, abs=2) and sums.std() == pytest.approx(np.sqrt(250), rel=0.1)


def test_what_is_the_same_in_every_draw_has_no_interval():
    gold, _ = random_corpus(3)
    perfect = intervals(corpus_counts(gold, gold)[0])
    assert perfect["f1"] is None
    nothing = intervals(corpus_counts([["O"]], [["O"]])[0], resamples=10)
    assert nothing["f1"] is nothing["macro_f1"] is None


def test_the_interval_holds_the_true_score_as_often_as_it_says():
    """400 test sets of 150 sentences from one system: recall is 0.7 by construction."""
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(400):
        gold = rng.integers(0, 4, 150)
        correct = rng.binomial(gold, 0.7)
        lower, upper = intervals(np.stack([correct, gold, gold], axis=1)[:, :, None], 300, seed)["recall"]
        held += lower <= 0.7 <= upper
    assert 0.91 <= held / 400 <= 0.98


def test_a_thousand_resamples_of_many_sentences_take_seconds():
    counts = np.random.default_rng(0).integers(0, 2, (20_000, 3, 8))
    begin = time.process_time()
    intervals(counts, 300)
    assert time.process_time() - begin < 3
