"""Batches: the collator against its parent, and the order of windows."""

import pickle
from types import SimpleNamespace

import datasets
import numpy as np
import pyarrow as pa
import pytest
import torch
import transformers
from transformers import DataCollatorForTokenClassification

from ner_data.labels import IGNORED
from ner_model.batching import (
    LengthBuckets,
    LongestFirst,
    WindowCollator,
    WindowRows,
    count_labelled,
    rounding,
    say_batches,
    train_batches,
)
from ner_model.load import load_model, load_tokenizer
from ner_model.trainer import WordLoss


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


def test_rows_of_a_file_give_the_batch_of_the_data_set(bert_dir, tmp_path):
    tokenizer = load_tokenizer(bert_dir, [])
    rows = windows([5, 1, 9, 3])
    mine = WindowCollator(tokenizer)(WindowRows(mapped(tmp_path, [rows[:2], rows[2:]])).__getitems__([3, 0, 2]))
    oracle = DataCollatorForTokenClassification(tokenizer)([dict(rows[k]) for k in (3, 0, 2)])
    for name in ("input_ids", "attention_mask", "labels"):
        assert torch.equal(mine[name], oracle[name]) and mine[name].dtype == oracle[name].dtype


def test_batches_are_rounded_up_for_narrow_encoders_in_bf16_on_a_cpu():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for bf16, device, width, multiple in (
        *((True, cpu, 256, 4), (True, cpu, 64, 4), (True, cpu, 257, 1), (True, gpu, 256, 1), (False, cpu, 256, 1)),
        (True, cpu, None, 1),
    ):
        config = SimpleNamespace(**({} if width is None else {"hidden_size": width}))
        assert rounding(SimpleNamespace(bf16=bf16, device=device), config) == multiple


def test_rounding_stops_where_the_model_does(bert_dir):
    tokenizer = load_tokenizer(bert_dir, [])
    tokenizer.model_max_length = 11
    collator = WindowCollator(tokenizer, pad_to_multiple_of=4)
    for lengths, expected in (([5, 3], 8), ([8, 3], 8), ([9], 11), ([11], 11)):
        assert collator(windows(lengths))["input_ids"].shape == (len(lengths), expected)


def test_rounding_changes_neither_loss_nor_gradients(bert_dir):
    tokenizer, rows = load_tokenizer(bert_dir, []), windows([5, 2, 7])
    model = load_model(bert_dir, tokenizer, [f"l{k}" for k in range(10)], keep_head=False).eval()
    found = []
    for multiple in (1, 4):
        batch = WindowCollator(tokenizer, pad_to_multiple_of=multiple)(rows)
        labels = batch.pop("labels")
        loss = WordLoss()(model(**batch), labels)
        model.zero_grad()
        loss.backward()
        found.append((loss.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


def test_the_collator_carries_where_a_window_is_from(bert_dir):
    features = [{**f, "sentence": 7 + k, "first_word": k} for k, f in enumerate(windows([2, 4]))]
    batch = WindowCollator(load_tokenizer(bert_dir, []))(features)
    assert batch["sentence"].tolist() == [7, 8] and batch["first_word"].tolist() == [0, 1]


def test_labelled_positions_are_counted_from_the_batches(bert_dir):
    rows = windows([5, 1, 9, 3, 2])
    expected = sum(label != IGNORED for row in rows for label in row["labels"])
    collator = WindowCollator(load_tokenizer(bert_dir, []))
    assert count_labelled(datasets.Dataset.from_list(rows), collator, batch_size=2) == expected


def mapped(tmp_path, parts):
    """Windows as a data set that is mapped from an Arrow file, a record batch for each part."""
    tables = [datasets.Dataset.from_list(part).data.table for part in parts]
    with pa.OSFile(str(tmp_path / "windows.arrow"), "wb") as file, pa.ipc.new_stream(file, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return datasets.Dataset.from_file(str(tmp_path / "windows.arrow"))


def test_rows_are_those_of_the_data_set(tmp_path):
    rows = [{**row, "sentence": k, "first_word": 2 * k} for k, row in enumerate(windows([5, 1, 9, 3, 2, 7]))]
    data = mapped(tmp_path, [rows[:3], rows[3:4], rows[4:]])
    assert len(data.with_format("arrow")[:]["labels"].chunks) == 3
    for part, order in ((data, range(6)), (data.select([5, 0]), [5, 0]), (data.select(range(2, 5)), [2, 3, 4])):
        found = WindowRows(part)
        assert len(found) == len(order) and found.lengths.tolist() == [len(rows[k]["input_ids"]) for k in order]
        mine = [{name: np.asarray(value).tolist() for name, value in row.items()} for row in found.__getitems__([1, 0])]
        assert mine == [rows[order[1]], rows[order[0]]]
    (row,) = WindowRows(data).__getitems__([4])
    column = data.data.table["input_ids"].chunk(2).values
    assert row["input_ids"].__array_interface__["data"][0] == column.buffers()[1].address  # the file's own memory
    assert WindowRows(data).__getitems__([]) == []
    moved = pickle.dumps(WindowRows(data))  # as a loader's process gets it that is not forked
    assert str(tmp_path).encode() in moved and row["input_ids"].tobytes() not in moved
    assert pickle.loads(moved).lengths.tolist() == WindowRows(data).lengths.tolist()


def test_a_share_of_no_windows_is_a_batch_without_labels(bert_dir):
    tokenizer = load_tokenizer(bert_dir, [])
    batch = WindowCollator(tokenizer)([])
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[tokenizer.pad_token_id]],
        "attention_mask": [[1]],  # a row of nothing but padding would make attention divide by zero
        "labels": [[IGNORED]],
    }


@pytest.mark.parametrize(("data_seed", "used"), [(None, 5), (9, 9)])
def test_data_seed_orders_the_batches(tmp_path, data_seed, used):
    args = transformers.TrainingArguments(str(tmp_path), seed=5, data_seed=data_seed, use_cpu=True)
    lengths = np.arange(3, 300)
    found = list(train_batches(lengths, args, 32))
    assert found == list(LengthBuckets(lengths, 32, used)) != list(LengthBuckets(lengths, 32, 14 - used))


def test_buckets_hold_every_window_once_and_change_with_the_epoch():
    lengths = np.random.default_rng(0).integers(3, 60, 1003)
    buckets = LengthBuckets(lengths, batch_size=32, seed=1)
    first = list(buckets)
    assert [len(batch) for batch in first] == [32] * 31 + [11] and len(buckets) == 32
    assert sorted(sum(first, [])) == list(range(1003))
    longest = [lengths[batch].max() for batch in first]
    assert longest[0] == max(longest) and longest[1:] != sorted(longest[1:])  # the greatest first, the others at random
    assert list(buckets) == first  # the order depends on seed and epoch alone
    assert list(LengthBuckets(lengths, 32, seed=2)) != first
    buckets.set_epoch(1)
    assert sorted(sum(buckets, [])) == list(range(1003)) and list(buckets) != first


@pytest.mark.parametrize("processes", [2, 3, 8])
@pytest.mark.parametrize("windows", [1003, 961, 992, 5])
def test_any_number_of_processes_sees_the_batches_of_one(processes, windows):
    """961 windows leave one for the last batch, and so nothing for all processes but one."""
    lengths = np.random.default_rng(0).integers(3, 60, windows)
    whole = LengthBuckets(lengths, 32, seed=1)
    shares = [LengthBuckets(lengths, 32, 1, process, processes) for process in range(processes)]
    for epoch in (0, 2):
        for buckets in (whole, *shares):
            buckets.set_epoch(epoch)
        dealt = list(zip(*shares, strict=True))  # every process takes the same number of steps
        assert [sum(parts, []) for parts in dealt] == list(whole)
        assert all(max(map(len, parts)) - min(map(len, parts)) <= 1 for parts in dealt)
        assert len(dealt) == len(whole) == len(shares[0])


def test_the_share_of_padding():
    buckets = LengthBuckets(np.array([4, 1, 2, 4, 3]), batch_size=2, seed=0)
    assert sorted(buckets.lengths[batch].tolist() for batch in buckets.batches()) == [[1, 2], [3, 4], [4]]
    assert buckets.padding() == pytest.approx(1 - 14 / 16)
    assert buckets.padding(3) == pytest.approx(1 - 14 / (2 * 3 + 2 * 6 + 6))


def test_batches_are_said(tmp_path):
    data = datasets.Dataset.from_list(windows([4, 1, 2, 4, 3]))
    args = transformers.TrainingArguments(output_dir=str(tmp_path), per_device_train_batch_size=2, use_cpu=True)
    said = []
    say_batches(data, args, say=said.append)
    say_batches(data, args, 4, said.append)
    assert said == ["batches: 3 of 2 windows, 12.5% padding", "batches: 3 of 2 windows, 30.0% padding"]


def test_buckets_waste_little_padding():
    lengths = np.random.default_rng(0).gamma(4, 7, 8000).astype(int) + 3
    in_order = [lengths[k : k + 32] for k in range(0, 8000, 32)]
    assert LengthBuckets(lengths, 32, seed=0).padding() < 0.05
    assert 1 - lengths.sum() / sum(32 * batch.max() for batch in in_order) > 0.4


def test_longest_first_in_evaluation():
    assert list(LongestFirst(np.array([3, 9, 9, 1]))) == [1, 2, 0, 3]
