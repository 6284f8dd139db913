"""Where the bundled corpus lies; `ner_data.sample` makes it."""

import os

FOLDER = os.path.dirname(os.path.abspath(__file__))
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
