"""Every entity of a split, gold beside predicted, and what is wrong with it; `errors.csv` for spreadsheets."""

import csv
import io
import math
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
    tokens, *tags = ([sentence[key] for sentence in sentences] for key in ("tokens", "tags", "predicted"))
    *ids, offsets, names = shared_ids(*tags)
    if np.any(np.diff(offsets) != [len(words) for words in tokens]):
        raise ValueError("a sentence has not as many tags as words")
    parts = label_parts(names)
    gold, predicted = (find_spans(labels, offsets, parts, reading) for labels in ids)
    gold_kinds, predicted_kinds, partner = error_kinds(gold, predicted)
    sides = [_spans_by_sentence(sentences, spans, offsets, parts.names) for spans in (gold, predicted)]
    found = [[] for _ in sentences]
    for place, (sentence, span, confidence) in enumerate(sides[1]):
        other = sides[0][partner[place]][1] if partner[place] >= 0 else None
        found[sentence].append(Entity(KINDS[predicted_kinds[place]], other, span, confidence))
    for place in np.flatnonzero(gold_kinds == MISSED):
        sentence, span, confidence = sides[0][place]
        found[sentence].append(Entity(KINDS[MISSED], span, None, confidence))
    return [sorted(entities, key=lambda one: (one.gold or one.predicted).begin) for entities in found]


def _spans_by_sentence(sentences, spans, offsets, types):
    """The sentence, the `Span` and the confidence of each of `Spans`."""
    sentence = np.searchsorted(offsets, spans.begin, side="right") - 1
    columns = (spans.type, spans.begin - offsets[sentence], spans.end - offsets[sentence])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    there = [Span(types[type_], begin, end) for type_, begin, end in rows]
    return list(zip(sentence.tolist(), there, _confidences(sentences, spans, offsets), strict=True))


def _confidences(sentences, spans, offsets):
    """The confidence of each span; None where it is not a number, and for all where a sentence has no probabilities."""
    probabilities = [sentence.get("confidence") for sentence in sentences]
    if any(part is None for part in probabilities):
        return [None] * len(spans.begin)
    values = np.concatenate([np.asarray(part, np.float64) for part in probabilities])
    if len(values) != offsets[-1]:
        raise ValueError(f"{len(values)} probabilities for {offsets[-1]} words")
    return [value if math.isfinite(value) else None for value in entity_confidence(values, spans).tolist()]


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
