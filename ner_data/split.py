"""Splits of a corpus that do not leak: identical sentences stay on one side."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def sentence_groups(table):
    """Number the sentences of a table so that two have the same number exactly when their case-folded tokens agree.

    Returns (sentences,) int64; the numbers count up from 0 in the order of first appearance.
    """
    tokens = table.column("tokens").combine_chunks()
    words = tokens.flatten().dictionary_encode()
    folded = pa.array([word.casefold() for word in words.dictionary.to_pylist()], pa.string()).dictionary_encode()
    codes = folded.indices.take(words.indices).cast(pa.string())
    lengths = pc.list_value_length(tokens).to_numpy()
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
    sentences = pc.binary_join(pa.ListArray.from_arrays(offsets, codes), " ")
    return sentences.dictionary_encode().indices.to_numpy().astype(np.int64)


def split_sentences(table, fraction, seed):
    """Split a sentence table -> (rest, part), where part holds about `fraction` of the sentences.

    Both keep the table's order. Sentences with the same case-folded tokens are all on one side. The choice depends
    on the seed and on the sentences alone (PCG64), and is the same on every machine. Either side may be empty.
    """
    groups = sentence_groups(table)
    sizes = np.bincount(groups)
    target = int(fraction * len(groups) + 0.5)
    order = np.argsort(np.random.Generator(np.random.PCG64(seed)).random(len(sizes)), kind="stable")
    filled = np.cumsum(sizes[order])
    whole = int(np.searchsorted(filled, target, side="right"))
    missing = target - (filled[whole - 1] if whole else 0)
    later = order[whole:]
    chosen = np.concatenate((order[:whole], later[sizes[later] == 1][:missing]))
    is_part = np.isin(groups, chosen)
    return table.filter(pa.array(~is_part)), table.filter(pa.array(is_part))
