"""Two baselines on the split of a run: the most frequent tag of each word, and a linear-chain CRF.

    python -m benchmarks.baselines                                                 # the bundled corpus
    python -m benchmarks.baselines --train_file my.csv --output my_baselines.json  # for benchmarks.results

Files, columns, fractions and seed are those of run_ner.py, with the same defaults, so both see the same sentences. The
baselines learn from the train part alone and tag the test part (without one: the validation part), and the scores are
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

from ner_data import InputError
from ner_data.bundled import bundled_corpus
from ner_data.read import read_corpus
from ner_eval.seqeval_metric import StrictSeqeval

SPLITS = ("train", "validation", "test")
CRF_PARAMETERS = {"c1": 0.1, "c2": 0.01, "max_iterations": 100, "feature.possible_transitions": True}


def train_most_frequent_tag(sentences, tags):
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
    best = {word: min(seen, key=lambda tag, seen=seen: (-seen[tag], tag)) for word, seen in counts.items()}
    return lambda words: [best.get(word, "O") for word in words]


def train_crf(sentences, tags):
    """A linear-chain CRF (CRFsuite, L-BFGS with elastic net) over `sentence_features`.

    Args and Returns as `train_most_frequent_tag`. Raises ImportError without python-crfsuite.
    """
    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", params=CRF_PARAMETERS, verbose=False)
    for words, word_tags in zip(sentences, tags, strict=True):
        trainer.append(sentence_features(words), word_tags)
    tagger = pycrfsuite.Tagger()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.crfsuite")
        trainer.train(path)
        with open(path, "rb") as file:
            tagger.open_inmemory(file.read())
    return lambda words: tagger.tag(sentence_features(words))


@cache
def word_shape(word):
    """`McDonald-99` -> `XxXxxxxx-dd`."""
    return re.sub(r"[^\W\d_]", lambda letter: "X" if letter[0].isupper() else "x", re.sub(r"\d", "d", word))


def sentence_features(words):
    return [word_features(words, i) for i in range(len(words))]


def word_features(words, i):
    pass
