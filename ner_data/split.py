"""Splits of a corpus that do not leak: identical sentences stay on one side, and so do the sentences of a document.

rest, part = split_sentences(table, 0.1, seed=42)
write_split("split.jsonl", {"train": rest, "test": part})     # a line per sentence: its row, its split, a hash
reuse_split(table, "split.jsonl", ("train", "test"), "my.csv")  # the same two again, or an error

"""

import hashlib
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ner_data import InputError
from ner_data.labels import flat, sentence_offsets
from ner_data.text_file import counted, read_text, shown

SPLITS = ("train", "validation", "test")


def number_sequences(codes, offsets):
    """Number sequences of integers so that two have the same number exactly when they are the same.

    codes: (n,) int; offsets: (sequences + 1,) int, where each begins. Returns (sequences,) int64; the numbers count up
    from 0 in the order of first appearance.
    """
    strings = pa.array(codes).cast(pa.string())
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), strings), " ")
    return joined.dictionary_encode().indices.to_numpy().astype(np.int64)


def number_folded(words):
    """Number a list of words so that two have the same number exactly when they agree case-folded: (words,) int64."""
    folded = pa.array([word.casefold() for word in words], pa.string()).dictionary_encode()
    return folded.indices.to_numpy().astype(np.int64)


def sentence_groups(table):
    """Number the sentences of a table so that two have the same number exactly when their case-folded tokens agree.

    Returns (sentences,) int64; the numbers count up from 0 in the order of first appearance.
    """
    words = flat(table["tokens"]).dictionary_encode()
    codes = number_folded(words.dictionary.to_pylist())[words.indices.to_numpy()]
    return number_sequences(codes, sentence_offsets(table))


def split_sentences(table, fraction, seed):
    """Split a sentence table -> (rest, part), where part holds about `fraction` of the sentences and of each type.

    Sentences with the same case-folded tokens are all on one side; where the table has a column `group`, so are the
    sentences of each document, and then everything that such sentences and documents tie together.

    Part never holds more than its share, rounded, of the sentences, but where groups are so large that not half of it
    is reached: then one more group is taken, if that comes nearer to the share. The types of entities are in
    proportion: sentences are taken in random order, those with the rarest type first and those without entities last,
    each if it fits into what is still missing of every type (iterative stratification: Sechidis, Tsoumakas and Vlahavas
    2011, for two sides). A type whose share rounds to nothing may be missing; if sentences are missing in the end, they
    are taken whatever their types.

    Both sides keep the table's order. The choice depends on the seed and on the sentences alone (PCG64), and is the
    same on every machine. Either side may be empty.
    """
    groups = kept_together(table)
    sizes = np.bincount(groups)
    types, counts, starts, totals = _entities(table, groups, len(sizes))
    rank = np.empty(len(totals) + 1, np.int64)
    rank[np.argsort(totals, kind="stable")] = np.arange(len(totals))
    rank[-1] = len(totals)
    rarest = np.full(len(sizes), len(totals))
    np.minimum.at(rarest, np.repeat(np.arange(len(sizes)), np.diff(starts)), rank[types])
    order = np.lexsort((np.random.Generator(np.random.PCG64(seed)).random(len(sizes)), rarest))
    targets = [int(fraction * total + 0.5) for total in [*totals.tolist(), len(groups)]]
    entities = (types.tolist(), counts.tolist(), starts.tolist())
    is_part = _fill(order.tolist(), sizes.tolist(), entities, targets)[groups]
    return table.filter(pa.array(~is_part)), table.filter(pa.array(is_part))


def kept_together(table):
    """Number the sentences so that those with the same number must stay on one side: (sentences,) int64."""
    groups = sentence_groups(table)
    if "group" not in table.column_names:
        return groups
    documents = table["group"].combine_chunks().dictionary_encode().indices.to_numpy()
    root = np.arange(groups.max(initial=-1) + 1)
    while True:  # the least number that a group can reach over documents; following it again doubles the reach
        of_document = np.full(documents.max(initial=-1) + 1, len(root))
        np.minimum.at(of_document, documents, root[groups])
        reached = root.copy()
        np.minimum.at(reached, groups, of_document[documents])
        reached = reached[reached]
        if (reached == root).all():
            return np.unique(root[groups], return_inverse=True)[1]
        root = reached


def _entities(table, groups, number):
    """The entities of `number` groups of sentences by type.

    Returns (types, counts, starts, totals): group g holds counts[k] entities of types[k], for k from starts[g] to
    starts[g + 1]; totals are the entities of each type, whose numbers follow the alphabet.
    """
    tags = flat(table["tags"]).dictionary_encode()
    names = tags.dictionary.to_pylist()
    known = sorted({name[2:] for name in names if name.startswith("B-")})
    type_of = np.array([known.index(name[2:]) if name.startswith("B-") else -1 for name in names] + [-1])
    type_of_word = type_of[tags.indices.to_numpy()]
    begins = np.flatnonzero(type_of_word >= 0)
    sentence = np.searchsorted(sentence_offsets(table), begins, side="right") - 1
    keys, counts = np.unique(groups[sentence] * max(len(known), 1) + type_of_word[begins], return_counts=True)
    owners, types = np.divmod(keys, max(len(known), 1))
    starts = np.searchsorted(owners, np.arange(number + 1))
    return types, counts, starts, np.bincount(type_of_word[begins], minlength=len(known))


def _fill(order, sizes, entities, targets):
    """Take groups in order while they fit: (groups,) bool.

    Args:
        order: list of groups; sizes: list of their numbers of sentences.
        entities: types, counts and starts as `_entities` has them, as lists.
        targets: how many entities of each type to take at most, then how many sentences.
    """
    types, counts, starts = entities
    *missing, room = targets
    taken = np.zeros(len(sizes), bool)
    for group in order:
        own = range(starts[group], starts[group + 1])
        if sizes[group] <= room and all(counts[k] <= missing[types[k]] for k in own):
            taken[group] = True
            room -= sizes[group]
            for k in own:
                missing[types[k]] -= counts[k]
    for group in reversed(order):  # the most frequent types have the least to lose
        if not room:
            break
        if not taken[group] and sizes[group] <= room:
            taken[group] = True
            room -= sizes[group]
    left = [group for group in order if not taken[group] and sizes[group] < 2 * room]
    if 2 * room > targets[-1] and left and taken.sum() < len(taken) - 1:  # the rest is not to be empty
        taken[min(left, key=lambda group: sizes[group])] = True
    return taken


def write_split(path, tables):
    """Write which sentence is in which split, at once: JSON lines, a line per sentence, in the order of the rows.

        {"row": 2, "split": "train", "words": "57fdeec43d4d9342"}

    `tables` are sentence tables by split; `words` is a hash of the sentence's words.
    """
    lines = sorted((row, split, words) for split, table in tables.items() for row, words in _keys(table))
    with open(f"{path}.part", "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f'{{"row": {row}, "split": "{split}", "words": "{words}"}}\n' for row, split, words in lines)
    os.replace(f"{path}.part", path)


def reuse_split(table, path, splits, name):
    """Split a sentence table as `write_split` recorded it.

    Args:
        table: sentence table.
        path: what `write_split` wrote.
        splits: names of the splits to make; sentences that the file has in other ones are from other files.
        name: of the table's file, for messages.

    Returns:
        {split: table}, in the order of `SPLITS`, for those of `splits` that the file knows.

    Raises:
        InputError: the file cannot be read, or its sentences are not those of the table.
    """
    lines = _read_split(path)
    recorded = {key: split for key, split in lines if split in splits}
    others = {key: split for key, split in lines if split not in splits}  # of other files, which may have equal keys
    keys = _keys(table)
    fix = "give the file that the split was made from, or leave --split_file out"
    elsewhere = [others[key] for key in keys if key in others and key not in recorded]
    if elsewhere:
        what = f"{counted(len(elsewhere), 'sentence')} of {name} are in {elsewhere[0]} as {path} says"
        raise InputError(f"--{elsewhere[0]}_file: {what}, leave this flag or --split_file out")
    unknown = [key for key in keys if key not in recorded]
    if unknown:
        row, first = unknown[0][0], keys.index(unknown[0])
        name = table["file"][first].as_py() if "file" in table.column_names else name
        start = shown(" ".join(table["tokens"][first].as_py()))
        what = f"{len(unknown):,} of {counted(len(keys), 'sentence')} are not in {path} or have changed"
        raise InputError(f"{name}:{row}: {what}, the first is {start}, {fix}")
    gone = set(recorded).difference(keys)
    if gone:
        what = f"{len(gone):,} of {counted(len(recorded), 'sentence')} are not in {name}"
        raise InputError(f"{path}: {what}, the first was on line {min(gone)[0]} of it, {fix}")
    of_sentence = np.array([SPLITS.index(recorded[key]) for key in keys])
    found = {split: table.filter(pa.array(of_sentence == place)) for place, split in enumerate(SPLITS)}
    return {split: part for split, part in found.items() if len(part)}


def _keys(table):
    """(row, hash of the words) of each sentence. Sentences of two files that share both are in one split anyway."""
    keys = []
    for some in table.select(["row", "tokens"]).to_batches(max_chunksize=4096):  # never all words as Python objects
        hashes = (hashlib.blake2b("\0".join(words).encode(), digest_size=8) for words in some["tokens"].to_pylist())
        keys += zip(some["row"].to_pylist(), (words.hexdigest() for words in hashes), strict=True)
    return keys


def _read_split(path):
    """What `write_split` wrote: a list of ((row, hash), split)."""
    recorded = []
    for line, text in enumerate(read_text(path).decode().splitlines(), start=1):
        try:
            record = json.loads(text)
            if record["split"] not in SPLITS:
                raise ValueError
            recorded.append(((record["row"], record["words"]), record["split"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            fix = "give the file that an earlier run wrote"
            raise InputError(f"{path}:{line}: not a sentence of a split, {shown(text)}, {fix}") from None
    return recorded
