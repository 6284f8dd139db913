"""How far a score may be chance: the bootstrap over sentences (Efron and Tibshirani 1993).

Sentences are drawn with replacement, as many as there are, and the score is computed again from the sums of their
counts. All scores of one draw come from the same sentences, so that runs can be compared in pairs.
"""

import numpy as np

from ner_eval.span_counts import Spans, rates, same_span

AT_ONCE = 2**22  # words of memory for one chunk of draws: 32 MB
LEVEL = 0.95


def sentence_counts(gold, predicted, offsets, types):
    """Correct, gold and predicted spans of each sentence and type.

    Args:
        gold, predicted: `Spans` over the same words.
        offsets: int array (sentences + 1,), where each sentence begins among the words.
        types: number of entity types.

    Returns:
        int64 array (sentences, 3, types).
    """
    sentences = len(offsets) - 1
    is_correct = same_span(gold, predicted) >= 0
    correct = Spans(*(field[is_correct] for field in predicted))
    counts = []
    for spans in (correct, gold, predicted):
        cells = (np.searchsorted(offsets, spans.begin, side="right") - 1) * types + spans.type
        counts.append(np.bincount(cells, minlength=sentences * types).reshape(sentences, types))
    return np.stack(counts, axis=1)


def resample(counts, resamples, seed):
    """Sums of counts over sentences drawn with replacement.

    How often each sentence is drawn is a multinomial vector; the sums are its product with the counts. Sentences
    without counts are drawn too, but not multiplied. The memory does not depend on `resamples` beyond the result.

    Args:
        counts: int array (sentences, columns).
        resamples: how many draws.
        seed: int.

    Returns:
        float64 array (resamples, columns) of whole numbers.
    """
    sentences = len(counts)
    sums = np.zeros((resamples, counts.shape[1]))
    counted = np.flatnonzero(counts.any(axis=1))
    if not len(counted):
        return sums
    rng = np.random.default_rng(seed)
    values = counts[counted].astype(np.float64)
    rows = max(1, AT_ONCE // sentences)
    for begin in range(0, resamples, rows):
        size = min(rows, resamples - begin)
        drawn = rng.integers(0, sentences, (size, sentences)) + np.arange(size)[:, None] * sentences
        times = np.bincount(drawn.ravel(), minlength=size * sentences).reshape(size, sentences)
        sums[begin : begin + size] = times[:, counted].astype(np.float64) @ values
    return sums


def intervals(counts, resamples=1000, seed=42, types=()):
    """95% percentile intervals of micro precision, recall and F1, of macro F1, and of the F1 of each type.

    Args:
        counts: `sentence_counts`.
        resamples, seed: as in `resample`.
        types: the names of the entity types; without them `per_type` is empty.

    Returns:
        `precision`, `recall`, `f1`, `macro_f1`: [lower, upper], or None where all draws have the same figure (as 0 in
        every sentence, or one sentence alone); `per_type`: the same of F1 by name, for types that occur, over the
        draws in which they do; `level`, `resamples`, `seed`. The macro average of a draw is over all types that occur
        in the sentences; one that the draw has none of counts there with its F1 of all sentences.
    """
    sums = resample(counts.reshape(len(counts), -1), resamples, seed).reshape(resamples, 3, counts.shape[2])
    correct, gold, predicted = sums.transpose(1, 0, 2)
    occurs = (gold + predicted) > 0
    f1 = rates(correct, gold, predicted)[2]
    whole = counts.sum(axis=0)
    known = (whole[1] + whole[2]) > 0
    macro_f1 = np.where(occurs, f1, rates(*whole)[2])[:, known].sum(axis=1) / max(known.sum(), 1)
    micro = rates(*(part.sum(axis=1) for part in (correct, gold, predicted)))
    scores = dict(zip(("precision", "recall", "f1", "macro_f1"), (*micro, macro_f1), strict=True))
    per_type = {name: _ends(f1[occurs[:, place], place]) for place, name in enumerate(types) if known[place]}
    return {name: _ends(values) for name, values in scores.items()} | {
        "per_type": per_type,
        "level": LEVEL,
        "resamples": resamples,
        "seed": seed,
    }


def _ends(values):
    return None if not len(values) or values.min() == values.max() else percentiles(values)


def percentiles(values):
    """The middle 95% of values: [lower, upper]."""
    return np.percentile(values, (50 * (1 - LEVEL), 50 * (1 + LEVEL))).tolist()
