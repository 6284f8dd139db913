"""Label names and their ids: `O`, then `B-` and `I-` of each entity type in alphabetical order."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

IGNORED = -100  # the label of every position that is not the first subword of an owned word


def label_names(tables):
    """The label names of a corpus, the same whatever the order of its files, splits and sentences.

    Both `B-` and `I-` of a type are there even if the corpus holds one of them only, so that every span of that type
    can be predicted.

    Args:
        tables: iterable of sentence tables (`tags: list<string>`, tags `O`, `B-type` or `I-type`).

    Returns:
        `["O", "B-art", "I-art", "B-eve", ...]`, sorted by type.
    """
    types = set()
    for table in tables:
        types.update(tag[2:] for tag in pc.unique(flat(table["tags"])).to_pylist() if tag != "O")
    return ["O"] + [prefix + type_ for type_ in sorted(types) for prefix in ("B-", "I-")]


def label_ids(table, names):
    """The tags of a sentence table as ids: int32 array, one per word, in file order. `names` holds every tag."""
    return pc.index_in(flat(table["tags"]), value_set=pa.array(names)).to_numpy(zero_copy_only=False).astype(np.int32)


def flat(column):
    """One word after the other: a list column (chunked or not) without its sentences, as one `pyarrow.Array`."""
    column = pc.list_flatten(column)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def word_counts(table):
    """How often each word of a sentence table occurs: a `collections.Counter`; its `elements()` are all words."""
    counts = pc.value_counts(flat(table["tokens"]))
    return Counter(dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)))


def sentence_offsets(table):
    """Where each sentence begins among the words of the table: int64 array, (sentences + 1,)."""
    lengths = pc.list_value_length(table["tokens"]).to_numpy()
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
