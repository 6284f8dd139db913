"""Where the bundled corpus lies (`ner_data.sample` makes it), and the encoder that `ner_model.pretrain` made."""

import contextlib
import os

from ner_data import InputError

FOLDER = os.path.dirname(os.path.abspath(__file__))
MINI = "mini"
FILES = {"train": "sample.csv", "validation": "sample_validation.csv", "test": "sample_test.csv"}


def bundled_corpus(given, test_fraction):
    """The files of the bundled corpus, which has its own validation and test sentences: their templates and most of
    their names do not occur in training.

    Args:
        given: path or None by split: what was asked for; this corpus is for those who give none.
        test_fraction: with 0 there is no test file.

    Returns:
        Paths by split, None for no test file; relative to the working directory where that is shorter.

    Raises:
        InputError: there is a file for validation or for the test, and none to train on.
    """
    for split, path in given.items():
        if path is not None:
            raise InputError(f"--{split}_file {path}: given without --train_file")
    paths = {split: os.path.join(FOLDER, name) for split, name in FILES.items() if split != "test" or test_fraction > 0}
    with contextlib.suppress(ValueError):  # on another drive
        paths = {split: min(path, os.path.relpath(path), key=len) for split, path in paths.items()}
    return dict(given) | paths


def model_path(name):
    """Where a model is found: the directory of the bundled `mini`; any other name or directory as it is."""
    return os.path.join(os.path.dirname(FOLDER), "ner_model", MINI) if name == MINI else name
