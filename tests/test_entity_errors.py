"""Every entity with what is wrong with it, and errors.csv row by row."""

import csv
import io
from collections import Counter

import pytest
from reported_runs import random_sentences, scores_of, sentence

from ner_eval.entity_errors import COLUMNS, Entity, Span, errors_csv, find_entities

MADE = [
    sentence("Ada met Bo Li in Rome", "B-per O B-per I-per O B-geo", "B-per O B-per O O B-org", row=2, file="a.csv"),
    sentence("=1+1 @home -x x", "O B-geo I-geo O", "B-org O O B-per", row=9, file="a.csv"),
]


def test_every_entity_with_its_kind_and_its_confidence():
    confidence = [[0.9, 1.0, 0.5, 0.8, 1.0, 0.7], [0.6, 0.9, 0.5, 0.25]]
    rows = [one | {"confidence": part} for one, part in zip(MADE, confidence, strict=True)]
    found = find_entities(rows)
    assert found[0] == [
        Entity("correct", Span("per", 0, 1), Span("per", 0, 1), 0.9),
        Entity("boundary", Span("per", 2, 4), Span("per", 2, 3), 0.5),
        Entity("type", Span("geo", 5, 6), Span("org", 5, 6), 0.7),
    ]
    assert found[1] == [
        Entity("spurious", None, Span("org", 0, 1), 0.6),
        Entity("missed", Span("geo", 1, 3), None, 0.45),
        Entity("spurious", None, Span("per", 3, 4), 0.25),
    ]


def test_the_entities_of_random_sentences_are_those_that_were_counted():
    sentences = random_sentences(200)
    found = [one for entities in find_entities(sentences) for one in entities]
    counts = Counter(one.kind for one in found)
    scores = scores_of(sentences)
    assert counts == Counter(scores["errors"])
    types = [*scores["confusion"]["types"], None]
    pairs = Counter((one.gold and one.gold.type, one.predicted and one.predicted.type) for one in found)
    assert scores["confusion"]["counts"] == [[pairs[gold, predicted] for predicted in types] for gold in types]


def rows_of(sentences):
    """errors.csv of one split, read again."""
    text = errors_csv({"test": (sentences, find_entities(sentences))})
    return list(csv.reader(io.StringIO(text, newline="")))


def test_errors_csv_row_by_row():
    assert rows_of(MADE) == [
        list(COLUMNS),
        ["test", "a.csv", "2", "Ada met Bo Li in Rome", "Bo Li", "per", "Bo", "per", "boundary", ""],
        ["test", "a.csv", "2", "Ada met Bo Li in Rome", "Rome", "geo", "Rome", "org", "type", ""],
        ["test", "a.csv", "9", "'=1+1 @home -x x", "", "", "'=1+1", "org", "spurious", ""],
        ["test", "a.csv", "9", "'=1+1 @home -x x", "'@home -x", "geo", "", "", "missed", ""],
        ["test", "a.csv", "9", "'=1+1 @home -x x", "", "", "x", "per", "spurious", ""],
    ]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_that_may_be_a_formula_is_neutralised(first):
    one = {"tokens": [first + "x", "y"], "tags": ["B-per", "O"], "predicted": ["O", "O"], "row": 1, "file": first + "f"}
    row = dict(zip(COLUMNS, rows_of([one])[1], strict=True))
    assert (row["file"], row["sentence"], row["gold_text"]) == (f"'{first}f", f"'{first}x y", f"'{first}x")


def test_a_probability_that_is_not_a_number_is_no_confidence():
    found = find_entities([sentence("a b", "O O", "B-per O", [float("nan"), 0.5])])
    assert found == [[Entity("spurious", None, Span("per", 0, 1), None)]]
