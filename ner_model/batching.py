"""Batches: windows of similar length together, and the collator that pads them."""

import math

import numpy as np
import pyarrow as pa
import torch
from accelerate.data_loader import prepare_data_loader
from transformers import DataCollatorForTokenClassification

from ner_data.labels import IGNORED
from ner_model.interruptions import ignoring_signals
from ner_model.load import SMALL


class WindowRows:
    """The rows of a `datasets.Dataset` of windows for a DataLoader, as slices of its Arrow columns.

    No integer becomes a Python object, and nothing is copied: the columns of a data set that is mapped from a file stay
    in the file. (A selection or a shuffle of a data set is taken out once.)

    Attributes:
        lengths: int64 array (windows,), subwords in each window.
    """

    def __init__(self, windows):
        self.windows = windows
        table = windows.with_format("arrow")[:]
        parts = [batch for batch in table.to_batches() if len(batch)]
        self.begins = np.cumsum([0, *map(len, parts)])
        self.parts = [{name: _flat(part.column(name)) for name in table.column_names} for part in parts]
        self.lengths = np.concatenate([np.diff(part["input_ids"][1]) for part in self.parts]).astype(np.int64)

    def __reduce__(self):  # for loader processes that are not forked: a data set on disk goes over as its path
        return WindowRows, (self.windows,)

    def __len__(self):
        return len(self.lengths)

    def __getitems__(self, indices):
        """The windows of a batch as dicts: `input_ids` and `labels` int32 arrays (subwords,), the others integers."""
        of = np.searchsorted(self.begins, indices, side="right") - 1
        return [self._row(self.parts[part], index - self.begins[part]) for part, index in zip(of, indices, strict=True)]

    def _row(self, part, k):
        return {
            name: values[k] if offsets is None else values[offsets[k] : offsets[k + 1]]
            for name, (values, offsets) in part.items()
        }


def _flat(column):
    """An Arrow column as numpy arrays over the same memory: values, and offsets if it is a column of lists."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return column.values.to_numpy(), column.offsets.to_numpy()
    return column.to_numpy(), None


class LengthBuckets(torch.utils.data.Sampler):
    """Batches of windows of similar length, the same under any number of processes, and this process's share of each.

    Shuffle, cut into pools of `pool` batches, sort each pool by length, cut into batches, shuffle the batches: near
    neighbours in length, a new mix each epoch. The batches depend on seed and epoch alone, so every process and every
    resumed run sees the same ones, whatever else has drawn random numbers. Every window comes once an epoch. The batch
    that takes the most room comes first: if memory runs out it does so at once, and it is laid out once for all.

    The processes split each batch into shares whose sizes differ by one at most. The last batch may be short, and where
    it has fewer windows than there are processes, some shares are empty: `WindowCollator` makes a batch of them that
    teaches nothing, so that all processes take the same number of steps.

    Args:
        lengths: int array (windows,).
        batch_size: windows in a batch, those of all processes together.
        seed: int.
        process, processes: the number of this process, and how many there are.
        pool: batches in a pool.
    """

    def __init__(self, lengths, batch_size, seed, process=0, processes=1, pool=50):
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.process = process
        self.processes = processes
        self.pool = pool
        self.epoch = 0

    def set_epoch(self, epoch):
        """Called by Trainer at the start of each epoch."""
        self.epoch = epoch

    def __len__(self):
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self):
        """Lists of indices of windows, one per batch."""
        for batch in self.batches():
            yield np.array_split(batch, self.processes)[self.process].tolist()

    def batches(self):
        """The batches of the epoch before they are split: a list of int64 arrays."""
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(len(self.lengths))
        pool = self.batch_size * self.pool
        batches = []
        for begin in range(0, len(order), pool):
            part = order[begin : begin + pool]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches.extend(part[k : k + self.batch_size] for k in range(0, len(part), self.batch_size))
        full = [batch for batch in batches if len(batch) == self.batch_size]
        short = [batch for batch in batches if len(batch) < self.batch_size]
        ordered = [full[k] for k in random.permutation(len(full))] + short
        room = [len(batch) * int(self.lengths[batch].max()) for batch in ordered]
        largest = room.index(max(room)) if room else 0
        return ordered[largest : largest + 1] + ordered[:largest] + ordered[largest + 1 :]

    def padding(self, multiple=1):
        """The share of padding among the positions of the epoch's batches, each as long as its longest window, rounded
        up to a multiple."""
        batches = self.batches()
        room = sum(len(batch) * -(-int(self.lengths[batch].max()) // multiple) * multiple for batch in batches)
        return 1 - sum(int(self.lengths[batch].sum()) for batch in batches) / max(1, room)


def train_batches(lengths, args, batch_size):
    """The training batches that `TrainingArguments` ask for: `LengthBuckets`.

    Args:
        lengths: int array (windows,).
        args: `transformers.TrainingArguments`.
        batch_size: windows in the share of one process.
    """
    seed = args.seed if args.data_seed is None else args.data_seed
    return LengthBuckets(lengths, batch_size * args.world_size, seed, args.process_index, args.world_size)


def rounding(args, config):
    """The multiple that the length of a batch is rounded up to, for `WindowCollator`: 4 for a narrow encoder in bf16 on
    a CPU, else 1.

    oneDNN, which multiplies there, keeps compiled kernels for each shape it has seen. Fewer shapes are less memory:
    `mini`, 200 steps of 32 GMB sentences on two cores, 1,921 to 1,936 MiB at the peak without, 1,485 to 1,489 with. The
    padding is 7.5% in place of 2.8%, but the seconds differed by less than those of two runs alike (21 to 25). A wide
    encoder would pay for it.

    Args:
        args: `transformers.TrainingArguments`.
        config: of the model; its `hidden_size` is compared with `ner_model.load.SMALL`.
    """
    narrow = getattr(config, "hidden_size", math.inf) <= SMALL
    return 4 if narrow and args.bf16 and args.device.type == "cpu" else 1


def say_batches(windows, args, multiple=1, say=print):
    """Say in one line how many training batches an epoch has, how large they are, and how much of them is padding.

    Args:
        windows: `datasets.Dataset` of the training windows.
        args: `transformers.TrainingArguments`.
        multiple: that lengths are rounded up to.
        say: called with the line.
    """
    batches = train_batches(WindowRows(windows).lengths, args, args.train_batch_size)
    say(f"batches: {len(batches):,} of {batches.batch_size} windows, {batches.padding(multiple):.1%} padding")


def own_batches(trainer, rows, batch_sampler):
    """A loader of the batches that a sampler deals out to this process, for a `Trainer`'s `get_train_dataloader`.

    Accelerate is told of one process. Its own dealing repeats rows at the end of an epoch, and a run of several
    processes that goes on in mid-epoch would get the order of another epoch.

    Args:
        trainer: its arguments, collator and device are used.
        rows: what the sampler's numbers stand for.
        batch_sampler: gives lists of row numbers, and has `set_epoch`.
    """
    flags = ("num_workers", "pin_memory", "persistent_workers", "prefetch_factor", "multiprocessing_context")
    loader = torch.utils.data.DataLoader(
        rows,
        batch_sampler=batch_sampler,
        collate_fn=trainer.data_collator,
        worker_init_fn=ignoring_signals(),
        **{name: getattr(trainer.args, f"dataloader_{name}") for name in (*flags, "in_order")},
    )
    accelerator = trainer.accelerator
    return prepare_data_loader(
        loader, accelerator.device, 1, 0, put_on_device=True, non_blocking=trainer.args.dataloader_pin_memory
    )


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
    """Pads windows to the longest of the batch, or to the next `pad_to_multiple_of` that the model still reads
    (`tokenizer.model_max_length`). The same tensors as its parent's, without the detour over lists.

    Batch: `input_ids`, `attention_mask`, `labels` int64 (windows, tokens), labels padded with -100, and whatever
    integer columns the windows carry (`sentence`, `first_word`) as int64 (windows,).
    """

    def torch_call(self, features):
        """Windows as dicts of lists or arrays of ints -> the batch described above.

        Without a window, where another process has one: a single token without a label, so that this process takes
        the step too. Its loss and its gradients are zero.
        """
        features = features or [{"input_ids": [self.tokenizer.pad_token_id], "labels": [self.label_pad_token_id]}]
        lengths = [len(feature["input_ids"]) for feature in features]
        longest = max(lengths)
        if self.pad_to_multiple_of:
            rounded = -(-longest // self.pad_to_multiple_of) * self.pad_to_multiple_of
            longest = max(longest, min(rounded, self.tokenizer.model_max_length))
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
    loader = torch.utils.data.DataLoader(WindowRows(windows), batch_size=batch_size, collate_fn=collator)
    return sum(int((batch["labels"] != IGNORED).sum()) for batch in loader)
