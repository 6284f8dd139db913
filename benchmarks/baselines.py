"""Two baselines on the split of a run: the most frequent tag of each word, and a linear-chain CRF.

    python -m benchmarks.baselines                                                 # the bundled corpus
    python -m benchmarks.baselines --train_file my.csv --output my_baselines.json  # for benchmarks.results

Files, columns, fractions and seed are those of run_ner.py, with the same defaults, so both see the same sentences. The
baselines learn from the train part alone and tag the test part (without one, the validation part); the scores are
those of `ner_eval.seqeval_metric`.
"""

import argparse
import importlib.util
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

from ner_data import InputError
from ner_data.bundled import bundled_corpus
from ner_data.read import data_set_name, read_corpus

PROGRAM = "python -m benchmarks.baselines"
READING = {  # how run_ner.py reads and splits: its flags, which are arguments of `read_corpus`, and their defaults
    "dataset_name": None,
    "dataset_config_name": None,
    "format": None,
    "sentence_column": "Sentence #",
    "word_column": "Word",
    "tag_column": "Tag",
    "tag_scheme": None,
    "repair": False,
    "validation_fraction": 0.1,
    "test_fraction": 0.1,
    "group_column": None,
    "split_file": None,
    "seed": 42,
}
# The best strict F1 (0.8205) on the validation part of GMB, of 19 settings of these and of the features; 100 iterations
# take twice the time and gain nothing. The rest is CRFsuite's default.
CRF_SETTINGS = {"c1": 0.1, "c2": 0.3, "max_iterations": 50, "feature.possible_transitions": True}


def learn_most_frequent_tags(sentences, tags):
    """The tag that each word has most often; of equally frequent ones the first in the alphabet; `O` if unseen.

    Args:
        sentences: a list of words per sentence.
        tags: a list of tags per sentence.

    Returns:
        A function from the words of a sentence to their tags.
    """
    counts = defaultdict(Counter)
    for words, word_tags in zip(sentences, tags, strict=True):
        for word, tag in zip(words, word_tags, strict=True):
            counts[word][tag] += 1
    tag_of = {word: min(seen.items(), key=lambda pair: (-pair[1], pair[0]))[0] for word, seen in counts.items()}
    return lambda words: [tag_of.get(word, "O") for word in words]


def learn_crf(sentences, tags):
    """A linear-chain CRF over `sentence_features`: CRFsuite, L-BFGS, L1 and L2 penalty as in `CRF_SETTINGS`.

    Takes and returns the same as `learn_most_frequent_tags`. Raises ImportError without python-crfsuite.
    """
    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", params=CRF_SETTINGS, verbose=False)
    for words, word_tags in zip(sentences, tags, strict=True):
        trainer.append(sentence_features(words), word_tags)
    tagger = pycrfsuite.Tagger()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.crfsuite")
        trainer.train(path)
        tagger.open(path)  # reads all of it; `open_inmemory` would not keep the bytes alive that it points to
    return lambda words: tagger.tag(sentence_features(words))


BASELINES = {"most frequent tag": learn_most_frequent_tags, "CRF": learn_crf}


def sentence_features(words):
    """The features of each word of a sentence, from itself and from two words on either side.

    Args:
        words: list of str.

    Returns:
        A list of strings per word.
    """
    features = [["bias", *word_features(word)] for word in words]
    for place, word in enumerate(words):
        for offset in (-2, -1, 1, 2):
            if 0 <= place - offset < len(words):
                features[place - offset] += neighbour_features(word, offset)
    features[0].append("first word")
    features[-1].append("last word")
    return features


@cache
def word_features(word):
    """What a word tells about its own tag: itself, its shape, its prefixes and suffixes of 1 to 4 letters."""
    lower = word.lower()
    features = [f"word={word}", f"lower={lower}", f"shape={shape(word)}", f"short shape={short_shape(word)}"]
    for length in range(1, min(4, len(lower)) + 1):
        features += [f"prefix={lower[:length]}", f"suffix={lower[-length:]}"]
    flags = {
        "capital": word[0].isupper(),
        "capitals": word.isupper(),
        "digit": any(letter.isdigit() for letter in word),
        "digits": word.isdigit(),
        "hyphen": "-" in word,
    }
    return features + [name for name, holds in flags.items() if holds]


@cache
def neighbour_features(word, offset):
    """What a word tells about the tag of the word that it stands `offset` (-2, -1, 1, 2) words after."""
    features = [f"{offset} lower={word.lower()}", f"{offset} short shape={short_shape(word)}"]
    if abs(offset) == 1:
        features.append(f"{offset} word={word}")
        if word[0].isupper():
            features.append(f"{offset} capital")
    return features


@cache
def shape(word):
    """`McDonald-99` -> `XxXxxxxx-dd`."""
    kinds = (("X", str.isupper), ("x", str.isalpha), ("d", str.isdigit))
    return "".join(next((kind for kind, holds in kinds if holds(letter)), letter) for letter in word)


def short_shape(word):
    """`McDonald-99` -> `XxXx-d`: the shape with repetitions folded."""
    return re.sub(r"(.)\1+", r"\1", shape(word))


def score(learn, train, judged):
    """Learn from one part and tag another.

    Args:
        learn: a value of `BASELINES`.
        train, judged: sentence tables (`tokens: list<string>`, `tags: list<string>`).

    Returns:
        The scores of `StrictSeqeval`, `sentences` and `words` of the judged part, and the `seconds` of learning.
    """
    from ner_eval.seqeval_metric import StrictSeqeval

    start = time.perf_counter()
    tag = learn(train["tokens"].to_pylist(), train["tags"].to_pylist())
    seconds = time.perf_counter() - start
    gold = judged["tags"].to_pylist()
    predicted = [tag(words) for words in judged["tokens"].to_pylist()]
    scores = StrictSeqeval(keep_in_memory=True).compute(predictions=predicted, references=gold)
    return scores | {"sentences": len(gold), "words": sum(map(len, gold)), "seconds": seconds}


def score_baselines(files, reading, say=print):
    """Read the corpus and score every baseline on it.

    Args:
        files: path or None by split, as for `read_corpus`.
        reading: the arguments of `read_corpus` that `READING` names.
        say: called with each line to be shown.

    Returns:
        What goes into the JSON file: `dataset`, `files`, `seed`, `judged_on` ("test" or "validation"), `sentences` by
        split, and `baselines`: the scores by name.

    Raises:
        InputError: as `read_corpus` does.
    """
    tables = read_corpus(*files.values(), **reading, say=say)
    judged_on = "test" if "test" in tables else "validation"
    results = {
        "dataset": data_set_name(reading["dataset_name"] or files["train"], files),
        "dataset_config": reading["dataset_config_name"],
        "files": {split: os.path.basename(path) for split, path in files.items() if path},
        "seed": reading["seed"],
        "judged_on": judged_on,
        "sentences": {split: len(table) for split, table in tables.items()},
        "baselines": {},
    }
    for name, learn in BASELINES.items():
        scores = results["baselines"][name] = score(learn, tables["train"], tables[judged_on])
        say(f"\n{name}, {judged_on}: {headline(scores)}\n  {by_type(scores)}")
    return results


def headline(scores):
    """The figures of a baseline in one line."""
    figures = {"precision": "precision", "recall": "recall", "F1": "f1", "macro F1": "macro_f1", "accuracy": "accuracy"}
    shown = ", ".join(f"{name} {scores[key]:.4f}" for name, key in figures.items())
    return f"{shown}, {scores['seconds']:.1f} seconds of training"


def by_type(scores):
    """F1 of each entity type in one line."""
    return ", ".join(f"{type_} {row['f1']:.4f}" for type_, row in scores["per_type"].items()) or "no entities"


def parse(argv):
    """The flags: three files, those of `READING`, and `--output`.

    Raises:
        InputError: for unknown flags and values that cannot be.
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=__doc__,
        epilog="All flags but --output mean what they mean in run_ner.py.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.error = raise_input_error
    for split in ("train", "validation", "test"):
        parser.add_argument(f"--{split}_file")
    for name, default in READING.items():
        kind = {"action": "store_true"} if default is False else {"type": str if default is None else type(default)}
        parser.add_argument(f"--{name}", default=default, **kind)
    parser.add_argument("--output", metavar="FILE.json", help="where to write the scores for benchmarks.results")
    flags = parser.parse_args(argv)
    if flags.seed < 0:
        raise InputError(f"--seed {flags.seed}: give 0 or more")
    if flags.output and not os.access(os.path.dirname(flags.output) or ".", os.W_OK):
        raise InputError(f"--output {flags.output}: its directory is not there or not writable, give another")
    if flags.output and os.path.isdir(flags.output):
        raise InputError(f"--output {flags.output}: is a directory, give the name of a file")
    return flags


def raise_input_error(message):
    raise InputError(message.removeprefix("argument "))


def main(argv=None):
    """The command line; returns the exit code."""
    try:
        flags = parse(argv)
        if importlib.util.find_spec("pycrfsuite") is None:
            raise InputError("the CRF needs python-crfsuite: pip install -r benchmarks/requirements.txt")
        files = {split: getattr(flags, f"{split}_file") for split in ("train", "validation", "test")}
        if not flags.train_file and not flags.dataset_name:
            files = bundled_corpus(files, flags.test_fraction)
        results = score_baselines(files, {name: getattr(flags, name) for name in READING})
    except InputError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    if flags.output:
        text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
        Path(flags.output).write_text(text, encoding="utf-8", newline="\n")
        print(f"\nwritten to {flags.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
