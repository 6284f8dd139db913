"""Whether the model is right as often as it says.

The confidence of a predicted entity is the product of the probabilities of its words' labels: what the model itself
gives to all of these labels together, since a word classifier takes the words of a sentence as independent of each
other. An entity is right when both ends and the type are.
"""

import numpy as np

BINS = 10


def entity_confidence(probabilities, spans):
    """The confidence of each span, see above.

    Args:
        probabilities: float array (words,), of each word's predicted label.
        spans: `Spans`, the predicted ones.

    Returns:
        float64 array (spans,).
    """
    if not len(spans.begin):
        return np.zeros(0)
    padded = np.append(np.asarray(probabilities, np.float64), 1.0)
    return np.multiply.reduceat(padded, np.stack(spans[:2], axis=1).ravel())[::2]


def calibration(confidence, is_correct):
    """Expected calibration error and reliability curve over 10 bins of equal width (Guo et al. 2017).

    Args:
        confidence: float array (spans,), from 0 to 1.
        is_correct: bool array (spans,).

    Returns:
        `entities`; their mean `confidence` and their `precision`; `ece`, the mean over entities of the distance
        between the two in their bin; `bins`, each `above`, `to`, `entities`, and the mean `confidence` and `precision`
        in it, the points of the curve. The first bin holds 0 too. None where there are no entities.
    """
    bin_of = np.maximum(np.searchsorted(np.arange(BINS + 1) / BINS, np.minimum(confidence, 1.0)) - 1, 0)
    sizes = np.bincount(bin_of, minlength=BINS)
    confidences = np.bincount(bin_of, weights=confidence, minlength=BINS)
    hits = np.bincount(bin_of, weights=is_correct, minlength=BINS)
    total = len(confidence)
    bins = [
        {
            "above": number / BINS,
            "to": (number + 1) / BINS,
            "entities": int(size),
            "confidence": float(confidences[number] / size) if size else None,
            "precision": float(hits[number] / size) if size else None,
        }
        for number, size in enumerate(sizes)
    ]
    return {
        "entities": total,
        "confidence": float(confidences.sum() / total) if total else None,
        "precision": float(hits.sum() / total) if total else None,
        "ece": float(np.abs(confidences - hits).sum() / total) if total else None,
        "bins": bins,
    }
