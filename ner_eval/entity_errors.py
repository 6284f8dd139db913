"""Every entity of a split, gold beside predicted, and what is wrong with it; `errors.csv` for spreadsheets."""

import csv
import io
from typing import NamedTuple

import numpy as np

from ner_eval.calibration import entity_confidence
from ner_eval.span_counts import find_spans, label_parts, shared_ids
from ner_eval.span_matching import KINDS, MISSED, error_kinds

COLUMNS = ("split", "file", "row", "sentence", "gold_text", "gold_type")
COLUMNS += ("predicted_text", "predicted_type", "kind", "confidence")
FORMULA = tuple("=+-@\t\r\n")


class Span(NamedTuple):
    """An entity in its sentence."""

    type: str
    begin: int  # its first word
    end: int  # one past its last word


class Entity(NamedTuple):
    """A gold span, a predicted one, or a pair of both."""

    kind: str  # one of `span_matching.KINDS`
    gold: Span | None  # None: spurious
    predicted: Span | None  # None: missed
    confidence: float | None  # `calibration.entity_confidence`; of a missed one, in what was predicted for its words


def find_entities(sentences, reading="strict"):
    """The entities of each sentence, in order.

    Args:
        sentences: list of dicts with `tokens`, `tags`, `predicted`, and perhaps `confidence`, the probability of each
            predicted tag; the lists of a sentence are of one length.
        reading: of tags that are not legal BIO, one of `span_counts.READINGS`.

    Returns:
        A list of `Entity` per sentence. `confidence` is None unless every sentence has it.

    Raises:
        ValueError: the lists of a sentence differ in length, or a tag is neither O, nor B- or I- and a type.
    """
    if not sentences:
        return []
    gold_ids, predicted_ids, offsets, names = shared_ids(*([s[key] for s in sentences] for key in ("tags", "predicted")))
    parts = label_parts(names)
    gold, predicted = (find_spans(ids, offsets, parts, reading) for ids in (gold_ids, predicted_ids))
    gold_kinds, predicted_kinds, partner = error_kinds(gold, predicted)
    missed = np.flatnonzero(gold_kinds == MISSED)
    sure = [_confidences(sentences, spans, offsets) for spans in (gold, predicted)]
    pairs = [(place, span, kind) for span, (place, kind) in enumerate(zip(partner, predicted_kinds, strict=True))]
    found = [[] for _ in sentences]
    for place, span, kind in pairs + [(place, -1, MISSED) for place in missed]:
        begin = predicted.begin[span] if span >= 0 else gold.begin[place]
        sentence = int(np.searchsorted(offsets, begin, side="right")) - 1
        one = Entity(
            KINDS[kind],
            *(
                Span(parts.names[spans.type[i]], *(int(end[i] - offsets[sentence]) for end in (spans.begin, spans.end)))
                if i >= 0
                else None
                for spans, i in ((gold, place), (predicted, span))
            ),
            (sure[1][span] if span >= 0 else sure[0][place]),
        )
        found[sentence].append(one)
    return [sorted(entities, key=lambda e: (e.gold or e.predicted).begin) for entities in found]


def _confidences(sentences, spans, offsets):
    """The confidence of each span, or None for each where a sentence has no probabilities."""
    probabilities = [sentence.get("confidence") for sentence in sentences]
    if any(part is None for part in probabilities):
        return [None] * len(spans.begin)
    values = np.concatenate([np.asarray(part, np.float64) for part in probabilities])
    if len(values) != offsets[-1]:
        raise ValueError(f"{len(values)} probabilities for {offsets[-1]} words")
    return entity_confidence(values, spans).tolist()


def errors_csv(splits):
    """One row per wrong entity, with `COLUMNS`.

    A cell that begins with one of `= + - @`, tab, CR or LF, which spreadsheets may take for a formula, gets a leading
    apostrophe.

    Args:
        splits: {split: (sentences, entities)}, sentences as `find_entities` takes them, with `row` and `file` where
            they are known, and entities as it returns them.

    Returns:
        The text, lines ended by CR LF (RFC 4180).
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for split, (sentences, entities) in splits.items():
        for sentence, found in zip(sentences, entities, strict=True):
            for entity in found:
                if entity.kind != "correct":
                    writer.writerow(map(_safe, (split, *_cells(sentence, entity))))
    return text.getvalue()


def _cells(sentence, entity):
    tokens = sentence["tokens"]
    spans = []
    for span in (entity.gold, entity.predicted):
        spans += [" ".join(tokens[span.begin : span.end]), span.type] if span else ["", ""]
    confidence = "" if entity.confidence is None else f"{entity.confidence:.4f}"
    return (sentence.get("file"), sentence.get("row"), " ".join(tokens), *spans, entity.kind, confidence)


def _safe(cell):
    cell = "" if cell is None else str(cell)
    return "'" + cell if cell.startswith(FORMULA) else cell
