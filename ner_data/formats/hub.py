"""A data set from the Hub, or a directory that `save_to_disk` wrote: sentences with `tokens` and `ner_tags`.

    --dataset_name unimelb-nlp/wikiann --dataset_config_name en
    --dataset_name my_corpus/

Words are a list of strings, `tokens` or `words`; tags are `ner_tags`, `tags` or `labels`: a list of strings, or of ids
whose names the data set's features hold (`ClassLabel`). `--word_column` and `--tag_column` name other columns; `Word`
and `Tag`, which these flags are if nobody says, come last.
"""

import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ner_data import InputError
from ner_data.sentences import Words
from ner_data.text_file import counted, shown

TOKENS, TAGS = ("tokens", "words", "Word"), ("ner_tags", "tags", "labels", "Tag")
STRINGS = ("string", "large_string")
SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}


def read_dataset(name, config_name=None, word_column=None, tag_column=None, say=print):
    """Read the train, validation and test splits that a data set has -> {split: Words}; rows count from 1.

    `name` is a directory that `save_to_disk` wrote, or a name on the Hub. Rows without words are skipped and counted.
    Raises InputError when it cannot be loaded, has no train split or no such columns, or has ids without names.
    """
    splits = _load(name, config_name)
    found = {}
    for split, dataset in splits.items():
        if split not in SPLITS or SPLITS[split] in found:
            say(f"{name}: split {shown(split)} not used")
        else:
            found[SPLITS[split]] = _read_split(f"{name}/{split}", dataset, word_column, tag_column, say)
    if "train" not in found:
        raise InputError(f"{name}: no split train, there are {', '.join(splits)}, give another data set")
    return found


def _load(name, config_name):
    """The splits of a data set: {name: datasets.Dataset}."""
    import datasets

    try:
        if os.path.isdir(name) and {"dataset_dict.json", "state.json"} & set(os.listdir(name)):
            loaded = datasets.load_from_disk(name)
        else:
            loaded = datasets.load_dataset(name, config_name)
    except Exception as error:  # each library below has types of its own
        reason = shown(" ".join(str(error).split()), 300)
        fix = "check --dataset_name, --dataset_config_name and the network"
        raise InputError(f"--dataset_name {name}: cannot be loaded ({type(error).__name__} {reason}), {fix}") from None
    return loaded if isinstance(loaded, dict) else {"train": loaded}


def _read_split(place, dataset, word_column, tag_column, say):
    """One split -> `Words`."""
    words_key = _find_column(place, dataset.features, "--word_column", word_column, TOKENS)
    tags_key = _find_column(place, dataset.features, "--tag_column", tag_column, TAGS)
    words = dataset.features[words_key]
    if getattr(getattr(words, "feature", None), "dtype", None) not in STRINGS:
        raise InputError(f"{place}: column {words_key} is not a list of strings, {shown(words)}, set --word_column")
    names = _class_names(place, dataset.features, tags_key)
    table = dataset.select_columns([words_key, tags_key]).with_format("arrow")[:]
    tokens = _lists(place, table, words_key, pa.string())
    tags = _lists(place, table, tags_key, pa.string() if names is None else pa.int64())
    lengths = pc.list_value_length(tokens).to_numpy()
    unequal = np.flatnonzero(lengths != pc.list_value_length(tags).to_numpy())
    if len(unequal):
        row = unequal[0]
        counts = f"{counted(lengths[row], 'word')} and {counted(len(tags[row]), 'tag')}"
        raise InputError(f"{place}:{row + 1}: {counts}, {shown(tags[row].as_py())}, one tag per word is needed")
    if (lengths == 0).any():
        first = np.flatnonzero(lengths == 0)[0] + 1
        say(f"{place}:{first}: {counted((lengths == 0).sum(), 'row')} without words skipped")
    rows = np.repeat(np.arange(1, len(lengths) + 1), lengths)
    flat_tags = tags.flatten() if names is None else _named(place, tags.flatten(), names, rows)
    starts = np.cumsum(np.append(0, lengths))[:-1][lengths > 0]
    return Words(place, tokens.flatten(), flat_tags, starts, rows)


def _find_column(place, features, flag, name, usual):
    """The column that is meant: `name`, or the first of the usual ones."""
    found = next((column for column in ([name] if name else usual) if column in features), None)
    if found is None:
        wanted = shown(name) if name else " or ".join(usual)
        raise InputError(f"{place}: no column {wanted}, there are {', '.join(features)}, set {flag}")
    return found


def _class_names(place, features, column):
    """The names behind a column's ids, or None when it holds strings."""
    inner = getattr(features[column], "feature", None)
    names = getattr(inner, "names", None)
    if names is None and getattr(inner, "dtype", None) not in STRINGS:
        fix = "cast the column to a list of ClassLabel, or of strings"
        raise InputError(f"{place}: column {column} has no names for its tags, {shown(features[column])}, {fix}")
    return names


def _lists(place, table, column, values):
    """A column as one list array of `values`. InputError where a row or one of its values is missing."""
    try:
        lists = table[column].cast(pa.list_(values)).combine_chunks()
    except pa.ArrowInvalid as error:
        raise InputError(f"{place}: column {column} is not a list of {values}, {error}, name another one") from None
    missing = np.flatnonzero(pc.is_null(lists).to_numpy(zero_copy_only=False))
    if not len(missing) and lists.flatten().null_count:
        parents = pc.list_parent_indices(lists).to_numpy()
        missing = parents[np.flatnonzero(pc.is_null(lists.flatten()).to_numpy(zero_copy_only=False))]
    if len(missing):
        value = shown(lists[missing[0]].as_py())
        raise InputError(f"{place}:{missing[0] + 1}: missing value in column {column}, {value}, remove the row")
    return lists


def _named(place, ids, names, rows):
    """Ids -> the tags they stand for."""
    numbers = ids.to_numpy()
    unknown = np.flatnonzero((numbers < 0) | (numbers >= len(names)))
    if len(unknown):
        where, value = f"{place}:{rows[unknown[0]]}", numbers[unknown[0]]
        raise InputError(f"{where}: an id without a name, {value}, the ids are 0 to {len(names) - 1}")
    return pa.array(names, pa.string()).take(ids)
