"""Which tag follows which: a bigram model of the training tags that Viterbi weighs against the model's scores.

A token classifier scores each word's tags by itself. To the sum of its log-probabilities the logarithms of the tags'
bigrams are added, times a weight (shallow fusion, Gulcehre et al. 2015, arXiv:1503.03535): the one of `WEIGHTS` with
the best F1 on the validation split, which may be 0. What it brought stands in `benchmarks/TRIALS.md`.
"""

from typing import NamedTuple

import numpy as np

from ner_data.labels import label_ids, sentence_offsets
from ner_data.windows import join_windows
from ner_eval.decode import legal, viterbi
from ner_eval.span_counts import span_scores

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
UNSEEN = 0.1  # is added to every count of two tags that may follow each other
START, OTHERS = "", "others"  # in config.json: before the first word; all tags that did not occur here


class Transitions(NamedTuple):
    """A weighted bigram model of tags.

    Attributes:
        weight: what its logarithms are multiplied by, above 0.
        log_shares: float64 array (labels + 1, labels), the logarithm, to four digits, of how often the column's label
            comes after the row's; the last row is the beginning of a sentence. -inf where BIO forbids it.
    """

    weight: float
    log_shares: np.ndarray

    @property
    def scores(self):
        """What `viterbi` adds, float64 (labels + 1, labels)."""
        return self.weight * self.log_shares


def count_transitions(sentences, names):
    """How often each tag follows each tag: int64 array (labels + 1, labels), last row: at the beginning of a sentence.

    Args:
        sentences: sentence table (`tags: list<string>`).
        names: label names.
    """
    ids, offsets = label_ids(sentences, names), sentence_offsets(sentences)
    before = np.roll(ids, 1)
    before[offsets[:-1][offsets[:-1] < len(ids)]] = len(names)
    counts = np.zeros((len(names) + 1, len(names)), np.int64)
    np.add.at(counts, (before, ids), 1)
    return counts


def weighed(counts, names, weight):
    """`Transitions` of counts as `count_transitions` gives them."""
    may_follow = legal(names)
    counts = np.where(may_follow, counts + UNSEEN, 0)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), UNSEEN)
    with np.errstate(divide="ignore"):
        return Transitions(weight, np.log(counts / totals).round(4))


def choose_transitions(prediction, training, names, decoding, say=print):
    """The `Transitions` whose weight gives the best strict F1 on a split; of equal ones the least weight.

    Args:
        prediction: what `NerTrainer` returned for the validation split.
        training: sentence table, the training sentences.
        names: label names.
        decoding: one of `ner_eval.decode.DECODINGS`.
        say: called with one line.

    Returns:
        `Transitions`; None with "argmax", and where the weight is 0.
    """
    if decoding == "argmax":
        return None
    rows, gold, offsets = join_windows(prediction.predictions, *zip(*prediction.label_ids, strict=True))
    counts = count_transitions(training, names)
    found = {}
    for weight in WEIGHTS:
        ids = viterbi(rows, offsets, names, weighed(counts, names, weight).scores if weight else None)
        found[weight] = span_scores(gold, ids, offsets, names)["f1"]
    best = max(found, key=found.get)
    say(
        f"decoding: which tag follows which in training has the weight {best}, the best of {len(WEIGHTS)} on validation"
        f" (F1 {found[best]:.4f}, without {found[0.0]:.4f})"
    )
    return weighed(counts, names, best) if best else None


def to_config(transitions, names):
    """`Transitions` for config.json: {"weight", "log_shares": {tag before: {tag: logarithm}}}; None stays None.

    `START` stands for the beginning of a sentence. In each row `OTHERS` is the value of all tags that are left out
    because they share it, that of a tag that did not occur here.
    """
    if transitions is None:
        return None
    shares = {}
    for before, row in zip([*names, START], transitions.log_shares, strict=True):
        others = float(row[~np.isneginf(row)].min(initial=0.0))
        known = {name: float(value) for name, value in zip(names, row, strict=True) if value > others}
        shares[before] = {OTHERS: others} | known
    return {"weight": transitions.weight, "log_shares": shares}


def from_config(stored, names):
    """`Transitions` from what `to_config` wrote.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is something else.
    """
    if stored is None:
        return None
    rows = []
    for before in [*names, START]:
        row = stored["log_shares"][before]
        rows.append([float(row.get(name, row[OTHERS])) for name in names])
    if not np.isfinite(rows).all() or not 0 < float(stored["weight"]) < np.inf:
        raise ValueError("a weight or a share is no number")
    return Transitions(float(stored["weight"]), np.where(legal(names), rows, -np.inf))
