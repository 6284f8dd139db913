"""Files of tagged words -> tables of sentences -> train, validation and test.

    tables = read_corpus("ner_data/sample.csv")
    tables["train"]          # pyarrow.Table: tokens: list<string>, tags: list<string>, row: int64
    to_dataset_dict(tables)  # datasets.DatasetDict

Readers find out what a file is like instead of asking, and say each thing that they assumed in a line. Whatever they
cannot read exactly is an `InputError` that names the file and the line.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ner_data import InputError
from ner_data.formats.conll import read_conll
from ner_data.formats.jsonl import read_jsonl
from ner_data.formats.word_csv import Columns, read_frame, read_word_csv
from ner_data.schemes import LETTERS
from ner_data.sentences import check_words, in_bio, sentence_table
from ner_data.split import sentence_groups, split_sentences
from ner_data.text_file import counted

FORMATS = {
    "word_csv": (".csv", ".tsv"),
    "conll": (".conll", ".iob2", ".iob", ".bio", ".txt"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
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
    say=print,
):
    """Read one file, or a DataFrame with one word per row, into a table of sentences.

    The format follows from the suffix, or is `format`, a key of `FORMATS`. The three column names are those of a
    word CSV's header or of the DataFrame. The tag scheme, a key of `schemes.LETTERS`, is detected unless it is given,
    and the tags are converted to BIO; `repair` reads sequences that are illegal in the scheme as conlleval does,
    instead of refusing them. `say` is called with each line to be shown to the user.

    Returns a pyarrow.Table with one row per sentence, in the file's order: tokens: list<string>, tags: list<string>
    (O, B-type and I-type) and row: int64, the 1-based line of the sentence's first word (for a DataFrame, the 1-based
    row). Raises InputError for a file that cannot be read exactly.
    """
    _check_choice("--format", format, FORMATS)
    _check_choice("--tag_scheme", tag_scheme, LETTERS)
    columns = Columns(sentence_column, word_column, tag_column)
    if isinstance(source, pd.DataFrame):
        words = read_frame(source, columns, say)
    else:
        format = format or _format_of(source)
        if format == "word_csv":
            words = read_word_csv(source, columns, say)
        elif format == "conll":
            words = read_conll(source, say)
        else:
            words = read_jsonl(source, repair, say)
    check_words(words)
    return sentence_table(in_bio(words, tag_scheme, repair, say))


def read_corpus(
    train_file,
    validation_file=None,
    test_file=None,
    *,
    validation_fraction=0.1,
    test_fraction=0.1,
    seed=42,
    sentence_column="Sentence #",
    word_column="Word",
    tag_column="Tag",
    format=None,
    tag_scheme=None,
    repair=False,
    say=print,
):
    """Read up to three files, or DataFrames, into {"train": table, "validation": table, "test": table}.

    What is missing is split off train: validation_fraction and test_fraction of train's sentences, by `seed`,
    identical sentences never on both sides. With test_fraction 0 and no test_file there is no "test". The tables and
    the other arguments are those of `read_sentences`.

    Raises InputError for what `read_sentences` refuses, for fractions outside [0, 1) or that leave nothing, and for
    validation_fraction 0 without a validation_file.
    """
    fractions = {
        "validation": 0.0 if validation_file is not None else validation_fraction,
        "test": 0.0 if test_file is not None else test_fraction,
    }
    _check_fractions(fractions, validation_file)
    reading = {
        "sentence_column": sentence_column,
        "word_column": word_column,
        "tag_column": tag_column,
        "format": format,
        "tag_scheme": tag_scheme,
        "repair": repair,
        "say": say,
    }
    files = {"train": train_file, "validation": validation_file, "test": test_file}
    given = {split: read_sentences(source, **reading) for split, source in files.items() if source is not None}
    _report_overlap(given, files, say)
    tables = dict(given)
    sentences, rest = len(given["train"]), 1.0
    for split in ("test", "validation"):  # the test part does not depend on the validation fraction
        if fractions[split]:
            tables["train"], tables[split] = split_sentences(tables["train"], fractions[split] / rest, seed)
            rest -= fractions[split]
    for split, fraction in fractions.items():
        for part in (split, "train"):
            if fraction and not len(tables[part]):
                raise InputError(
                    f"--{split}_fraction {fraction:g}: leaves no sentence for {part}, {train_file} has "
                    f"{counted(sentences, 'sentence')}, give a --{split}_file or another fraction"
                )
    if any(fractions.values()):
        sizes = ", ".join(f"{len(tables[split]):,} {split}" for split in files if split in tables)
        say(f"{_name(train_file)}: {sentences:,} sentences split with seed {seed}: {sizes}")
    return {split: tables[split] for split in files if split in tables}


def to_dataset_dict(tables):
    """{"train": table, ...} -> datasets.DatasetDict over the same memory, with the tables' columns."""
    from datasets import Dataset, DatasetDict
    from datasets.table import InMemoryTable

    return DatasetDict({split: Dataset(InMemoryTable(table)) for split, table in tables.items()})


def _check_choice(flag, value, choices):
    if value is not None and value not in choices:
        raise InputError(f"{flag} {value}: not known, give one of {', '.join(choices)}")


def _format_of(path):
    suffix = Path(str(path).removesuffix(".gz")).suffix.lower()
    for name, suffixes in FORMATS.items():
        if suffix in suffixes:
            return name
    known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise InputError(f"{path}: no format has the suffix {suffix!r}, rename the file to one of {known}")


def _check_fractions(fractions, validation_file):
    """Raise InputError for fractions that are wrong whatever the file holds."""
    for split, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise InputError(f"--{split}_fraction {fraction:g}: not in [0, 1), give a share such as 0.1")
    if validation_file is None and not fractions["validation"]:
        raise InputError(
            "--validation_fraction 0: no sentences to validate on, give a --validation_file or a share such as 0.1"
        )
    if sum(fractions.values()) >= 1:
        both = " and ".join(f"--{split}_fraction {fraction:g}" for split, fraction in fractions.items())
        raise InputError(f"{both}: leave no sentence for train, give shares that add up to less than 1")


def _report_overlap(tables, files, say):
    """Say how many sentences of the given validation and test files also stand in a file given before."""
    if len(tables) < 2:
        return
    splits = list(tables)
    groups = sentence_groups(pa.concat_tables(tables.values()))
    parts = dict(zip(splits, np.split(groups, np.cumsum([len(tables[split]) for split in splits])[:-1]), strict=True))
    for number, later in enumerate(splits):
        for earlier in splits[:number]:
            count = int(np.isin(parts[later], parts[earlier]).sum())
            if count:
                share = f"{count:,} of {len(parts[later]):,} {later} sentences"
                say(f"{_name(files[later])}: {share} also stand in {earlier} ({_name(files[earlier])})")


def _name(source):
    return "DataFrame" if isinstance(source, pd.DataFrame) else source
