"""Gold and predicted tags from files: a run's predictions, or two files of any format that `ner_data.read` knows.

Gold tags are read as in training: any scheme, converted to BIO. Predicted tags of B-, I- and O stay as they are,
illegal sequences included, since a score says what a model did, but where the gold tags are in IO or IOB1. Tags of
other schemes are converted, and what is out of place in them is counted and said.
"""

import io
import itertools
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ner_data import InputError, schemes
from ner_data.formats.jsonl import TOKENS, has_half
from ner_data.formats.word_csv import Columns, column_names
from ner_data.read import FORMATS, OTHER_FILES, read_sentences, read_words
from ner_data.sentences import Words, check_words, in_bio
from ner_data.text_file import counted, read_text, shown
from ner_eval.prediction_lines import PREDICTED


class Tagged(NamedTuple):
    """The n words of a test set with two tags each."""

    path: str  # of the gold tags, as the user typed it
    tokens: pa.Array  # (n,) string
    gold: pa.Array  # (n,) string, legal BIO
    predicted: pa.Array  # (n,) string, O, B- or I- and a type
    offsets: np.ndarray  # (sentences + 1,) int64, where each sentence begins
    lines: np.ndarray  # (n,) int64, the 1-based line of each word in `path`
    probabilities: np.ndarray | None  # (n,) float64, of the predicted tags, if the file holds them


def read_tagged(gold_path, predicted_path=None, columns=Columns(), repair=False, say=print, tag_scheme=None, others=()):  # noqa: B008
    """Read gold and predicted tags.

    Args:
        gold_path: a tagged file, or a run's `*_predictions.jsonl`, which holds both kinds of tags.
        predicted_path: a tagged file with the same words, or a run's predictions; `gold_path` itself if not given.
            Its sentences may begin elsewhere; those of the gold file count.
        columns: of word CSV files by name, of CoNLL files by number.
        repair: read gold tags that are illegal in their scheme as conlleval does, and move spans to whole words,
            instead of refusing them.
        say: called with each line to be shown to the user.
        tag_scheme: of the gold tags, a key of `schemes.LETTERS`, or None: detected.
        others: paths of further files that the columns are for.

    Returns:
        `Tagged`.

    Raises:
        InputError: a file cannot be read exactly, there are no predictions, or the words are not the same.
    """
    has_csv = any(_suffix(path) in FORMATS["word_csv"] for path in (gold_path, predicted_path or gold_path, *others))
    gold_words = _read_words(gold_path, columns, has_csv, repair, say)
    check_words(gold_words)
    scheme = tag_scheme or schemes.detect(gold_words.tags, gold_words.starts)[0]
    gold = in_bio(gold_words, tag_scheme, repair, say)
    if predicted_path is None and not is_run_file(gold_path):
        fix = "give a second file, or the test_predictions.jsonl of a run"
        raise InputError(f"{gold_path}: gold tags and no predicted ones, {fix}")
    predicted_path = predicted_path or gold_path
    probabilities, of_run = None, is_run_file(predicted_path)
    if of_run:
        words, probabilities = _predicted_of_run(predicted_path, say)
    else:
        words = _read_words(predicted_path, _predicted_columns(predicted_path, columns, say), has_csv, repair, say)
    _check_same_words(gold, words)
    is_itself = of_run and predicted_path == gold_path
    predicted = _predicted_tags(words, "BIO" if of_run and not is_itself else scheme, say)
    if not is_itself and len(words.tokens) and predicted.equals(gold.tags):
        say(f"{predicted_path}: every tag is the gold tag; are these predictions?")
    offsets = np.append(gold.starts, len(gold.tokens))
    return Tagged(str(gold_path), gold.tokens, gold.tags, predicted, offsets, gold.lines, probabilities)


def read_training(path, columns=Columns(), repair=False, say=print, tag_scheme=None):  # noqa: B008
    """The sentence table of a training file of any format, or of several by a pattern. The arguments and what is
    raised: as in `read_tagged`; columns that are names of a CSV's, and the file is none, are not its."""
    format, columns, guess = _layout(path, columns, True)
    if guess and not os.path.isdir(path):
        say(f"{path}: {guess}")
    format = None if os.path.isdir(path) else format  # which then says what it misses
    named = {f"{field}_column": name for field, name in columns._asdict().items()}
    return read_sentences(path, format=format, tag_scheme=tag_scheme, repair=repair, say=say, **named)


def is_run_file(path):
    """Whether a file is a run's predictions: JSON lines with `predicted` beside `tokens`."""
    if _suffix(path) not in FORMATS["jsonl"]:
        return False
    first = read_text(path, say=lambda _: None).lstrip().split(b"\n", 1)[0]
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "predicted" in record


def _layout(path, columns, has_csv):
    """A file's format, its columns, and in words where the format is a guess. has_csv: the names of columns may be
    those of a CSV."""
    suffix, usual = _suffix(path), Columns()
    if suffix in OTHER_FILES and suffix != ".conllu":
        raise InputError(f"{path}: no format has the suffix {suffix!r}, {OTHER_FILES[suffix]}")
    format = next((format for format, suffixes in FORMATS.items() if suffix in suffixes), "conll")
    if format == "jsonl":
        columns = usual
    elif format == "conll":
        names = {"word": columns.word, "tag": columns.tag}
        of_csv = {field for field, name in names.items() if has_csv and not name.removeprefix("-").isdecimal()}
        columns = usual._replace(**{field: name for field, name in names.items() if field not in of_csv})
    guess = "" if suffix in FORMATS[format] else f"read as CoNLL columns, since no format has the suffix {suffix!r}"
    return format, columns, guess


def _read_words(path, columns, has_csv, repair, say):
    """The `Words` of a file with the tags as they stand there."""
    format, columns, guess = _layout(path, columns, has_csv)
    if guess:
        say(f"{path}: {guess}")
    try:
        found = list(read_words(path, columns, format, repair, say))
        if len(found) > 1:
            raise InputError(f"{path}: {len(found)} files, give one at a time")
        return found[0]
    except InputError as error:
        raise InputError(f"{error} ({guess})" if guess else str(error)) from None


def _predicted_columns(path, columns, say):
    """The columns to read: a word CSV that `ner_eval.predict` wrote has its tags beside the gold ones."""
    if _suffix(path) not in FORMATS["word_csv"]:
        return columns
    if PREDICTED not in column_names(path, columns):
        return columns
    say(f"{path}: the tags of its column {shown(PREDICTED)} are scored")
    return columns._replace(tag=PREDICTED)


def _suffix(path):
    return Path(str(path).lower().removesuffix(".gz")).suffix


def _predicted_of_run(path, say):
    """The `Words` of a run's predictions with the predicted tags, and their probabilities or None."""
    tokens, tags, lines, starts, probabilities = [], [], [], [], []
    for line, text in enumerate(io.BytesIO(read_text(path, say=lambda _: None)), start=1):
        place = f"{path}:{line}"
        if not text.strip():
            continue
        record = _parse(place, text)
        key = next((key for key in TOKENS if key in record), TOKENS[0])
        length = len(record[key]) if isinstance(record.get(key), list) else 0
        if not length:
            raise InputError(f"{place}: no words in `{key}`, delete the line")
        starts.append(len(tokens))
        tokens += _values(place, record, key, length, (str,))
        tags += _values(place, record, "predicted", length, (str,))
        lines += itertools.repeat(line, length)
        if "confidence" in record:
            values = _values(place, record, "confidence", length, (float, int))
            wrong = [value for value in values if not 0 <= value <= 1]
            if wrong:
                raise InputError(f"{place}: `confidence` {wrong[0]}: no probability, write numbers from 0 to 1")
            probabilities += values
    if len(probabilities) not in (0, len(tags)):
        say(f"{path}: `confidence` of {len(probabilities):,} of {len(tags):,} words, so there is no calibration")
    words = Words(path, pa.array(tokens, pa.string()), pa.array(tags, pa.string()), np.array(starts), np.array(lines))
    return words, np.array(probabilities, np.float64) if len(probabilities) == len(tags) else None


def _parse(place, text):
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{place}: not a JSON object, {shown(text.decode().strip())}, write the predictions again")
    return record


def _values(place, record, key, length, kinds):
    """The list under a key, one value of the right kind per word."""
    values = record.get(key)
    if not isinstance(values, list) or len(values) != length or any(type(value) not in kinds for value in values):
        what = f"`{key}` is not a list of {counted(length, 'value')}, one per word"
        raise InputError(f"{place}: {what}, {shown(values)}, write the predictions again")
    if str in kinds and any(map(has_half, values)):
        raise InputError(f"{place}: half a surrogate pair in `{key}`, {shown(values)}, write the whole character")
    return values


def _check_same_words(gold, predicted):
    """Raise InputError with both places for the first word that is not the same in two files."""
    size = min(len(gold.tokens), len(predicted.tokens))
    differs = pc.not_equal(gold.tokens[:size], predicted.tokens[:size]).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(differs)
    if len(places):
        word = int(places[0])
        both = " and ".join(f"{part.path}:{part.lines[word]}" for part in (gold, predicted))
        words = " and ".join(shown(part.tokens[word].as_py()) for part in (gold, predicted))
        raise InputError(f"{both}: the words differ, {words}, give predictions for the words of the gold file")
    if len(gold.tokens) != len(predicted.tokens):
        longer, shorter = (gold, predicted) if len(gold.tokens) > size else (predicted, gold)
        place, word = f"{longer.path}:{longer.lines[size]}", shown(longer.tokens[size].as_py())
        end = f"{shorter.path}:{shorter.lines[-1]} is the end of the other file" if size else f"{shorter.path} is empty"
        raise InputError(f"{place}: a word too many, {word}, {end} ({counted(size, 'word')})")


def _predicted_tags(words, gold_scheme, say):
    """The predicted tags in BIO, with what is illegal in it left as it is.

    They are in the gold tags' scheme if it fits them, but tags of B-, I- and O are in IO or IOB1 only if those are, and
    if fewer of them are out of place in it than in BIO.
    """
    letters = {tag[:2] for tag in words.tags.unique().to_pylist() if tag != "O"}
    scheme = gold_scheme
    if letters <= {"B-", "I-"}:
        taken = schemes.take_apart(words.tags, words.starts, "BIO")
        astray = len(schemes.illegal(taken, "BIO"))
        scheme = "BIO"
        if gold_scheme in ("IO", "IOB1"):
            in_theirs = schemes.take_apart(words.tags, words.starts, gold_scheme)
            misfits = len(schemes.ill_formed(words.tags, gold_scheme)) + len(schemes.illegal(in_theirs, gold_scheme))
            scheme = gold_scheme if misfits < astray else "BIO"
        if scheme == "BIO" and astray > (taken.letters == schemes.BEGIN).sum():
            most = f"{astray:,} I- begin an entity in the predicted tags, more than B- do"
            say(f"{words.path}: {most}, and strict scores count none of these; --lenient does")
    if scheme is None or len(schemes.ill_formed(words.tags, scheme)):
        scheme, _ = schemes.detect(words.tags, words.starts)
    notes = []
    converted = in_bio(words, scheme, repair=True, say=notes.append)
    if scheme in (None, "BIO"):
        return words.tags
    for note in [f"{words.path}: predicted tags converted from {scheme} to BIO", *notes[1:]]:
        say(note)
    return converted.tags
