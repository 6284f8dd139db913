"""Spans and counts against seqeval (strict and default) and against conlleval's walk over the words."""

import random
import time
import warnings
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from seqeval.metrics import accuracy_score, classification_report, f1_score
from seqeval.scheme import IOB2

from ner_eval.seqeval_metric import StrictSeqeval
from ner_eval.span_counts import count_spans, figures, find_spans, label_parts, shared_ids, span_scores

TYPES = ["art", "geo", "org-x", "per", "z"]


def random_corpus(seed):
    """Gold and predicted tags of up to 12 sentences, illegal sequences and empty sentences among them."""
    rng = random.Random(seed)
    types = rng.sample(TYPES, rng.randint(1, len(TYPES)))
    tags = ["O"] * rng.randint(1, 6) + [prefix + type_ for type_ in types for prefix in ("B-", "I-")]
    lengths = [rng.choice((0, 1, 2, 5, 9, 14)) for _ in range(rng.randint(1, 12))] + [1]
    gold = [[rng.choice(tags) for _ in range(length)] for length in lengths]
    noise = rng.random()
    return gold, [[rng.choice(tags) if rng.random() < noise else tag for tag in sentence] for sentence in gold]


def conlleval(gold, predicted):
    """The counts of conlleval.pl (Tjong Kim Sang and De Meulder 2003): one walk, chunk by chunk, as it does."""
    correct, in_gold, in_predicted = Counter(), Counter(), Counter()

    def starts(last, tag):
        return tag != "O" and (tag[0] == "B" or last == "O" or last[2:] != tag[2:])

    def ends(last, tag):
        return last != "O" and (tag == "O" or tag[0] == "B" or last[2:] != tag[2:])

    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        inside, last = None, ("O", "O")
        for tags in [*zip(gold_tags, predicted_tags, strict=True), ("O", "O")]:
            gold_ends, predicted_ends = ends(last[0], tags[0]), ends(last[1], tags[1])
            if inside is not None and (gold_ends or predicted_ends):
                correct[inside] += gold_ends and predicted_ends
                inside = None
            gold_starts, predicted_starts = starts(last[0], tags[0]), starts(last[1], tags[1])
            if gold_starts and predicted_starts and tags[0][2:] == tags[1][2:]:
                inside = tags[0][2:]
            in_gold[tags[0][2:]] += gold_starts
            in_predicted[tags[1][2:]] += predicted_starts
            last = tags
    return +correct, +in_gold, +in_predicted


def counted(gold, predicted, reading):
    """The same three counters by `count_spans`."""
    *sides, offsets, names = shared_ids(gold, predicted)
    parts = label_parts(names)
    counts = count_spans(*(find_spans(ids, offsets, parts, reading) for ids in sides), len(parts.names))
    return tuple(+Counter(dict(zip(parts.names, part.tolist(), strict=True))) for part in counts)


def assert_is_report(scores, report):
    """Every figure of a seqeval report, to the last digit."""
    micro, macro = report.pop("micro avg"), report.pop("macro avg")
    report.pop("weighted avg")
    for prefix, row in (("", micro), ("macro_", macro)):
        assert scores[prefix + "precision"] == row["precision"]
        assert scores[prefix + "recall"] == row["recall"]
        assert scores[prefix + "f1"] == row["f1-score"]
    assert list(scores["per_type"]) == list(report)
    for type_, row in report.items():
        assert list(scores["per_type"][type_].values()) == list(row.values())


def test_two_hundred_random_corpora_score_as_in_seqeval_and_conlleval():
    warnings.simplefilter("ignore")
    compared = 0
    for seed in range(200):
        gold, predicted = random_corpus(seed)
        *sides, offsets, names = shared_ids(gold, predicted)
        assert counted(gold, predicted, "conlleval") == conlleval(gold, predicted)
        for reading, how in (("strict", {"mode": "strict", "scheme": IOB2}), ("conlleval", {})):
            scores = span_scores(*sides, offsets, names, reading)
            assert scores["accuracy"] == accuracy_score(gold, predicted)
            if scores["per_type"]:  # seqeval's report fails without entities
                assert_is_report(
                    scores, classification_report(gold, predicted, output_dict=True, zero_division=0, **how)
                )
                assert scores["f1"] == f1_score(gold, predicted, zero_division=0, **how)
                compared += 1
    assert compared > 350


def test_the_headline_metric_gives_the_same_dict():
    for seed in (3, 4):
        gold, predicted = random_corpus(seed)
        expected = StrictSeqeval(keep_in_memory=True).compute(predictions=predicted, references=gold)
        expected |= {"sentences": len(gold), "words": sum(map(len, gold))}
        *sides, offsets, names = shared_ids(gold, predicted)
        scores = span_scores(*sides, offsets, names)
        assert scores == expected and list(scores) == list(expected)


@pytest.mark.parametrize(
    ("tags", "strict", "conlleval"),
    [
        ("B-per I-per O", [(0, 2)], [(0, 2)]),
        ("I-per I-per O", [], [(0, 2)]),
        ("B-per I-geo I-geo", [(0, 1)], [(0, 1), (1, 3)]),
        ("B-per B-per I-per", [(0, 1), (1, 3)], [(0, 1), (1, 3)]),
        ("B-per O I-per", [(0, 1)], [(0, 1), (2, 3)]),
        ("B-per I-geo I-per", [(0, 1)], [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_the_two_readings(tags, strict, conlleval):
    ids, _, offsets, names = shared_ids([tags.split()], [tags.split()])
    for reading, expected in (("strict", strict), ("conlleval", conlleval)):
        spans = find_spans(ids, offsets, label_parts(names), reading)
        assert list(zip(spans.begin.tolist(), spans.end.tolist(), strict=True)) == expected


def test_entities_end_with_their_sentence():
    ids, _, offsets, names = shared_ids([["B-per"], [], ["I-per"]], [["O"], [], ["O"]])
    parts = label_parts(names)
    assert find_spans(ids, offsets, parts).end.tolist() == [1]
    assert find_spans(ids, offsets, parts, "conlleval").begin.tolist() == [0, 1]


def test_without_words_and_without_entities_the_scores_are_zero():
    for tags in ([], [[]], [["O", "O"]]):
        scores = span_scores(*shared_ids(tags, tags))
        assert (scores["f1"], scores["macro_f1"], scores["per_type"]) == (0.0, 0.0, {})


def test_list_columns_serve_as_well_as_lists():
    gold, predicted = random_corpus(7)
    column = pa.chunked_array([pa.array(gold[:3], pa.list_(pa.string())), pa.array(gold[3:], pa.list_(pa.string()))])
    *from_columns, _ = shared_ids(column, predicted)
    *from_lists, _ = shared_ids(gold, predicted)
    assert all(map(np.array_equal, from_columns, from_lists))


def test_what_cannot_be_counted_is_said():
    with pytest.raises(ValueError, match="label 'b-per' is neither O, nor B- or I- and a type"):
        label_parts(["O", "b-per"])
    with pytest.raises(ValueError, match="label 'B-' is neither"):
        label_parts(["B-"])
    with pytest.raises(ValueError, match="reading 'lax' is not one of strict, conlleval"):
        find_spans(np.array([0]), np.array([0, 1]), label_parts(["O"]), "lax")
    with pytest.raises(ValueError, match="number of sentences or of words"):
        shared_ids([["O", "O"]], [["O"], ["O"]])


def test_macro_counts_the_types_that_occur():
    counts = count_spans(
        *(
            find_spans(np.array(ids), np.array([0, 3]), label_parts(["O", "B-a", "B-b", "B-c"]))
            for ids in ([1, 0, 2], [1, 2, 0])
        ),
        3,
    )
    scores = figures(counts, ["a", "b", "c"])
    assert (scores["f1"], scores["macro_f1"], list(scores["per_type"])) == (0.5, 0.5, ["a", "b"])


def test_a_million_words_take_a_moment():
    rng = np.random.default_rng(0)
    names = ["O"] + [prefix + type_ for type_ in "abcdefgh" for prefix in ("B-", "I-")]
    gold, predicted = rng.integers(0, 17, (2, 1_000_000))
    begin = time.process_time()
    span_scores(gold, predicted, np.arange(0, 1_000_001, 20), names)
    assert time.process_time() - begin < 1.5
