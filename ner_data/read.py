"""Files of tagged words -> tables of sentences -> train, validation and test.

    tables = read_corpus("ner_data/sample.csv")
    tables["train"]          # pyarrow.Table: tokens: list<string>, tags: list<string>, row: int64
    to_dataset_dict(tables)  # datasets.DatasetDict

Readers find out what a file is like instead of asking, and say each thing that they assumed in a line. Whatever they
cannot read exactly is an `InputError` that names the file and the line.
"""

import glob
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ner_data import InputError
from ner_data.formats.conll import read_conll
from ner_data.formats.hub import read_dataset
from ner_data.formats.jsonl import read_jsonl
from ner_data.formats.word_csv import Columns, read_frame, read_word_csv
from ner_data.schemes import LETTERS
from ner_data.sentences import check_separated, check_words, in_bio, sentence_table
from ner_data.split import SPLITS, kept_together, reuse_split, sentence_groups, split_sentences
from ner_data.text_file import counted

FORMATS = {
    "word_csv": (".csv", ".tsv"),
    "conll": (".conll", ".iob2", ".iob", ".bio", ".txt"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
}
OTHER_FILES = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save the sheet as CSV (UTF-8)"),
    **dict.fromkeys((".parquet", ".arrow"), "give a data set's directory to --dataset_name, or write it as JSON lines"),
    ".spacy": "write its documents as JSON lines, text and entities",
    ".conllu": "give --format conll, --word_column 2 and the number of the column with the entities as --tag_column",
}


def read_sentences(
    source,
    *,
    sentence_column="Sentence #",
    word_column="Word",
    tag_column="Tag",
    format=None,
    tag_scheme=None,
    repair=False,
    group_column=None,
    say=print,
):
    """Read a file, several files, or a DataFrame with one word per row, into a table of sentences.

    `source` is a path, or a pattern such as "part-*.conll" for several files in the order of their names; a name that
    ends in .gz is unpacked. The format follows from the suffix, or is `format`, a key of `FORMATS`. The three column
    names are those of a word CSV's header or of the DataFrame; for CoNLL, word_column and tag_column are numbers, 1
    for the first and -1 for the last column, and these two if they are not given. The tag scheme, a key of
    `schemes.LETTERS`, is detected unless it is given, and the tags are converted to BIO. `repair` reads what a scheme
    does not allow as conlleval does, and moves spans to whole words, instead of refusing them. `group_column` names
    the column of a word CSV, or the field of JSON lines, with the document that a sentence is from. `say` is called
    with each line to be shown to the user.

    Returns a pyarrow.Table with one row per sentence, in the files' order: tokens: list<string>, tags: list<string>
    (O, B-type and I-type) and row: int64, the 1-based line of the sentence's first word (for a DataFrame, the 1-based
    row). With a group_column there is a column group: string. Where a pattern stands for several files there is a
    column file: string; it is not a dictionary array because `datasets` has no such feature. Raises InputError for a
    file that cannot be read exactly.
    """
    _check_choice("--tag_scheme", tag_scheme, LETTERS)
    columns = Columns(sentence_column, word_column, tag_column, group_column)
    tables, files = [], []
    for words in read_words(source, columns, format, repair, say):
        check_words(words)
        if not isinstance(source, pd.DataFrame):
            check_shape(words, format)
        tables.append(sentence_table(in_bio(words, tag_scheme, repair, say)))
        files.append(words.path)
        del words
        pa.default_memory_pool().release_unused()
    if len(files) > 1:
        pairs = zip(tables, files, strict=True)
        tables = [table.append_column("file", pa.repeat(str(file), len(table))) for table, file in pairs]
    return pa.concat_tables(tables).combine_chunks()


def read_words(source, columns=Columns(), format=None, repair=False, say=print):  # noqa: B008 (a tuple cannot change)
    """Read a source file by file into `Words` with their tags as they stand: an iterator, one item per file.

    Words and tags are not looked at: `check_words` and `in_bio` refuse what training cannot use, the audit reports it.
    The arguments are those of `read_sentences`. Raises InputError for a file that has not the shape of its format.
    """
    _check_choice("--format", format, FORMATS)
    for file in _files(source):
        yield _read_words(file, columns, format, repair, say)


def check_shape(words, format=None):
    """The `Words` of a file as they are. Raises InputError for CoNLL columns that no blank line separates."""
    if (format or _format_of(words.path)) == "conll" and len(words.tokens):
        check_separated(f"{words.path}:{words.lines[0]}", len(words.starts), len(words.tokens))
    return words


def data_set_name(source, files):
    """What a corpus is called for others: the last part of a path, and of a data set on the Hub its whole name.

    Args:
        source: the training file, or `--dataset_name`.
        files: path or None by split; none of them is given beside a data set.
    """
    on_hub = not any(files.values()) and not os.path.isdir(source)
    return source if on_hub else os.path.basename(os.path.normpath(source))


def read_corpus(
    train_file=None,
    validation_file=None,
    test_file=None,
    *,
    validation_fraction=0.1,
    test_fraction=0.1,
    seed=42,
    dataset_name=None,
    dataset_config_name=None,
    split_file=None,
    group_column=None,
    say=print,
    **reading,
):
    """Read up to three files, or a data set, into {"train": table, "validation": table, "test": table}.

    Each file is a source that `read_sentences` takes, and `reading` are its other arguments. `dataset_name`, with
    `dataset_config_name`, takes the place of the files: a name on the Hub or a directory that `save_to_disk` wrote;
    its rows count from 1.

    What is missing is split off train: validation_fraction and test_fraction of train's sentences and of its entities
    of each type, by `seed`; identical sentences never on both sides, nor those of one document where `group_column`
    tells the documents of train. With test_fraction 0 and no test split there is no "test". A `split_file` that
    `split.write_split` wrote takes the place of fractions and seed.

    Raises InputError for what `read_sentences` refuses, for fractions outside [0, 1) or that leave nothing, for
    validation_fraction 0 without validation sentences, and for a split_file of other sentences.
    """
    files = {"train": train_file, "validation": validation_file, "test": test_file}
    files = {split: source for split, source in files.items() if source is not None}
    if dataset_config_name is not None and dataset_name is None:
        raise InputError(f"--dataset_config_name {dataset_config_name}: give the --dataset_name that it is of")
    if dataset_name is None:
        if "train" not in files:
            raise InputError("--train_file: not given, give a file or a --dataset_name")
        fractions = _fractions(files, validation_fraction, test_fraction) if split_file is None else None
        groups = {"train": group_column}
        if group_column is not None and len(files) > 1:
            others = ", ".join(str(_name(source)) for split, source in files.items() if split != "train")
            not_read = f"documents in {others} are not compared (make audit)"
            say(f"--group_column {group_column}: of {_name(files['train'])}; {not_read}")
        given = {
            split: read_sentences(source, say=say, group_column=groups.get(split), **reading)
            for split, source in files.items()
        }
    elif files:
        flags = ", ".join(f"--{split}_file" for split in files)
        raise InputError(f"--dataset_name {dataset_name}: given together with {flags}, give the one or the other")
    else:
        given = _read_dataset(dataset_name, dataset_config_name, say=say, group_column=group_column, **reading)
        fractions = _fractions(given, validation_fraction, test_fraction) if split_file is None else None
        files = {split: f"{dataset_name}/{split}" for split in given}
    _report_overlap(given, files, say)
    if split_file is not None:
        tables = _split_as_recorded(given, split_file, _name(files["train"]), say)
    else:
        tables = _split_off(given, fractions, seed, _name(files["train"]), say)
    del given
    pa.default_memory_pool().release_unused()  # what the readers used: of a large corpus more than it takes itself
    return tables


def _split_as_recorded(tables, split_file, name, say):
    """Split the missing validation and test tables off train as `split_file` says; `name` is train's."""
    missing = [split for split in SPLITS if split == "train" or split not in tables]
    parts = reuse_split(tables["train"], split_file, missing, name)
    found = {split: table for split, table in tables.items() if split != "train"} | parts
    tables = {split: found[split] for split in SPLITS if split in found}
    for split in ("train", "validation"):
        if split not in tables:
            raise InputError(f"{split_file}: no sentence of {name} is in {split}, give another or leave it out")
    say(f"{name}: {sum(map(len, parts.values())):,} sentences split as {split_file} says: {_sizes(parts)}")
    if "group" in tables["train"].column_names:
        times = Counter(document for part in parts.values() for document in part["group"].unique().to_pylist())
        if shared := sum(count > 1 for count in times.values()):
            say(f"{split_file}: {counted(shared, 'document')} of {name} in more than one split, as recorded")
    return tables


def _sizes(tables):
    return ", ".join(f"{len(table):,} {split}" for split, table in tables.items())


def _split_off(tables, fractions, seed, name, say):
    """Split the missing validation and test tables off train; `name` is train's, for messages."""
    tables, sentences, rest, whole = dict(tables), len(tables["train"]), 1.0, tables["train"]
    for split in ("test", "validation"):  # the test part does not depend on the validation fraction
        if fractions[split]:
            tables["train"], tables[split] = split_sentences(tables["train"], fractions[split] / rest, seed)
            rest -= fractions[split]
    for split, fraction in fractions.items():
        for part in (split, "train"):
            if fraction and not len(tables[part]):
                raise InputError(
                    f"--{split}_fraction {fraction:g}: leaves no sentence for {part}, {name} has "
                    f"{counted(sentences, 'sentence')}{_ties(whole)}, give a --{split}_file or another fraction"
                )
        if fraction and 2 * len(tables[split]) < fraction * sentences:
            what = f"{counted(len(tables[split]), 'sentence')} for {split} in place of {fraction * sentences:,.0f}"
            say(f"{name}: {what}{_ties(whole)}")
    tables = {split: tables[split] for split in SPLITS if split in tables}
    if any(fractions.values()):
        parts = {split: table for split, table in tables.items() if split == "train" or fractions[split]}
        say(f"{name}: {sentences:,} sentences split with seed {seed}: {_sizes(parts)}")
    return tables


def _ties(table):
    """Which sentences of a table must stay together, as a part of a message; nothing where each stands alone."""
    sizes = np.bincount(kept_together(table))
    if len(sizes) == len(table):
        return ""
    groups = counted(len(sizes), "group")
    return f" in {groups} that stay together (documents, identical sentences), of {sizes.min():,} to {sizes.max():,}"


def to_dataset_dict(tables):
    """{"train": table, ...} -> datasets.DatasetDict over the same memory, with the tables' columns."""
    from datasets import Dataset, DatasetDict
    from datasets.table import InMemoryTable

    return DatasetDict({split: Dataset(InMemoryTable(table)) for split, table in tables.items()})


def _read_dataset(
    name, config_name, *, sentence_column=None, word_column=None, tag_column=None, format=None, tag_scheme=None,
    repair=False, group_column=None, say,
):  # fmt: skip
    """The splits of a data set -> {split: table}; the usual names of a CSV's columns stand for its own usual ones."""
    _check_choice("--tag_scheme", tag_scheme, LETTERS)
    if format is not None:
        raise InputError(f"--format {format}: a data set is in no file format, leave it out with --dataset_name")
    if group_column is not None:
        raise InputError(f"--group_column {group_column}: give a word CSV or JSON lines, not --dataset_name")
    if sentence_column not in (None, Columns().sentence):
        raise InputError(f"--sentence_column {sentence_column}: a row of a data set is a sentence, leave it out")
    word_column = None if word_column == Columns().word else word_column
    tag_column = None if tag_column == Columns().tag else tag_column
    tables = {}
    for split, words in read_dataset(name, config_name, word_column, tag_column, say).items():
        check_words(words)
        tables[split] = sentence_table(in_bio(words, tag_scheme, repair, say))
    return tables


def _read_words(source, columns, format, repair, say):
    """One file or DataFrame -> `Words`, by its format."""
    if isinstance(source, pd.DataFrame):
        return read_frame(source, columns, say)
    format = format or _format_of(source)
    if format == "word_csv":
        return read_word_csv(source, columns, say)
    usual = Columns()
    given = {name: value for name, value in columns._asdict().items() if value != getattr(usual, name)}
    kind, unused = {
        "jsonl": ("JSON lines, whose fields have names of their own", ("sentence", "word", "tag")),
        "conll": ("CoNLL, where blank lines end the sentences", ("sentence",)),
    }[format]
    for name in (name for name in unused if name in given):
        raise InputError(f"--{name}_column {given[name]}: {source} is {kind}, leave it out")
    if format == "jsonl":
        return read_jsonl(source, repair, say, columns.group)
    if columns.group is not None:
        raise InputError(f"--group_column {columns.group}: {source} is CoNLL, give a word CSV or JSON lines")
    word = 1 if columns.word == usual.word else _column_number("--word_column", columns.word)
    tag = -1 if columns.tag == usual.tag else _column_number("--tag_column", columns.tag)
    return read_conll(source, word, tag, say)


def _column_number(flag, name):
    """The number of a CoNLL column as the user gave it."""
    try:
        return int(name)
    except ValueError:
        fix = "CoNLL columns have numbers, 1 for the first and -1 for the last"
        raise InputError(f"{flag} {name}: not a number, {fix}") from None


def _files(source):
    """The files that a path or a pattern stands for; a DataFrame stands for itself."""
    if isinstance(source, pd.DataFrame) or not set(str(source)) & set("*?[") or os.path.lexists(source):
        return [source]
    files = sorted(glob.glob(str(source), recursive=True))
    if not files:
        raise InputError(f"{source}: no file matches the pattern, check it")
    return files


def _check_choice(flag, value, choices):
    if value is not None and value not in choices:
        raise InputError(f"{flag} {value}: not known, give one of {', '.join(choices)}")


def _format_of(path):
    suffix = Path(str(path).lower().removesuffix(".gz")).suffix
    for name, suffixes in FORMATS.items():
        if suffix in suffixes:
            return name
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file, check the path")
    if os.path.isdir(path):
        raise InputError(f"{path}: is a directory, give the path of one file in it, or a pattern such as {path}/*.csv")
    known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    advice = OTHER_FILES.get(suffix, f"say what it is with --format, or rename the file to one of {known}")
    raise InputError(f"{path}: no format has the suffix {suffix!r}, {advice}")


def _fractions(given, validation_fraction, test_fraction):
    """The share of train to split off for each split that is not given. InputError for shares that cannot be."""
    fractions = {
        "validation": 0.0 if "validation" in given else validation_fraction,
        "test": 0.0 if "test" in given else test_fraction,
    }
    for split, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise InputError(f"--{split}_fraction {fraction:g}: not in [0, 1), give a share such as 0.1")
    if "validation" not in given and not fractions["validation"]:
        raise InputError(
            "--validation_fraction 0: no sentences to validate on, give a --validation_file or a share such as 0.1"
        )
    if sum(fractions.values()) >= 1:
        both = " and ".join(f"--{split}_fraction {fraction:g}" for split, fraction in fractions.items())
        raise InputError(f"{both}: leave no sentence for train, give shares that add up to less than 1")
    return fractions


def _report_overlap(tables, files, say):
    """Say how many sentences of the given validation and test files also stand in a file given before."""
    if len(tables) < 2:
        return
    splits = list(tables)
    groups = sentence_groups(pa.concat_tables(table.select(["tokens"]) for table in tables.values()))
    parts = dict(zip(splits, np.split(groups, np.cumsum([len(tables[split]) for split in splits])[:-1]), strict=True))
    for number, later in enumerate(splits):
        for earlier in splits[:number]:
            count = int(np.isin(parts[later], parts[earlier]).sum())
            if count:
                share = f"{count:,} of {len(parts[later]):,} {later} sentences"
                say(f"{_name(files[later])}: {share} also stand in {earlier} ({_name(files[earlier])})")


def _name(source):
    return "DataFrame" if isinstance(source, pd.DataFrame) else source
