"""Splits are seeded, keep the order, and never put identical sentences on both sides."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_data.split import sentence_groups, split_sentences


def table_of(sentences):
    return pa.table(
        {
            "tokens": pa.array(sentences, pa.list_(pa.string())),
            "tags": pa.array([["O"] * len(tokens) for tokens in sentences], pa.list_(pa.string())),
            "row": pa.array(range(len(sentences)), pa.int64()),
        }
    )


def test_groups_are_the_sentences_with_the_same_case_folded_tokens():
    sentences = [["A", "b"], ["a b"], ["a", "B"], ["Straße"], ["STRASSE"], ["a", "b", "b"], ["1"], ["a", "b"]]
    assert sentence_groups(table_of(sentences)).tolist() == [0, 1, 0, 2, 2, 3, 4, 0]


def test_groups_of_a_slice_are_those_of_its_own_sentences():
    table = table_of([["x"], ["a"], ["y", "z"], ["A"], ["x"]])
    assert sentence_groups(table.slice(1, 3)).tolist() == [0, 1, 0]


def test_the_split_is_the_same_everywhere():
    table = table_of([[f"w{n}"] for n in range(20)])
    rest, part = split_sentences(table, 0.3, seed=42)
    assert part["row"].to_pylist() == [1, 4, 8, 10, 15, 17]
    assert rest["row"].to_pylist() == [n for n in range(20) if n not in (1, 4, 8, 10, 15, 17)]
    assert split_sentences(table, 0.3, seed=43)[1]["row"].to_pylist() != part["row"].to_pylist()


def test_a_group_too_large_for_the_part_stays_in_the_rest():
    table = table_of([["same"]] * 50 + [[f"w{n}"] for n in range(50)])
    for seed in range(10):
        rest, part = split_sentences(table, 0.1, seed)
        assert len(part) == 10 and ["same"] not in part["tokens"].to_pylist()


@pytest.mark.parametrize(("fraction", "size"), [(0, 0), (0.04, 0), (0.05, 1), (0.5, 5), (0.99, 10)])
def test_a_fraction_is_rounded_to_whole_sentences(fraction, size):
    assert len(split_sentences(table_of([[str(n)] for n in range(10)]), fraction, 0)[1]) == size


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("aAbß"), min_size=1, max_size=2), min_size=1, max_size=40),
    st.floats(0, 0.99),
    st.integers(0, 2**32),
)
def test_no_sentence_leaks_none_is_lost_and_the_order_stays(sentences, fraction, seed):
    rest, part = split_sentences(table_of(sentences), fraction, seed)
    folded = [{" ".join(tokens).casefold() for tokens in side["tokens"].to_pylist()} for side in (rest, part)]
    assert not folded[0] & folded[1]
    rows = [side["row"].to_pylist() for side in (rest, part)]
    assert sorted(rows[0] + rows[1]) == list(range(len(sentences)))
    assert rows[0] == sorted(rows[0]) and rows[1] == sorted(rows[1])
    assert len(part) <= int(fraction * len(sentences) + 0.5)
    assert all(sentences[row] == tokens for row, tokens in zip(rows[1], part["tokens"].to_pylist(), strict=True))
