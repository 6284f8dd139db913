"""Decoding: Viterbi against every legal path, and against arg-max wherever that is legal."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_eval.decode import argmax, decode, tag_sentences, viterbi
from ner_eval.transitions import weighed

NAMES = ["O", "B-geo", "I-geo", "B-per", "I-per"]
LABEL_SETS = [
    NAMES,
    ["I-per", "B-per", "O", "I-geo", "B-geo"],  # I- before B-, O in the middle
    ["O", "B-geo", "I-geo", "I-per"],  # no B-per: I-per is never legal
    ["B-geo", "I-geo", "B-per"],  # no O, no I-per
    ["O"],
]


def is_legal(tags):
    return all(tag[0] != "I" or before in ("B" + tag[1:], tag) for before, tag in zip(["O", *tags], tags, strict=False))


def best_path(rows, names):
    """Of all legal paths the one with the highest sum; of several, the lowest ids from the last word backwards."""
    paths = [path for path in itertools.product(range(len(names)), repeat=len(rows))]
    legal = [path for path in paths if is_legal([names[label] for label in path])]
    scores = {path: sum(rows[word][label] for word, label in enumerate(path)) for path in legal}
    top = max(scores.values())
    return min((path for path in legal if scores[path] == top), key=lambda path: path[::-1])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_viterbi_finds_the_best_legal_path(data):
    """Whole numbers as scores: sums are exact and there are many ties."""
    names = data.draw(st.sampled_from(LABEL_SETS))
    lengths = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    size = int(offsets[-1]) * len(names)
    values = data.draw(st.lists(st.integers(-3, 0), min_size=size, max_size=size))
    rows = np.array(values, np.float32).reshape(-1, len(names))
    ids = viterbi(rows, offsets, names)
    for begin, end in zip(offsets[:-1], offsets[1:], strict=True):
        alone = argmax(rows[begin:end]).tolist()
        is_alone_legal = is_legal([names[label] for label in alone])
        expected = alone if is_alone_legal else list(best_path(rows[begin:end], names)) if begin < end else []
        assert ids[begin:end].tolist() == expected


def test_of_random_scores_no_illegal_sequence_comes_out_and_legal_ones_stay():
    rng = np.random.default_rng(1)
    for names in LABEL_SETS:
        offsets = np.concatenate(([0], np.cumsum(rng.integers(0, 12, 300))))
        rows = np.log(rng.dirichlet(np.ones(len(names)), offsets[-1])).astype(np.float32)
        for greedy, best in zip(
            tag_sentences(argmax(rows), offsets, names),
            tag_sentences(viterbi(rows, offsets, names), offsets, names),
            strict=True,
        ):
            assert is_legal(best)
            assert best == greedy or not is_legal(greedy)


def test_viterbi_weighs_the_whole_sentence():
    """Arg-max says O I-per: the beginning is repaired where that costs less than giving up the I-per."""
    rows = np.log([[0.5, 0.01, 0.01, 0.47, 0.01], [0.1, 0.01, 0.01, 0.08, 0.8]])
    assert tag_sentences(viterbi(rows, np.array([0, 2]), NAMES), [0, 2], NAMES) == [["B-per", "I-per"]]
    rows = np.log([[0.97, 0.01, 0.01, 0.005, 0.005], [0.4, 0.01, 0.01, 0.08, 0.5]])
    assert tag_sentences(viterbi(rows, np.array([0, 2]), NAMES), [0, 2], NAMES) == [["O", "O"]]


def test_an_entity_does_not_run_into_the_next_sentence():
    rows = np.log([[0.02, 0.02, 0.02, 0.92, 0.02], [0.2, 0.02, 0.02, 0.06, 0.7]])
    assert viterbi(rows, np.array([0, 2]), NAMES).tolist() == [3, 4]
    assert viterbi(rows, np.array([0, 1, 2]), NAMES).tolist() == [3, 0]


def test_whatever_the_scores_the_sequence_is_legal():
    rows = np.full((4, len(NAMES)), -np.inf, np.float32)
    rows[:, 4] = 0.0  # the only label with a probability, and illegal at the beginning
    offsets = np.array([0, 3, 3, 4])
    assert tag_sentences(viterbi(rows, offsets, NAMES), offsets, NAMES) == [["B-per", "I-per", "I-per"], [], ["O"]]
    rows[1:, 4] = np.nan
    assert all(map(is_legal, tag_sentences(viterbi(rows, offsets, NAMES), offsets, NAMES)))


def test_no_words_and_no_sentences():
    assert viterbi(np.zeros((0, 5)), np.array([0]), NAMES).tolist() == []
    assert viterbi(np.zeros((0, 5)), np.array([0, 0, 0]), NAMES).tolist() == []


def test_what_cannot_be_decoded_is_said():
    with pytest.raises(ValueError, match="no label may begin a sentence: I-geo, I-per"):
        viterbi(np.zeros((1, 2)), np.array([0, 1]), ["I-geo", "I-per"])
    with pytest.raises(ValueError, match="decoding 'beam' is not one of argmax, viterbi"):
        decode(np.zeros((1, 5)), np.array([0, 1]), NAMES, "beam")


def test_decode_takes_the_one_that_is_named():
    rows, offsets = np.log([[0.3, 0.1, 0.1, 0.1, 0.4]]), np.array([0, 1])
    assert decode(rows, offsets, NAMES).tolist() == [4]
    assert decode(rows, offsets, NAMES, "viterbi").tolist() == [0]


@pytest.mark.parametrize(("types", "sentences"), [(8, 4400), (66, 440)])
def test_many_words_and_many_labels_take_a_moment(types, sentences):
    rng = np.random.default_rng(0)
    names = ["O"] + [f"{prefix}{type_}" for type_ in range(types) for prefix in ("B-", "I-")]
    offsets = np.concatenate(([0], np.cumsum(rng.integers(1, 45, sentences))))
    rows = np.log(rng.dirichlet(np.ones(len(names)), offsets[-1])).astype(np.float32)
    counts = rng.integers(0, 2, (len(names) + 1, len(names))) * rng.integers(0, 2, (len(names) + 1, len(names)))
    begin = time.process_time()
    viterbi(rows, offsets, names)  # random scores: nearly every sentence must be searched
    viterbi(rows, offsets, names, weighed(counts, names, 0.3).scores)
    assert time.process_time() - begin < 4
