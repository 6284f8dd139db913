"""Where the bundled corpus lies (`ner_data.sample` makes it), and the encoder that `ner_model.pretrain` made."""

import os

FOLDER = os.path.dirname(os.path.abspath(__file__))
MINI = "mini"
FILES = {"train": "sample.csv", "validation": "sample_validation.csv", "test": "sample_test.csv"}


def bundled_corpus(given, test_fraction):
    """The files of the bundled corpus, which has its own validation and test sentences: their templates and most of
    their names do not occur in training.

    Args:
        given: path or None by split; a given one stays.
        test_fraction: with 0 there is no test file.

    Returns:
        Paths by split, relative to the working directory where that is shorter.
    """
    files = dict(given)
    for split, name in FILES.items():
        if files[split] is None and (split != "test" or test_fraction > 0):
            path = os.path.join(FOLDER, name)
            files[split] = min(path, os.path.relpath(path), key=len)
    return files


def model_path(name):
    """Where a model is found: the directory of the bundled `mini`; any other name or directory as it is."""
    return os.path.join(os.path.dirname(FOLDER), "ner_model", MINI) if name == MINI else name
