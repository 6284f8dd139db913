"""Word scores to word tags."""

import numpy as np


def argmax(rows):
    """The best label of each word for itself.

    Args:
        rows: float array (words, labels), log-probabilities.

    Returns:
        int array (words,), label ids.
    """
    return rows.argmax(axis=1)


def tag_sentences(ids, offsets, names):
    """Label ids of words as a list of tags per sentence.

    Args:
        ids: int array (words,).
        offsets: int array (sentences + 1,).
        names: label names.
    """
    tags = np.array(names, object)[ids]
    return [tags[begin:end].tolist() for begin, end in zip(offsets[:-1], offsets[1:], strict=True)]
