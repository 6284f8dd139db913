"""Batches: windows of similar length together, and the collator that pads them."""

import numpy as np
import pyarrow.compute as pc
import torch
from transformers import DataCollatorForTokenClassification

from ner_data.labels import IGNORED


def window_lengths(windows):
    """Subwords in each window of a `datasets.Dataset`: int64 array (windows,), read once and without Python objects."""
    column = windows.with_format("arrow")[:]["input_ids"]
    return pc.list_value_length(column).to_numpy().astype(np.int64)


class LengthBuckets(torch.utils.data.Sampler):
    """An order of the windows in which every batch holds windows of similar length.

    Shuffle, cut into pools of `pool` batches, sort each pool by length, cut into batches, shuffle the batches: near
    neighbours in length, a new mix each epoch. The order depends on seed and epoch alone, so every process and every
    resumed run sees the same one, whatever else has drawn random numbers.

    Args:
        lengths: int array (windows,).
        batch_size: windows in a batch (over all processes and accumulation steps they are still cut in this size).
        seed: int.
        pool: batches in a pool.
    """

    def __init__(self, lengths, batch_size, seed, pool=50):
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.pool = pool
        self.epoch = 0

    def set_epoch(self, epoch):
        """Called by accelerate at the start of each epoch."""
        self.epoch = epoch

    def __len__(self):
        return len(self.lengths)

    def __iter__(self):
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(len(self.lengths))
        pool = self.batch_size * self.pool
        batches = []
        for begin in range(0, len(order), pool):
            part = order[begin : begin + pool]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches.extend(part[k : k + self.batch_size] for k in range(0, len(part), self.batch_size))
        # only the last batch may be short: the loader cuts the order every `batch_size` windows
        full = [batch for batch in batches if len(batch) == self.batch_size]
        short = [batch for batch in batches if len(batch) < self.batch_size]
        full = [full[k] for k in random.permutation(len(full))]
        return iter(np.concatenate(full + short).tolist())


class LongestFirst(torch.utils.data.Sampler):
    """Windows by length, longest first: for evaluation, where rows carry their index and order does not matter.

    If memory runs out it does so in the first batch, not in the last.
    """

    def __init__(self, lengths):
        self.order = np.argsort(-lengths, kind="stable")

    def __len__(self):
        return len(self.order)

    def __iter__(self):
        return iter(self.order.tolist())


class WindowCollator(DataCollatorForTokenClassification):
    """Pads windows to the longest of the batch. The same tensors as its parent's, without the detour over lists.

    Batch: `input_ids`, `attention_mask`, `labels` int64 (windows, tokens), labels padded with -100, and whatever
    integer columns the windows carry (`sentence`, `first_word`) as int64 (windows,).
    """

    def torch_call(self, features):
        """Windows as dicts of lists of ints -> the batch described above."""
        lengths = [len(feature["input_ids"]) for feature in features]
        longest = max(lengths)
        if self.pad_to_multiple_of:
            longest = -(-longest // self.pad_to_multiple_of) * self.pad_to_multiple_of
        shape = (len(features), longest)
        batch = {
            "input_ids": np.full(shape, self.tokenizer.pad_token_id, np.int64),
            "attention_mask": np.zeros(shape, np.int64),
            "labels": np.full(shape, self.label_pad_token_id, np.int64),
        }
        left = self.tokenizer.padding_side == "left"
        for row, (feature, length) in enumerate(zip(features, lengths, strict=True)):
            place = slice(longest - length, longest) if left else slice(0, length)
            batch["input_ids"][row, place] = feature["input_ids"]
            batch["attention_mask"][row, place] = 1
            batch["labels"][row, place] = feature["labels"]
        for name in features[0]:
            if name not in batch:
                batch[name] = np.array([feature[name] for feature in features], np.int64)
        return {name: torch.from_numpy(array) for name, array in batch.items()}


def count_labelled(windows, collator, batch_size=256):
    """Labelled positions in the batches that the collator makes of all windows, counted from the batches themselves."""
    loader = torch.utils.data.DataLoader(windows, batch_size=batch_size, collate_fn=collator)
    return sum(int((batch["labels"] != IGNORED).sum()) for batch in loader)
