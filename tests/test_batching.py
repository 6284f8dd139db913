"""Batches: the collator against its parent, and the order of windows."""

import datasets
import numpy as np
import pytest
import torch
from transformers import DataCollatorForTokenClassification

from ner_data.labels import IGNORED
from ner_model.batching import LengthBuckets, LongestFirst, WindowCollator, count_labelled, window_lengths
from ner_model.load import load_tokenizer


def windows(lengths, seed=0):
    random = np.random.default_rng(seed)
    return [
        {
            "input_ids": random.integers(5, 50, n).tolist(),
            "labels": np.where(random.random(n) < 0.5, IGNORED, random.integers(0, 3, n)).tolist(),
        }
        for n in lengths
    ]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("multiple", [None, 8])
def test_the_collator_gives_what_its_parent_gives(bert_dir, side, multiple):
    tokenizer = load_tokenizer(bert_dir, [])
    tokenizer.padding_side = side
    features = windows([5, 1, 9, 3])
    mine = WindowCollator(tokenizer, pad_to_multiple_of=multiple)([dict(f) for f in features])
    oracle = DataCollatorForTokenClassification(tokenizer, pad_to_multiple_of=multiple)([dict(f) for f in features])
    for name in ("input_ids", "attention_mask", "labels"):
        assert torch.equal(mine[name], oracle[name])


def test_the_collator_carries_where_a_window_is_from(bert_dir):
    features = [{**f, "sentence": 7 + k, "first_word": k} for k, f in enumerate(windows([2, 4]))]
    batch = WindowCollator(load_tokenizer(bert_dir, []))(features)
    assert batch["sentence"].tolist() == [7, 8] and batch["first_word"].tolist() == [0, 1]


def test_labelled_positions_are_counted_from_the_batches(bert_dir):
    rows = windows([5, 1, 9, 3, 2])
    expected = sum(label != IGNORED for row in rows for label in row["labels"])
    collator = WindowCollator(load_tokenizer(bert_dir, []))
    assert count_labelled(datasets.Dataset.from_list(rows), collator, batch_size=2) == expected


def test_window_lengths_of_a_data_set_also_after_a_selection():
    data = datasets.Dataset.from_list(windows([5, 1, 9]))
    assert window_lengths(data).tolist() == [5, 1, 9]
    assert window_lengths(data.select([2, 0])).tolist() == [9, 5]


def test_buckets_hold_every_window_once_and_change_with_the_epoch():
    lengths = np.random.default_rng(0).integers(3, 60, 1003)
    buckets = LengthBuckets(lengths, batch_size=32, seed=1)
    first = list(buckets)
    assert sorted(first) == list(range(1003)) and len(buckets) == 1003
    assert list(buckets) == first  # the order depends on seed and epoch alone
    assert list(LengthBuckets(lengths, 32, seed=2)) != first
    buckets.set_epoch(1)
    assert sorted(buckets) == list(range(1003)) and list(buckets) != first


def test_buckets_waste_little_padding():
    lengths = np.random.default_rng(0).gamma(4, 7, 8000).astype(int) + 3

    def padding(order):
        batches = [lengths[order[k : k + 32]] for k in range(0, len(order), 32)]
        return 1 - lengths.sum() / sum(len(b) * b.max() for b in batches)

    assert padding(list(LengthBuckets(lengths, 32, seed=0))) < 0.05 < 0.4 < padding(list(range(8000)))


def test_longest_first_in_evaluation():
    assert list(LongestFirst(np.array([3, 9, 9, 1]))) == [1, 2, 0, 3]
