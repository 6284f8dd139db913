"""Random sentences with predictions that are wrong in every way, and reports of them, for the tests of the report."""

import random

import numpy as np

from ner_eval.report import write_report
from ner_eval.score import further_scores
from ner_eval.span_counts import shared_ids, span_scores

TYPES = ("geo", "org", "per", "tim")
HISTORY = [
    {"epoch": 1.0, "loss": 0.9},
    {"epoch": 1.0, "eval_loss": 0.7, "eval_f1": 0.5, "eval_macro_f1": 0.4},
    {"epoch": 2.0, "loss": 0.3},
    {"epoch": 2.0, "eval_loss": 0.6, "eval_f1": 0.6, "eval_macro_f1": float("nan")},
    {"epoch": 2.0, "train_runtime": 20.0, "train_loss": 0.6},
]
AUDIT = ["<b>twice</b> in sample.csv:12"]
FACTS = {
    **{"model": "scratch", "dataset": "sample.csv", "seed": 42, "files": {"train": "sample.csv"}},
    **{"sentences": {"train": 1000}, "words": {"train": 20_000}, "versions": {"torch": "2.15.0"}},
    "training": {"epochs": 2, "best_epoch": 2.0, "hardware": "CPU, 2 threads x 1", "seconds": 20.0},
}


def sentence(words, tags, predicted, confidence=None, **place):
    row = {"tokens": words.split(), "tags": tags.split(), "predicted": predicted.split()} | place
    return row if confidence is None else row | {"confidence": confidence}


def random_sentences(number, seed=0, longest=45):
    """Sentences of random words and entities, and predictions that are wrong in every way."""
    rng = random.Random(seed)
    sentences = []
    for row in range(number):
        words = ["".join(rng.choices("abcdefghijklmno", k=rng.randint(1, 9))) for _ in range(rng.randint(4, longest))]
        tags, predicted = ([tag for tag in random_tags(rng, len(words))] for _ in range(2))
        predicted = tags if rng.random() < 0.6 else predicted
        confidence = [round(rng.random() ** 0.3, 6) for _ in words]
        one = {"tokens": words, "tags": tags, "predicted": predicted, "confidence": confidence, "row": 10 * row + 1}
        sentences.append(one)
    return sentences


def random_tags(rng, size):
    tags = []
    while len(tags) < size:
        length = rng.randint(1, 3)
        type_ = rng.choice(TYPES)
        is_entity = rng.random() < 0.2 and len(tags) + length <= size
        tags += [f"B-{type_}", *[f"I-{type_}"] * (length - 1)] if is_entity else ["O"]
    return tags


def scores_of(sentences):
    gold, predicted, offsets, names = shared_ids(*([one[key] for one in sentences] for key in ("tags", "predicted")))
    tokens = [word for one in sentences for word in one["tokens"]]
    probabilities = None
    if "confidence" in sentences[0]:
        probabilities = np.concatenate([one["confidence"] for one in sentences])
    scores = span_scores(gold, predicted, offsets, names)
    further = further_scores(tokens, gold, predicted, offsets, names, probabilities=probabilities, resamples=100)
    row = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "correct": 1, "gold": 2, "predicted": 2}
    return scores | further | {"seen": dict.fromkeys(("same_type", "other_type", "never"), row)}


def written(path, sentences, **more):
    page = write_report(path, FACTS | {"test": scores_of(sentences)}, {"test": iter(sentences)}, **more)
    return page.read_text(encoding="utf-8")


def odd_sentences():
    """Random sentences after two with words that are hard to show."""
    words = '<script>alert(1)</script> <!-- & "it\'s" =x'
    odd = sentence(words, "B-per O O O O", "O O B-geo I-geo O", [0.9, 1.0, 0.75, 1.0, 1.0], row=7)
    spaced = {"tokens": ["New York", "", "x\u2028y"], "tags": ["B-geo", "O", "O"], "predicted": ["B-geo", "O", "B-tim"]}
    return [odd, spaced | {"confidence": [0.5, 0.5, 0.5], "row": 8}, *random_sentences(120, seed=1)]
