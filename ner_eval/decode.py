"""Word scores to word tags.

Viterbi is the recipe's default because it is what validation favours. Strict F1 on the validation split, arg-max and
Viterbi, of models from random weights, seed 42: GMB 2 x 256 0.7307 and 0.7375, GMB 4 x 256 0.7376 and 0.7548, the
bundled corpus 1 x 256 0.4457 and 0.5096. The weaker the model, the more it gains.
"""

from typing import NamedTuple

import numpy as np

from ner_eval.span_counts import INSIDE, goes_on, label_parts

DECODINGS = ("argmax", "viterbi")
LOG_OF_ZERO = -1e30  # stands for the logarithm of 0: sums of it stay finite, and above what is not allowed at all
AT_ONCE = 2**20  # sentences x steps between labels that are searched side by side


def decode(rows, offsets, names, decoding="argmax", transitions=None):
    """The labels of words by one of `DECODINGS`.

    Args:
        rows: float array (words, labels), log-probabilities.
        offsets: int array (sentences + 1,), where each sentence begins among the words.
        names: label names.
        decoding: one of `DECODINGS`.
        transitions: `ner_eval.transitions.Transitions` for "viterbi", or None.

    Returns:
        int array (words,), label ids.

    Raises:
        ValueError: there is no such decoding.
    """
    if decoding not in DECODINGS:
        raise ValueError(f"decoding {decoding!r} is not one of {', '.join(DECODINGS)}")
    if decoding == "argmax":
        return argmax(rows)
    return viterbi(rows, offsets, names, transitions.scores if transitions else None)


def argmax(rows):
    """The best label of each word for itself.

    Args:
        rows: float array (words, labels), log-probabilities.

    Returns:
        int array (words,), label ids.
    """
    return rows.argmax(axis=1)


def legal(names):
    """Which label may follow which in BIO: bool array (labels + 1, labels), the last row for the first word.

    An I-x may follow B-x and I-x, every other label any label.
    """
    parts = label_parts(names)
    return (parts.kinds != INSIDE) | (np.append(parts.types, -1)[:, None] == parts.types)


def viterbi(rows, offsets, names, transitions=None):
    """The best labels of each sentence among those that are legal in BIO: I-x only after B-x or I-x (Viterbi 1967).

    Without transition scores, where `argmax` is legal it is the answer, and only the other sentences are searched. Of
    paths with equal scores it takes the lowest label id, from the last word backwards.

    Args:
        rows: float array (words, labels), log-probabilities.
        offsets: int array (sentences + 1,); empty sentences are fine.
        names: label names; B- or I- of a type may be missing.
        transitions: float array (labels + 1, labels), what is added where the column's label follows the row's (the
            last row: where it begins a sentence), -inf where that is not legal and only there; or None.

    Returns:
        int array (words,), label ids. No illegal sequence, whatever the scores.

    Raises:
        ValueError: a sentence is to be searched and no label may begin it: all of them are I-.
    """
    ids, lengths = argmax(rows), np.diff(offsets)
    if transitions is None:
        transitions = np.where(legal(names), 0.0, -np.inf)
        parts = label_parts(names)
        illegal = np.flatnonzero((parts.kinds[ids] == INSIDE) & ~goes_on(ids, offsets, parts))
        sentences = np.unique(np.searchsorted(offsets, illegal, side="right") - 1)
    else:
        sentences = np.flatnonzero(lengths)
    if not len(sentences):
        return ids
    if np.isneginf(transitions[-1]).all():
        raise ValueError(f"no label may begin a sentence: {', '.join(names)}")
    sentences = sentences[np.argsort(-lengths[sentences], kind="stable")]
    steps = Steps.of(transitions)
    size = AT_ONCE // (len(names) + len(steps.before)) + 1
    for part in (sentences[k : k + size] for k in range(0, len(sentences), size)):
        _search(rows, offsets[part], lengths[part], steps, ids)
    return ids


class Steps(NamedTuple):
    """Transition scores taken apart, so that a search need not look at every pair of labels.

    From one label most others are reached with the same score, the least of its row: those that never followed it in
    training. Only the pairs that score higher, and all those that lead to an I-, are looked at one by one.

    Attributes:
        start: float array (labels,), of a sentence's first label.
        least: float array (labels,), from each label to any but an I-.
        closed: bool array (labels,), the I- labels, which `least` does not lead to.
        before, after, score: arrays (pairs,), the other pairs, sorted by `after`, then by `before`.
        begins: int array, where the pairs with another `after` begin.
    """

    start: np.ndarray
    least: np.ndarray
    closed: np.ndarray
    before: np.ndarray
    after: np.ndarray
    score: np.ndarray
    begins: np.ndarray

    @classmethod
    def of(cls, transitions):
        """`transitions` as for `viterbi`."""
        between = transitions[:-1]
        closed = np.isneginf(transitions[-1])
        least = between[:, ~closed].min(axis=1)
        after, before = np.nonzero(np.where(closed, between > -np.inf, between > least[:, None]).T)
        begins = np.flatnonzero(np.diff(after, prepend=-1))
        return cls(transitions[-1], least, closed, before, after, between[before, after], begins)


def _search(rows, begins, lengths, steps, ids):
    """Step through the words of sentences side by side, and write their best labels into `ids`.

    Args:
        rows: as in `viterbi`.
        begins, lengths: int arrays (sentences,), the longest first.
        steps: `Steps`.
        ids: int array (words,).
    """
    running = np.searchsorted(-lengths, -np.arange(lengths[0]))  # sentences that have a word t, for every t
    scores = _finite(rows[begins]) + steps.start
    before = [None]  # for every word t but the first, the label before each label, (running[t], labels)
    for t, count in enumerate(running[1:], start=1):
        reached, before_it = _reach(scores[:count], steps)
        before.append(before_it)
        scores[:count] = reached + _finite(rows[begins[:count] + t])
    labels = scores.argmax(axis=1)
    for t in range(len(running) - 1, 0, -1):
        count = running[t]
        ids[begins[:count] + t] = labels[:count]
        labels[:count] = before[t][np.arange(count), labels[:count]]
    ids[begins] = labels


def _reach(last, steps):
    """From the best scores of paths that end in each label to those one word further, without that word's own scores.

    Args:
        last: float array (sentences, labels).
        steps: `Steps`.

    Returns:
        float array and int16 array (sentences, labels): the score, and the label before, of several the lowest.
    """
    sentences, labels = last.shape
    anywhere = last + steps.least
    best_before = anywhere.argmax(axis=1)
    reached = np.where(steps.closed, -np.inf, anywhere[np.arange(sentences), best_before][:, None])
    before = np.repeat(best_before[:, None], labels, axis=1).astype(np.int16)
    if len(steps.begins):
        ways = last[:, steps.before] + steps.score
        best = np.maximum.reduceat(ways, steps.begins, axis=1)
        equal = ways == np.repeat(best, np.diff(steps.begins, append=len(steps.after)), axis=1)
        lowest = np.minimum.reduceat(np.where(equal, steps.before, labels), steps.begins, axis=1)
        to = steps.after[steps.begins]
        wins = (best > reached[:, to]) | ((best == reached[:, to]) & (lowest < before[:, to]))
        reached[:, to] = np.where(wins, best, reached[:, to])
        before[:, to] = np.where(wins, lowest, before[:, to])
    return reached, before


def _finite(scores):
    return np.nan_to_num(scores.astype(np.float64), nan=LOG_OF_ZERO, neginf=LOG_OF_ZERO)


def tag_sentences(ids, offsets, names):
    """Label ids of words as a list of tags per sentence.

    Args:
        ids: int array (words,).
        offsets: int array (sentences + 1,).
        names: label names.
    """
    tags = np.array(names, object)[ids]
    return [tags[begin:end].tolist() for begin, end in zip(offsets[:-1], offsets[1:], strict=True)]
