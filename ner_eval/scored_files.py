"""Gold and predicted tags from files: a run's predictions, or two files of any format that `ner_data.read` knows.

Gold tags are read as in training: any scheme, converted to BIO. Predicted tags stay as they are, illegal sequences
included, since a score says what a model did; only tags in another scheme than BIO are converted.
"""

import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ner_data import InputError, schemes
from ner_data.formats.conll import read_conll
from ner_data.formats.jsonl import read_jsonl
from ner_data.formats.word_csv import Columns, column_names, read_word_csv
from ner_data.read import FORMATS
from ner_data.sentences import check_words, in_bio
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


def read_tagged(gold_path, predicted_path=None, columns=Columns(), repair=False, say=print):  # noqa: B008
    """Read gold and predicted tags.

    Args:
        gold_path: a tagged file, or a run's `*_predictions.jsonl`, which holds both kinds of tags.
        predicted_path: a tagged file with the same words, or a run's predictions; `gold_path` itself if not given.
            Its sentences may begin elsewhere; those of the gold file count.
        columns: of word CSV files.
        repair: read gold tags that are illegal in their scheme as conlleval does, instead of refusing them.
        say: called with each line to be shown to the user.

    Returns:
        `Tagged`.

    Raises:
        InputError: a file cannot be read exactly, there are no predictions, or the words are not the same.
    """
    gold_words = _read_words(gold_path, columns, say)
    check_words(gold_words)
    scheme, _ = schemes.detect(gold_words.tags, gold_words.starts)
    gold = in_bio(gold_words, None, repair, say)
    if predicted_path is None and not is_run_file(gold_path):
        fix = "give a second file, or the test_predictions.jsonl of a run"
        raise InputError(f"{gold_path}: gold tags and no predicted ones, {fix}")
    predicted_path = predicted_path or gold_path
    probabilities = None
    if is_run_file(predicted_path):
        words = gold_words if predicted_path == gold_path else read_jsonl(predicted_path, say=say)
        words, probabilities = _predicted_of_run(predicted_path, words)
    else:
        words = _read_words(predicted_path, _predicted_columns(predicted_path, columns, say), say)
    _check_same_words(gold, words)
    predicted = _predicted_tags(words, scheme, say)
    if predicted_path != gold_path and len(words.tokens) and predicted.equals(gold.tags):
        say(f"{predicted_path}: every tag is the gold tag; are these predictions?")
    offsets = np.append(gold.starts, len(gold.tokens))
    return Tagged(str(gold_path), gold.tokens, gold.tags, predicted, offsets, gold.lines, probabilities)


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


def _read_words(path, columns, say):
    """The `Words` of a file with the tags as they stand there."""
    suffix = _suffix(path)
    if suffix in FORMATS["word_csv"]:
        return read_word_csv(path, columns, say=say)
    if suffix in FORMATS["jsonl"]:
        return read_jsonl(path, say=say)
    if suffix not in FORMATS["conll"]:
        say(f"{path}: read as CoNLL columns, since no format has the suffix {suffix!r}")
    return read_conll(path, say=say)


def _predicted_columns(path, columns, say):
    """The columns to read: a word CSV that `ner_eval.predict` wrote has its tags beside the gold ones."""
    if _suffix(path) not in FORMATS["word_csv"]:
        return columns
    if PREDICTED not in column_names(path, columns):
        return columns
    say(f"{path}: the tags of its column {shown(PREDICTED)} are scored")
    return columns._replace(tag=PREDICTED)


def _suffix(path):
    return Path(str(path).removesuffix(".gz")).suffix.lower()


def _predicted_of_run(path, words):
    """The `Words` of a run's predictions with the predicted tags, and their probabilities or None."""
    lengths = np.diff(np.append(words.starts, len(words.tokens)))
    lines = words.lines[words.starts].tolist()
    wanted = dict(zip(lines, lengths.tolist(), strict=True))
    tags, probabilities = [], []
    for line, text in enumerate(io.BytesIO(read_text(path, say=lambda _: None)), start=1):
        if line not in wanted:
            continue
        record = json.loads(text)
        tags += _values(f"{path}:{line}", record, "predicted", wanted[line], (str,))
        if "confidence" in record:
            probabilities += _values(f"{path}:{line}", record, "confidence", wanted[line], (float, int))
    words = words._replace(tags=pa.array(tags, pa.string()))
    return words, np.array(probabilities, np.float64) if len(probabilities) == len(tags) else None


def _values(place, record, key, length, kinds):
    """The list under a key, one value of the right kind per word."""
    values = record.get(key)
    if not isinstance(values, list) or len(values) != length or any(type(value) not in kinds for value in values):
        what = f"`{key}` is not a list of {counted(length, 'value')}, one per word"
        raise InputError(f"{place}: {what}, {shown(values)}, write the predictions again")
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
    """The predicted tags in BIO, with what is illegal in it left as it is; the gold tags' scheme if it fits them."""
    scheme = gold_scheme
    if scheme is None or len(schemes.ill_formed(words.tags, scheme)):
        scheme, _ = schemes.detect(words.tags, words.starts)
    converted = in_bio(words, scheme, repair=True, say=lambda _: None)
    if scheme in (None, "BIO"):
        return words.tags
    say(f"{words.path}: predicted tags converted from {scheme} to BIO")
    return converted.tags
