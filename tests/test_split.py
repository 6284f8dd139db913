"""Splits are seeded, keep the order and the proportions, and never put identical sentences on both sides."""

import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_data import InputError
from ner_data.split import (
    kept_together,
    number_sequences,
    reuse_split,
    sentence_groups,
    split_sentences,
    write_split,
)


def table_of(sentences, tags=None, groups=None):
    columns = {
        "tokens": pa.array(sentences, pa.list_(pa.string())),
        "tags": pa.array(tags or [["O"] * len(tokens) for tokens in sentences], pa.list_(pa.string())),
        "row": pa.array(range(len(sentences)), pa.int64()),
    }
    return pa.table(columns if groups is None else columns | {"group": pa.array(groups, pa.string())})


def tagged(types):
    """Sentences of their own words, with a word for each of the given entity types: `["x", "x y", ""]`."""
    tags = [[f"B-{type_}" for type_ in names.split()] or ["O"] for names in types]
    return table_of([[f"w{n}.{k}" for k in range(len(own))] for n, own in enumerate(tags)], tags)


def entities(table):
    return Counter(tag[2:] for tags in table["tags"].to_pylist() for tag in tags if tag != "O")


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


def test_where_all_documents_are_large_one_is_taken_that_comes_nearer_to_the_share():
    sizes = [100] * 9 + [1, 1]
    groups = [f"d{k}" for k, size in enumerate(sizes) for _ in range(size)]
    table = table_of([[f"w{k}"] for k in range(902)], groups=groups)
    assert len(split_sentences(table, 0.1, seed=0)[1]) == 102  # 90 are due: two of one sentence, and one of a hundred
    large = table_of([[f"w{k}"] for k in range(900)], groups=[f"d{k // 300}" for k in range(900)])
    assert len(split_sentences(large, 0.1, seed=0)[1]) == 0  # 300 are further from 90 than none


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
    assert len(part) < max(1, 2 * int(fraction * len(sentences) + 0.5))  # one group too large, where all are large
    assert all(sentences[row] == tokens for row, tokens in zip(rows[1], part["tokens"].to_pylist(), strict=True))


def test_sequences_are_the_same_only_as_a_whole():
    codes, offsets = [1, 2, 12, 1, 2, 1, 22, 12], [0, 2, 3, 5, 5, 7, 8, 8]
    assert number_sequences(codes, offsets).tolist() == [0, 1, 0, 2, 3, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_every_type_is_on_both_sides_in_proportion(seed):
    types = ["a"] * 500 + ["b"] * 60 + ["a b"] * 40 + ["c"] * 10 + ["a c"] * 10 + ["d a a"] * 5 + ["e"] * 4 + [""] * 371
    rest, part = split_sentences(tagged(types), 0.1, seed)
    assert (len(rest), len(part)) == (900, 100)
    assert entities(part) == {"a": 56, "b": 10, "c": 2, "d": 1}  # of 560, 100, 20 and 5; four e are too few
    without = sum(tags == ["O"] for tags in part["tags"].to_pylist())
    assert 30 <= without <= 45  # 371 in all


def test_sentences_are_filled_up_where_types_leave_a_gap():
    rest, part = split_sentences(tagged(["a a a a"] * 10), 0.25, seed=1)
    assert (len(rest), len(part)) == (7, 3)  # ten entities are due, and two sentences hold eight


def test_documents_stay_together_and_in_proportion():
    types = [name for document in range(100) for name in ["a b", "a", "", "c" if document % 5 == 0 else "a"]]
    table = tagged(types).append_column("group", pa.array([f"doc {n // 4}" for n in range(400)]))
    for seed in range(5):
        rest, part = split_sentences(table, 0.1, seed)
        assert not set(rest["group"].to_pylist()) & set(part["group"].to_pylist())
        assert len(part) == 40
        assert entities(part) == {"a": 28, "b": 10, "c": 2}


def test_documents_that_share_a_sentence_are_tied_together():
    words = [["a"], ["x"], ["b"], ["X"], ["c"], ["y"], ["d"], ["y"], ["e"], ["f"]]
    table = table_of(words, groups=["1", "1", "2", "2", "3", "3", "2", "2", "4", "5"])
    for seed in range(20):
        rest, part = split_sentences(table, 0.2, seed)
        assert part["group"].to_pylist() == ["4", "5"] and len(rest) == 8


def test_a_long_chain_of_documents_is_followed_to_its_end():
    words = [[str(n + k)] for n in range(300) for k in (0, 1)]
    table = table_of(
        [*words, ["alone"]], groups=[str(n % 7 * 1000 + n) for n in range(300) for _ in (0, 1)] + ["alone"]
    )
    assert split_sentences(table, 0.4, seed=0)[1]["tokens"].to_pylist() == [["alone"]]


def test_fifty_thousand_sentences_take_about_a_second():
    names = ["", "a", "a b", "c a", "b b d", "e", ""]
    table = tagged([names[n * n % 7] for n in range(50_000)])
    start = time.process_time()
    assert len(split_sentences(table, 0.1, seed=0)[1]) == 5000
    assert time.process_time() - start < 3


def written(tmp_path):
    """A table split in three, and the file that says so."""
    table = tagged(["a"] * 20 + ["b"] * 20 + [""] * 10)
    rest, test = split_sentences(table, 0.2, seed=3)
    train, validation = split_sentences(rest, 0.2, seed=3)
    tables = {"train": train, "validation": validation, "test": test}
    write_split(tmp_path / "split.jsonl", tables)
    return table, tables, tmp_path / "split.jsonl"


def test_a_split_is_written_and_used_again(tmp_path):
    table, tables, path = written(tmp_path)
    lines = path.read_text().splitlines()
    assert len(lines) == 50
    assert lines[0] == '{"row": 0, "split": "test", "words": "8f4eb0500b18949f"}'
    again = reuse_split(table, path, list(tables), "my.csv")
    assert list(again) == list(tables) and all(again[split].equals(tables[split]) for split in tables)
    mixed = reuse_split(pa.concat_tables([tables["train"], tables["test"]]), path, ["train", "test"], "my.csv")
    assert all(mixed[split].equals(tables[split]) for split in ("train", "test"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: pa.concat_tables([table.slice(0, 7), table_of([["changed"]] * 8).slice(7), table.slice(8)]),
         "my.csv:7: 1 of 50 sentences are not in {path} or have changed, the first is 'changed', give the file"),
        (lambda table: table.slice(1), "{path}: 1 of 50 sentences are not in my.csv, the first was on line 0 of it, "),
        (lambda table: table.set_column(2, "row", pa.array(range(1, 51))), "my.csv:1: 50 of 50 sentences are not in"),
    ],
)  # fmt: skip
def test_a_split_of_other_sentences_is_refused(tmp_path, change, message):
    table, tables, path = written(tmp_path)
    with pytest.raises(InputError) as error:
        reuse_split(change(table), path, list(tables), "my.csv")
    assert str(error.value).startswith(message.format(path=path)) and "\n" not in str(error.value)


def test_a_file_beside_the_split_that_it_is_recorded_for_is_named(tmp_path):
    table, tables, path = written(tmp_path)
    message = f"--validation_file: 8 sentences of my.csv are in validation as {path} says, leave this flag or"
    with pytest.raises(InputError, match=f"^{message}"):
        reuse_split(table, path, ["train", "test"], "my.csv")


@pytest.mark.parametrize(
    "line", ["[]", "{", '{"row": 1}', '{"row": 1, "split": "dev", "words": "a"}', '{"row": [], "split": "test"}', "7"]
)
def test_what_is_no_split_file_is_refused_with_its_line(tmp_path, line):
    table, tables, path = written(tmp_path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=f"^{path}:51: not a sentence of a split, "):
        reuse_split(table, path, list(tables), "my.csv")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["", "x", "x y", "y y"]), st.sampled_from("123456")),
        min_size=1,
        max_size=40,
    ),
    st.floats(0, 0.99),
    st.integers(0, 2**32),
)  # fmt: skip
def test_no_share_is_exceeded_but_to_fill_up_and_no_document_is_parted(sentences, fraction, seed):
    tags = [[f"B-{name}" for name in names.split()] or ["O"] for _, names, _ in sentences]
    words = [[word] * len(own) for (word, _, _), own in zip(sentences, tags, strict=True)]
    table = table_of(words, tags, [document for _, _, document in sentences])
    rest, part = split_sentences(table, fraction, seed)
    share = int(fraction * len(sentences) + 0.5)
    if len(part) > share:  # without its largest group it was not half of it
        sizes = np.bincount(kept_together(part))
        assert len(part) - share < share - (len(part) - sizes.max()) and 2 * (len(part) - sizes.max()) < share
    for column in ("group", "tokens"):
        values = [set(map(str, side[column].to_pylist())) for side in (rest, part)]
        assert not values[0] & values[1]
    again = split_sentences(table, fraction, seed)
    assert again[0].equals(rest) and again[1].equals(part)
