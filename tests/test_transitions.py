"""Which tag follows which: counts, the search that weighs them, the weight that validation chooses, config.json."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_eval.decode import argmax, decode, legal, viterbi
from ner_eval.score import score
from ner_eval.transitions import (
    UNSEEN,
    choose_transitions,
    count_transitions,
    from_config,
    to_config,
    weighed,
)

NAMES = ["O", "B-geo", "I-geo", "B-per", "I-per"]
FORBIDDEN = {("", "I-geo"), ("", "I-per"), ("O", "I-geo"), ("O", "I-per"), ("B-geo", "I-per"), ("I-geo", "I-per")}
FORBIDDEN |= {("B-per", "I-geo"), ("I-per", "I-geo")}


def table(*tags):
    words = [["x"] * len(row) for row in tags]
    return pa.table({"tokens": pa.array(words, pa.list_(pa.string())), "tags": pa.array(tags, pa.list_(pa.string()))})


TRAINING = table(["O", "B-per", "I-per"], [], ["B-per", "I-per", "O", "O"], ["B-geo"])


def test_what_may_follow_what():
    found = {
        (before, after)
        for (row, before), (column, after) in itertools.product(enumerate([*NAMES, ""]), enumerate(NAMES))
        if not legal(NAMES)[row, column]
    }
    assert found == FORBIDDEN


def test_tags_are_counted_sentence_by_sentence():
    assert count_transitions(TRAINING, NAMES).tolist() == [
        [1, 0, 0, 1, 0],  # O
        [0, 0, 0, 0, 0],  # B-geo
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 2],  # B-per
        [1, 0, 0, 0, 0],
        [1, 1, 0, 1, 0],  # the beginning
    ]
    assert count_transitions(table(), NAMES).sum() == 0


def test_shares_are_those_of_the_row_and_nothing_illegal_has_one():
    transitions = weighed(count_transitions(TRAINING, NAMES), NAMES, 0.5)
    assert transitions.log_shares[0, 3] == round(np.log((1 + UNSEEN) / (2 + 3 * UNSEEN)), 4)
    assert transitions.log_shares[1, 2] == round(np.log(1 / 4), 4)  # nothing seen after B-geo: all the same
    assert transitions.scores[0, 3] == 0.5 * transitions.log_shares[0, 3]
    assert (np.isneginf(transitions.scores) == ~legal(NAMES)).all()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_viterbi_finds_the_best_path_with_transitions(data):
    """Every legal path, scored by hand; whole numbers, so that sums are exact and there are many ties."""
    lengths = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    numbers = st.integers(-3, 0)
    size = int(offsets[-1]) * len(NAMES)
    rows = np.array(data.draw(st.lists(numbers, min_size=size, max_size=size)), np.float32).reshape(-1, len(NAMES))
    added = np.array(data.draw(st.lists(numbers, min_size=30, max_size=30)), float).reshape(6, 5)
    added[~legal(NAMES)] = -np.inf
    ids = viterbi(rows, offsets, NAMES, added)
    for begin, end in zip(offsets[:-1], offsets[1:], strict=True):
        scores = {}
        for path in itertools.product(range(5), repeat=end - begin):
            steps = zip([5, *path], path, strict=False)
            scores[path] = sum(rows[begin + k, label] for k, label in enumerate(path)) + sum(added[s] for s in steps)
        top = max(scores.values())
        lowest = min((path for path in scores if scores[path] == top), key=lambda path: path[::-1])
        assert tuple(ids[begin:end].tolist()) == lowest


def test_many_sentences_in_small_parts_are_the_same(monkeypatch):
    rng = np.random.default_rng(3)
    offsets = np.concatenate(([0], np.cumsum(rng.integers(0, 9, 50))))
    rows = np.log(rng.dirichlet(np.ones(5), offsets[-1])).astype(np.float32)
    transitions = weighed(count_transitions(TRAINING, NAMES), NAMES, 0.3)
    together = decode(rows, offsets, NAMES, "viterbi", transitions)
    monkeypatch.setattr("ner_eval.decode.AT_ONCE", 1)
    assert decode(rows, offsets, NAMES, "viterbi", transitions).tolist() == together.tolist()
    assert (together != decode(rows, offsets, NAMES, "viterbi")).any()
    assert decode(rows, offsets, NAMES, "argmax", transitions).tolist() == argmax(rows).tolist()


def prediction(rows, gold):
    """What `NerTrainer` returns for sentences of one length: log-probabilities, and label ids."""
    number = np.arange(len(gold))
    return SimpleNamespace(predictions=[np.log(rows)], label_ids=[(np.array(gold), number, 0 * number)])


CERTAIN_OF_PER = [[0.04, 0.04, 0.04, 0.84, 0.04], [0.3, 0.05, 0.25, 0.35, 0.05]]  # B-per, then B-per by a hair
GOLD = [[3, 0], [3, 0]]


def test_validation_chooses_the_least_of_the_best_weights():
    """In training O follows B-per: with some weight the second word turns to O, which is right."""
    training = table(["B-per", "O"], ["B-per", "O"])
    lines = []
    found = choose_transitions(prediction([CERTAIN_OF_PER] * 2, GOLD), training, NAMES, "viterbi", lines.append)
    assert found.weight == 0.1  # log(0.35) - log(0.3) is 0.15; log(2.1 / 2.5) - log(0.1 / 2.5) is 3.04
    assert lines == [
        "decoding: which tag follows which in training has the weight 0.1, the best of 6 on validation"
        " (F1 1.0000, without 0.6667)"
    ]


def test_where_validation_is_better_without_there_are_none():
    training = table(["B-per", "O"], ["B-per", "O"])
    wrong = prediction([CERTAIN_OF_PER] * 2, [[3, 3], [3, 3]])
    lines = []
    assert choose_transitions(wrong, training, NAMES, "viterbi", lines.append) is None
    assert "has the weight 0.0, the best of 6 on validation (F1 1.0000, without 1.0000)" in lines[0]
    assert choose_transitions(wrong, training, NAMES, "argmax", lines.append) is None and len(lines) == 1


def test_scores_are_taken_with_transitions_and_tell_the_weight():
    transitions = weighed(count_transitions(table(["B-per", "O"], ["B-per", "O"]), NAMES), NAMES, 0.1)
    given = prediction([CERTAIN_OF_PER] * 2, GOLD)
    sentences = table(["B-per", "O"], ["B-per", "O"])
    with_them = score(given, NAMES, "viterbi", transitions=transitions, sentences=sentences).scores
    without = score(given, NAMES, "viterbi", sentences=sentences).scores
    assert (with_them["f1"], with_them["transition_weight"], with_them["words_changed"]) == (1.0, 0.1, 2)
    assert (without["f1"], without["transition_weight"]) == (pytest.approx(2 / 3), 0.0)


def test_config_json_gives_the_same_transitions_under_any_order_of_labels():
    transitions = weighed(count_transitions(TRAINING, NAMES), NAMES, 0.3)
    stored = json.loads(json.dumps(to_config(transitions, NAMES)))
    again = from_config(stored, NAMES)
    assert again.weight == 0.3 and (again.log_shares == transitions.log_shares).all()
    turned = from_config(stored, NAMES[::-1])
    assert (turned.log_shares[:5][::-1, ::-1] == transitions.log_shares[:5]).all()
    assert stored["log_shares"]["B-per"] == {"others": -3.1781, "I-per": -0.1335}  # 0.1 and 2.1 of 2.4
    assert to_config(None, NAMES) is None and from_config(None, NAMES) is None
