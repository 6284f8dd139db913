"""The table of results in GitHub Markdown, from what runs and baselines wrote; no number is typed by hand.

    python -m benchmarks.results runs/a runs/b my_baselines.json

One row for each system on each data set, the best F1 first. Runs that differ in nothing but the seed share a row: mean
± sample standard deviation over the seeds.
"""

import argparse
import json
import os
import statistics
import sys
from dataclasses import dataclass
from itertools import groupby

from ner_data import InputError

FIGURES = {"strict F1": "f1", "macro F1": "macro_f1", "precision": "precision", "recall": "recall"}
FIGURES |= {"word accuracy": "accuracy"}
COLUMNS = ("data set", "system", *FIGURES, "training seconds", "seeds", "judged on")
LEFT_ALIGNED = ("data set", "system", "judged on")
SETTINGS = ("epochs", "learning_rate", "batch_size", "precision", "hardware")


@dataclass(frozen=True)
class Result:
    """One system, trained once and judged once."""

    path: str  # where it was read
    dataset: str
    judged_on: str  # which sentences, and how many
    system: str  # the model, or the name of the baseline
    settings: tuple  # ("epochs 5", ...)
    seed: int
    scores: dict  # of `StrictSeqeval`
    seconds: float | None  # of training
