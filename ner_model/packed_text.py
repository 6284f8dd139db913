"""Running text for masked-language-model training: paragraphs -> subwords -> packed rows -> masked batches."""

import bisect
from dataclasses import dataclass

import numpy as np
import torch

from ner_data import InputError
from ner_data.labels import IGNORED
from ner_data.text_file import counted

SCORED_BY = 64  # the number of subwords that a batch is scored at is a multiple: fewer shapes for oneDNN to compile for
LONGEST_WORD = 16  # subwords; what is longer is a sentence of a language without spaces, or an address


@dataclass
class Subwords:
    """Paragraphs as flat arrays.

    ids: int32 (subwords,).
    word: int32 (subwords,), which word of its paragraph a subword belongs to.
    start: int64 (paragraphs + 1,), where each paragraph begins.
    """

    ids: np.ndarray
    word: np.ndarray
    start: np.ndarray


def encode_paragraphs(tokenizer, paragraphs):
    """Paragraphs (strings, or lists of words) -> `Subwords`, without special tokens, nothing cut.

    What counts as a word is what the tokenizer splits text into before it looks for subwords; of a list of words, each
    is one. Of a word of more than `LONGEST_WORD` subwords, each subword counts as one: a tokenizer that splits at
    spaces alone (XLM-R's) takes a sentence in Japanese or Thai for a word, which would be masked as a whole.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    ids, words, start = [], [], [0]
    for begin in range(0, len(paragraphs), 4096):
        part = paragraphs[begin : begin + 4096]
        for encoding in backend.encode_batch(
            part, is_pretokenized=not isinstance(part[0], str), add_special_tokens=False
        ):
            ids.append(np.array(encoding.ids, np.int32))
            words.append(_split_long(np.array(encoding.word_ids, np.int32)))
            start.append(start[-1] + len(ids[-1]))
    return Subwords(np.concatenate(ids), np.concatenate(words), np.array(start, np.int64))


def _split_long(word):
    """The words that subwords belong to, int32 (subwords,), numbered anew where some are longer than `LONGEST_WORD`."""
    is_long = np.bincount(word)[word] > LONGEST_WORD
    if not is_long.any():
        return word
    begins = is_long | (np.diff(word, prepend=-1) != 0)
    return np.cumsum(begins, dtype=np.int32) - 1


class PackedRows(torch.utils.data.Dataset):
    """Rows of `length` subwords, each filled with several pieces of paragraphs, masked anew in every epoch.

    A piece is what of a paragraph fits into a row between the tokenizer's special tokens, cut between words; pieces are
    packed best-fit, in an order that the seed decides. An item is `(input_ids, segment, target)`, int64 arrays of
    shape (length,): `segment` numbers the pieces from 1 (0 is padding), `target` holds the masked subwords and -100
    elsewhere. Words are masked as a whole: a word is drawn with probability `share`, and one of the row where that drew
    none; of the drawn words 80% become the mask token, 10% random subwords, 10% stay (Devlin et al. 2019).

    Item `k` is row `k % len(self)` in epoch `k // len(self)`, so an item depends on nothing but seed and number, and a
    resumed run masks the same words. `RowBatches` draws the numbers.

    Args:
        subwords: `Subwords`.
        tokenizer: the tokenizer they come from.
        length: subwords in a row.
        share: probability of a word to be masked.
        seed: int.
    """

    def __init__(self, subwords, tokenizer, length, share, seed):
        self.subwords, self.share, self.seed, self.length = subwords, share, seed, length
        self.mask_id = tokenizer.mask_token_id
        self.pad_id = tokenizer.pad_token_id
        self.ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
        example = tokenizer.backend_tokenizer.encode("a")
        special = np.array(example.special_tokens_mask, bool)
        self.before = np.array(example.ids, np.int64)[: special.argmin()]
        self.after = np.array(example.ids, np.int64)[len(special) - special[::-1].argmin() :]
        self.pieces = self._cut(length - len(self.before) - len(self.after))
        self.rows = self._pack(np.random.default_rng((seed, 0)))

    def _cut(self, room):
        """(begin, end) of each piece: int64 (pieces, 2). A word longer than a row is cut too."""
        pieces = []
        word = self.subwords.word
        for begin, end in zip(self.subwords.start[:-1].tolist(), self.subwords.start[1:].tolist(), strict=True):
            while end - begin > room:
                cut = begin + room
                while cut > begin and word[cut] == word[cut - 1]:
                    cut -= 1
                cut = cut if cut > begin else begin + room
                pieces.append((begin, cut))
                begin = cut
            if end > begin:
                pieces.append((begin, end))
        return np.array(pieces, np.int64).reshape(-1, 2)

    def _pack(self, random, pool=8192):
        """Best fit, longest first, in pools of shuffled pieces: a list of piece numbers per row."""
        extra = len(self.before) + len(self.after)
        sizes = self.pieces[:, 1] - self.pieces[:, 0] + extra
        order = random.permutation(len(self.pieces))
        rows = []
        for begin in range(0, len(order), pool):
            part = order[begin : begin + pool]
            room_of = [[] for _ in range(self.length + 1)]  # rows of this pool by the room that is left in them
            rooms = []  # which of these lists are not empty, ascending
            for piece in part[np.argsort(-sizes[part], kind="stable")].tolist():
                size = int(sizes[piece])
                place = bisect.bisect_left(rooms, size)
                if place < len(rooms):
                    room = rooms[place]
                    row = room_of[room].pop()
                    if not room_of[room]:
                        del rooms[place]
                else:
                    room, row = self.length, []
                    rows.append(row)
                row.append(piece)
                if room - size > extra:
                    if not room_of[room - size]:
                        bisect.insort(rooms, room - size)
                    room_of[room - size].append(row)
        return rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, k):
        epoch, row = divmod(k, len(self.rows))
        random = np.random.default_rng((self.seed, 1, epoch, row))
        ids = np.full(self.length, self.pad_id, np.int64)
        segment = np.zeros(self.length, np.int64)
        target = np.full(self.length, IGNORED, np.int64)
        words = np.full(self.length, -1)  # which word of the row a position belongs to
        at = 0
        for number, piece in enumerate(self.rows[row], start=1):
            begin, end = self.pieces[piece].tolist()
            original = self.subwords.ids[begin:end].astype(np.int64)
            word = self.subwords.word[begin:end]
            drawn = random.random(int(word[-1] - word[0]) + 1) < self.share
            fate = random.random(len(drawn))
            masked, fate = drawn[word - word[0]], fate[word - word[0]]
            shown = self._shown(original, masked, fate, random)
            inner = at + len(self.before)
            stop = inner + len(original)
            ids[at:inner], ids[inner:stop], ids[stop : stop + len(self.after)] = self.before, shown, self.after
            target[inner:stop][masked] = original[masked]
            words[inner:stop] = words.max() + 1 + word - word[0]
            segment[at : stop + len(self.after)] = number
            at = stop + len(self.after)
        if (target == IGNORED).all():  # a step of such rows would have no loss
            masked = words == random.choice(np.unique(words[words >= 0]))
            target[masked] = ids[masked]
            ids = self._shown(ids, masked, random.random(), random)
        return ids, segment, target

    def _shown(self, original, masked, fate, random):
        """What the model sees of subwords of which some are masked. `fate`: in [0, 1), the same for all of a word."""
        shown = np.where(masked & (fate < 0.8), self.mask_id, original)
        return np.where(masked & (fate >= 0.9), random.choice(self.ordinary, len(shown)), shown)

    def filled(self):
        """How many positions of all rows hold something, special tokens included."""
        extra = len(self.before) + len(self.after)
        return int((self.pieces[:, 1] - self.pieces[:, 0]).sum()) + extra * len(self.pieces)

    def padding(self):
        """The share of positions that hold nothing."""
        return 1 - self.filled() / (len(self.rows) * self.length)


class RowBatches(torch.utils.data.Sampler):
    """Batches of the rows of `PackedRows` in a new order each epoch, as numbers that carry the epoch.

    Each process gets its share of each batch; every row comes once an epoch. The last batch may be short; one that has
    fewer rows than there are processes joins the batch before it.

    Args:
        rows: how many there are.
        batch_size: rows in a batch, those of all processes together.
        seed: int.
        process, processes: the number of this process, and how many there are.

    Raises:
        InputError: fewer rows than processes.
    """

    def __init__(self, rows, batch_size, seed, process=0, processes=1):
        if rows < processes:
            raise InputError(
                f"{counted(rows, 'row')} of subwords for {processes} processes; give more text, or fewer processes"
            )
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.process, self.processes, self.epoch = process, processes, 0

    def set_epoch(self, epoch):
        """Called by Trainer at the start of each epoch."""
        self.epoch = epoch

    def __len__(self):
        full, rest = divmod(self.rows, self.batch_size)
        return full + (full == 0 or rest >= self.processes)

    def __iter__(self):
        order = np.random.default_rng((self.seed, 2, self.epoch)).permutation(self.rows)
        ends = [self.batch_size * (k + 1) for k in range(len(self) - 1)]
        for batch in np.split(self.epoch * self.rows + order, ends):
            yield np.array_split(batch, self.processes)[self.process].tolist()


def collate_rows(items):
    """Items of `PackedRows` -> a dict of int64 tensors.

    `input_ids`, `segment`, `position_ids`, `labels`: (rows, length); positions begin at 0 with each piece, as they do
    for a sentence in fine-tuning. `scored`, `wanted`: see `scored_places`.
    """
    ids, segment, target = (np.stack(column) for column in zip(*items, strict=True))
    index = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    first = np.diff(segment, axis=1, prepend=-1) != 0
    position = index - np.maximum.accumulate(np.where(first, index, 0), axis=1)
    batch = {"input_ids": ids, "segment": segment, "position_ids": position, "labels": target}
    batch["scored"], batch["wanted"] = scored_places(target)
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def scored_places(target):
    """Where a batch is scored, and what is wanted there.

    Args:
        target: int64 (rows, length), masked subwords and -100 elsewhere.

    Returns:
        Two int64 arrays (n,): places in the flattened batch, each once, and what `target` holds there. First come those
        of the masked subwords, in order, then others up to a multiple of `SCORED_BY`.
    """
    flat = target.ravel()
    masked, others = np.flatnonzero(flat != IGNORED), np.flatnonzero(flat == IGNORED)
    scored = np.append(masked, others[: -len(masked) % SCORED_BY])
    return scored, flat[scored]
