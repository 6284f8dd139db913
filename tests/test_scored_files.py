"""Gold and predicted tags from files: what is converted, what stays, and what is refused with its place."""

import json
import os
import random
from pathlib import Path

import pytest

from ner_data import InputError
from ner_data.formats.jsonl import SPANS
from ner_data.formats.word_csv import Columns
from ner_data.spans import words_in
from ner_eval.prediction_lines import Lines
from ner_eval.records import Source
from ner_eval.score import score_files
from ner_eval.scored_files import is_run_file, read_tagged

ROOT = Path(__file__).resolve().parent.parent
CORPORA = Path(os.environ.get("NER_CORPORA", ROOT.parent / "shared" / "data"))
WNUT = CORPORA / "wnut17" / "test.conll"


def quiet(_):
    pass


def write(path, *pairs):
    """Words and tags as CoNLL columns; None is a blank line."""
    path.write_text("\n".join("" if pair is None else pair.replace("/", "\t") for pair in pairs) + "\n")
    return str(path)


def run_file(path, **record):
    record = {"tokens": ["New", "York"], "tags": ["B-geo", "I-geo"], "predicted": ["B-geo", "O"], "row": 2} | record
    path.write_text("\n" + json.dumps(record) + "\n")
    return str(path)


def test_the_sentences_of_the_gold_file_count(tmp_path):
    gold = write(tmp_path / "gold.conll", "New/B-geo", None, "York/B-geo", "sang/O")
    predicted = write(tmp_path / "pred.conll", "New/B-geo", "York/I-geo", None, "sang/O")
    tagged = read_tagged(gold, predicted, say=quiet)
    assert tagged.offsets.tolist() == [0, 1, 3] and tagged.lines.tolist() == [1, 3, 4]
    assert tagged.predicted.to_pylist() == ["B-geo", "I-geo", "O"]
    scores = score_files(gold, predicted, say=quiet)
    assert (scores["recall"], scores["precision"], scores["lenient"]["recall"]) == (0.5, 1.0, 1.0)


def test_illegal_predictions_stay_as_they_are(tmp_path):
    gold = write(tmp_path / "gold.conll", "in/O", "New/B-geo", "York/I-geo")
    predicted = write(tmp_path / "pred.conll", "in/I-per", "New/I-geo", "York/I-geo")
    assert read_tagged(gold, predicted, say=quiet).predicted.to_pylist() == ["I-per", "I-geo", "I-geo"]


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        (["S-per", "B-geo", "E-geo"], ["S-per", "B-geo", "E-geo"]),
        (["B-per", "B-geo", "I-geo"], ["S-per", "B-geo", "E-geo"]),
        (["U-per", "B-geo", "L-geo"], ["B-per", "B-geo", "I-geo"]),
        (["I-per", "I-geo", "I-geo"], ["I-per", "I-geo", "I-geo"]),
        (["per", "geo", "geo"], ["B-per", "B-geo", "I-geo"]),
        (["B-per", "B-geo", "I-geo"], ["per", "geo", "geo"]),
    ],
)
def test_other_schemes_become_bio(tmp_path, gold, predicted):
    files = [
        write(tmp_path / f"{k}.conll", *(f"{word}/{tag}" for word, tag in zip("abcd", [*tags, "O"], strict=True)))
        for k, tags in enumerate((gold, predicted))
    ]
    tagged = read_tagged(*files, say=quiet)
    assert tagged.gold.to_pylist() == tagged.predicted.to_pylist() == ["B-per", "B-geo", "I-geo", "O"]


@pytest.mark.parametrize("gold", [["S-geo", "B-geo", "E-geo", "S-per"], ["B-geo", "B-geo", "I-geo", "B-per"]])
def test_illegal_predictions_count_the_same_whatever_the_scheme_of_the_gold_tags(tmp_path, gold):
    files = [
        write(tmp_path / f"{name}.conll", *(f"{word}/{tag}" for word, tag in zip("abcd", tags, strict=True)))
        for name, tags in (("gold", gold), ("pred", ["I-geo", "I-geo", "I-geo", "B-per"]))
    ]
    assert read_tagged(*files, say=quiet).predicted.to_pylist() == ["I-geo", "I-geo", "I-geo", "B-per"]
    assert score_files(*files, say=quiet)["recall"] == 1 / 3


def test_what_is_out_of_place_in_converted_predictions_is_said(tmp_path):
    gold = write(tmp_path / "gold.conll", "a/S-geo", "b/B-geo", "c/E-geo")
    said = []
    read_tagged(gold, pred := write(tmp_path / "pred.conll", "a/S-geo", "b/I-geo", "c/E-geo"), say=said.append)
    assert said[1] == f"{pred}: predicted tags converted from BIOES to BIO"
    assert said[2].startswith(f"{pred}:2: 1 tag out of place in BIOES (line 2 'I-geo'), read as conlleval")


def test_predictions_without_any_beginning_are_remarked_upon(tmp_path):
    gold = write(tmp_path / "gold.conll", "a/B-geo", "b/O")
    said = []
    read_tagged(gold, pred := write(tmp_path / "pred.conll", "a/I-geo", "b/O"), say=said.append)
    most = "1 I- begin an entity in the predicted tags, more than B- do"
    assert said[-1] == f"{pred}: {most}, and strict scores count none of these; --lenient does"
    said.clear()
    gold = write(tmp_path / "iob1.conll", "a/I-geo", "b/B-geo", "c/I-per")
    read_tagged(gold, write(tmp_path / "bio.conll", "a/B-geo", "b/B-geo", "c/B-per"), say=said.append)
    assert len(said) == 2 and "every tag is the gold tag" in said[1]  # flawless BIO is not read as IOB1


def test_one_tag_out_of_place_does_not_turn_bio_into_the_gold_tags_iob1(tmp_path):
    """CoNLL-2003's own scheme: I-LOC begins an entity there, and B-LOC only behind another LOC."""
    pairs = ["Ada/I-PER", "met/O", "Bob/I-PER", None, "U.S./I-LOC", "U.K./B-LOC", None, "Rome/I-LOC"]
    gold = write(tmp_path / "gold.conll", *pairs)
    bio = [pair and pair.replace("I-", "B-") for pair in pairs[:-1]]
    predicted, lines = write(tmp_path / "pred.conll", *bio, "Rome/I-LOC"), []
    scores = score_files(gold, predicted, say=lines.append)
    assert (scores["precision"], scores["recall"]) == (1.0, 0.8) and len(lines) == 1
    assert read_tagged(gold, write(tmp_path / "same.conll", *pairs), say=quiet).predicted.to_pylist()[-1] == "B-LOC"
    tokens = [pair.split("/")[0] for pair in pairs if pair]
    tags = [pair.split("/")[1] for pair in [*bio, "Rome/I-LOC"] if pair]
    run = run_file(tmp_path / "run.jsonl", tokens=tokens, tags=tags, predicted=tags)
    assert read_tagged(gold, run, say=quiet).predicted.to_pylist() == tags


def test_a_run_file_in_another_scheme_is_read_by_its_own_gold_tags(tmp_path):
    tags = ["I-PER", "I-PER", "O", "I-PER"]
    path = run_file(tmp_path / "run.jsonl", tokens=["Ada", "Lovelace", "met", "Bob"], tags=tags, predicted=tags)
    assert score_files(path, say=quiet)["f1"] == 1.0


def test_files_that_are_no_text_are_told_what_to_do(tmp_path):
    gold = write(tmp_path / "gold.conll", "Ada/B-per")
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    for given in ({"predicted_path": gold, "train_file": str(tmp_path / "train.parquet")},
                  {"predicted_path": str(tmp_path / "train.parquet")}):  # fmt: skip
        with pytest.raises(InputError, match="no format has the suffix '.parquet', give a data set's directory"):
            score_files(gold, **given, say=quiet)


def test_predictions_of_an_earlier_run_that_are_tagged_again_are_gold_no_more(tmp_path):
    old = run_file(tmp_path / "old.jsonl", confidence=[0.9, 0.8])
    (record,) = Source(old, say=quiet).records(words_in)
    lines = Lines(Source(old, say=quiet), str(tmp_path / "new.jsonl"), ["O", "B-geo", "I-geo"])
    (tmp_path / "new.jsonl").write_text(lines.write(0, record, ["O", "B-geo"], []))
    assert not is_run_file(tmp_path / "new.jsonl")
    assert read_tagged(old, str(tmp_path / "new.jsonl"), say=quiet).predicted.to_pylist() == ["O", "B-geo"]


def test_repair_moves_spans_too(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "Ada Lovelace sang", "entities": [[0, 11, "per"]]}\n')
    path = str(tmp_path / "a.jsonl")
    with pytest.raises(InputError, match="does not begin and end with a word"):
        read_tagged(path, path, say=quiet)
    assert read_tagged(path, path, repair=True, say=quiet).gold.to_pylist() == ["B-per", "I-per", "O"]


def test_the_training_file_may_be_of_another_format_than_the_others(tmp_path):
    (tmp_path / "gold.csv").write_text("sid,token,label\n1,Ada,B-per\n1,Bob,B-per\n")
    (tmp_path / "train.jsonl").write_text('{"tokens": ["Ada"], "tags": ["B-per"]}\n')
    (tmp_path / "train.csv").write_text("sid,token,label\n1,Ada,B-per\n")
    write(tmp_path / "train.conll", "Ada/B-per")
    write(tmp_path / "gold.conll", "Ada/B-per", "Bob/B-per")
    predicted, columns = write(tmp_path / "pred.conll", "Ada/B-per", "Bob/O"), Columns("sid", "token", "label")
    for gold, train in (("csv", "conll"), ("csv", "jsonl"), ("conll", "csv")):
        files = [str(tmp_path / f"{name}.{suffix}") for name, suffix in (("gold", gold), ("train", train))]
        scores = score_files(files[0], predicted, columns=columns, train_file=files[1], say=quiet)
        assert [found["gold"] for found in scores["seen"].values()] == [1, 0, 1]


def test_several_files_are_refused(tmp_path):
    for name in ("g-1.conll", "g-2.conll"):
        write(tmp_path / name, "a/B-geo", "b/O")
    with pytest.raises(InputError, match="2 files, give one at a time"):
        read_tagged(str(tmp_path / "g-*.conll"), str(tmp_path / "g-1.conll"), say=quiet)


def test_columns_of_conll_are_numbers_and_those_of_a_csv_names(tmp_path):
    three = write(tmp_path / "three.conll", "Rome/B-geo/X", "is/O/X")
    gold = write(tmp_path / "gold.conll", "Rome/B-geo", "is/O")
    (tmp_path / "gold.csv").write_text("Word,Label\nRome,B-geo\nis,O\n")
    by_number, by_name = Columns(tag="2"), Columns(tag="Label")
    assert read_tagged(gold, three, by_number, say=quiet).predicted.to_pylist() == ["B-geo", "O"]
    assert read_tagged(str(tmp_path / "gold.csv"), gold, by_name, say=quiet).predicted.to_pylist() == ["B-geo", "O"]
    with pytest.raises(InputError, match="^--tag_column Label: not a number, CoNLL columns have numbers"):
        read_tagged(gold, three, by_name, say=quiet)


def test_the_scheme_of_the_gold_tags_can_be_given(tmp_path):
    gold = write(tmp_path / "gold.conll", "a/geo", "b/per")
    assert read_tagged(gold, gold, tag_scheme="unprefixed", say=quiet).gold.to_pylist() == ["B-geo", "B-per"]


def test_predictions_need_no_gold_tags(tmp_path):
    gold = write(tmp_path / "gold.conll", "New/B-geo", "York/I-geo")
    (tmp_path / "p.jsonl").write_text('{"tokens": ["New", "York"], "predicted": ["B-geo", "O"]}\n')
    assert read_tagged(gold, str(tmp_path / "p.jsonl"), say=quiet).predicted.to_pylist() == ["B-geo", "O"]


def test_confidence_of_some_words_is_no_calibration(tmp_path):
    record = {"tokens": ["a"], "tags": ["O"], "predicted": ["O"]}
    lines = [json.dumps(record), json.dumps(record | {"confidence": [0.5]})]
    (tmp_path / "p.jsonl").write_text("\n".join(lines) + "\n")
    said = []
    assert read_tagged(path := str(tmp_path / "p.jsonl"), say=said.append).probabilities is None
    assert said[-1] == f"{path}: `confidence` of 1 of 2 words, so there is no calibration"


def test_predictions_of_nothing_and_gold_of_nothing(tmp_path):
    outside = write(tmp_path / "o.conll", "Paris/O")
    inside = write(tmp_path / "b.conll", "Paris/B-geo")
    assert score_files(inside, outside, say=quiet)["f1"] == score_files(outside, inside, say=quiet)["f1"] == 0.0


def test_illegal_gold_tags_are_refused_or_repaired(tmp_path):
    gold = write(tmp_path / "gold.conll", "in/O", "Rome/I-geo", "or/O", "Bonn/B-geo", "or/O", "Ulm/B-geo")
    with pytest.raises(InputError, match=r"gold.conll:2: 1 tag out of place in BIO .* give --repair"):
        read_tagged(gold, gold, say=quiet)
    assert read_tagged(gold, gold, repair=True, say=quiet).gold.to_pylist()[1] == "B-geo"


def test_a_run_file_holds_both_sides(tmp_path):
    run = run_file(tmp_path / "test_predictions.jsonl", confidence=[0.9, 0.5])
    tagged = read_tagged(run, say=quiet)
    assert (tagged.gold.to_pylist(), tagged.predicted.to_pylist()) == (["B-geo", "I-geo"], ["B-geo", "O"])
    assert tagged.probabilities.tolist() == [0.9, 0.5] and tagged.lines.tolist() == [2, 2]
    assert read_tagged(run, run, say=quiet).predicted.equals(tagged.predicted)
    gold = write(tmp_path / "gold.conll", "New/B-geo", "York/I-geo")
    assert read_tagged(gold, run, say=quiet).predicted.equals(tagged.predicted)
    assert read_tagged(run_file(tmp_path / "old.jsonl"), say=quiet).probabilities is None


def test_a_word_predicted_does_not_make_a_run_file(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"tokens": ["predicted"], "tags": ["O"]}\n')
    assert not is_run_file(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text('{"tokens":\n')
    assert not is_run_file(tmp_path / "b.jsonl")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"predicted": ["O"]}, r"jsonl:2: `predicted` is not a list of 2 values, one per word, \['O'\]"),
        ({"predicted": "O O"}, "`predicted` is not a list of 2 values"),
        ({"predicted": [1, 2]}, "`predicted` is not a list of 2 values"),
        ({"confidence": [0.5]}, "`confidence` is not a list of 2 values"),
        ({"confidence": [0.5, -0.2]}, "jsonl:2: `confidence` -0.2: no probability, write numbers from 0 to 1"),
        ({"confidence": [99, 0.5]}, "jsonl:2: `confidence` 99: no probability"),
        ({"confidence": [float("nan"), 0.5]}, "jsonl:2: `confidence` nan: no probability"),
        ({"tokens": [], "tags": [], "predicted": []}, "jsonl:2: no words"),
        ({"predicted": ["B-\ud83d", "O"]}, "jsonl:2: half a surrogate pair in `predicted`"),
        ({"predicted": ["b-geo", "O"]}, r"jsonl:2: the tag is neither O nor .*'b-geo'"),
    ],
)
def test_damaged_predictions_are_refused(tmp_path, record, message):
    with pytest.raises(InputError, match=message):
        read_tagged(run_file(tmp_path / "p.jsonl", **record), say=quiet)


def test_words_that_differ_are_named_with_both_places(tmp_path):
    gold = write(tmp_path / "gold.conll", "in/O", None, "New/B-geo", "York/I-geo")
    other = write(tmp_path / "pred.conll", "in/O", "New/B-geo", "Yorck/I-geo")
    with pytest.raises(InputError, match=r"gold.conll:4 and .*pred.conll:3: the words differ, 'York' and 'Yorck'"):
        read_tagged(gold, other, say=quiet)
    shorter = write(tmp_path / "short.conll", "in/O", "New/B-geo")
    with pytest.raises(
        InputError, match=r"gold.conll:4: a word too many, 'York', .*short.conll:2 is the end .*2 words"
    ):
        read_tagged(gold, shorter, say=quiet)
    with pytest.raises(InputError, match=r"gold.conll:4: a word too many"):
        read_tagged(shorter, gold, say=quiet)


@pytest.mark.skipif(not WNUT.is_file(), reason="no corpora in NER_CORPORA or ../shared/data")
def test_predictions_in_the_layout_of_wnut17(tmp_path):
    """CR line ends, spaces for tabs, other sentence breaks, 5% of the tags at random."""
    rng = random.Random(0)
    lines = [line.split("\t") for line in WNUT.read_text().split("\n")]
    rows = [
        (line[0], rng.choice(["O", "I-person"]) if rng.random() < 0.05 else line[-1])
        for line in lines
        if line[0].strip()
    ]
    ends = ["\r\r" if rng.random() < 0.1 else "\r" for _ in rows]
    (tmp_path / "predicted").write_bytes(
        "".join(" ".join(row) + end for row, end in zip(rows, ends, strict=True)).encode()
    )
    (tmp_path / "predicted.conll").write_text("\n".join(map("\t".join, rows)))
    scores = score_files(WNUT, tmp_path / "predicted", say=quiet)
    assert (scores["words"], scores["sentences"]) == (23_394, 1_287)
    assert scores == score_files(WNUT, tmp_path / "predicted.conll", say=quiet)
    assert 0.7 < scores["f1"] < 1 and score_files(WNUT, WNUT, say=quiet)["f1"] == 1.0


def test_gold_columns_of_another_name_do_not_hide_the_predicted_one(tmp_path):
    gold, both = tmp_path / "gold.csv", tmp_path / "tagged.csv"
    gold.write_text("sid,token,label\n1,Ada,B-per\n1,sings,O\n")
    both.write_text("sid,token,label,Predicted\n1,Ada,B-per,O\n1,sings,O,O\n")
    tagged = read_tagged(str(gold), str(both), columns=Columns("sid", "token", "label"), say=lambda _: None)
    assert tagged.gold.to_pylist() == ["B-per", "O"] and tagged.predicted.to_pylist() == ["O", "O"]


@pytest.mark.parametrize(
    "gold",
    [
        {"tokens": ["Ada", "sings"], "ner_tags": ["B-per", "O"]},
        {"words": ["Ada", "sings"], "labels": ["B-per", "O"]},
        {"tokens": ["Ada", "sings"], "tags": ["B-per", "O"], "given_tags": 7},
        {"tokenized_text": ["Ada", "sings"], "ner": [[0, 0, "per"]]},
        *({"text": "Ada sings", field: [[0, 3, "per"]]} for field in SPANS),
        {"text": "Ada sings", "spans": [[0, 3, "per"]], "label": "per"},
    ],
)
def test_a_prediction_is_not_scored_by_the_gold_tags_that_it_carries_along(tmp_path, gold):
    (tmp_path / "gold.jsonl").write_text(json.dumps(gold) + "\n")
    source = Source(str(tmp_path / "gold.jsonl"))
    (record,) = source.records(words_in)
    lines = Lines(source, str(tmp_path / "out.jsonl"))
    (tmp_path / "out.jsonl").write_text(written := lines.write(0, record, ["O", "O"], []))
    tagged = read_tagged(str(tmp_path / "gold.jsonl"), str(tmp_path / "out.jsonl"), say=lambda _: None)
    assert tagged.gold.to_pylist() == ["B-per", "O"] and tagged.predicted.to_pylist() == ["O", "O"]
    assert lines.is_of(0, record, written) and not lines.is_of(0, record, json.dumps(gold))
    given = [value for key, value in json.loads(written).items() if key.startswith("given_")]
    assert set(map(json.dumps, gold.values())) <= set(map(json.dumps, [*json.loads(written).values(), *given]))


def test_the_column_that_predict_wrote_is_scored_and_not_the_gold_one_beside_it(tmp_path):
    gold, both = tmp_path / "gold.csv", tmp_path / "tagged.csv"
    gold.write_text("Sentence #,Word,Tag\n1,Ada,B-per\n1,sings,O\n")
    both.write_text("Sentence #,Word,Tag,Predicted\n1,Ada,B-per,O\n1,sings,O,B-geo\n")
    lines = []
    tagged = read_tagged(str(gold), str(both), say=lines.append)
    assert tagged.gold.to_pylist() == ["B-per", "O"] and tagged.predicted.to_pylist() == ["O", "B-geo"]
    assert any("'Predicted' are scored" in line for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        '"Sentence #","Word","Tag","Predicted"\n1,Ada,B-per,O\n1,sings,O,B-geo\n',
        "\nSentence #,Word,Tag,Predicted\n1,Ada,B-per,O\n1,sings,O,B-geo\n",
        "Sentence #,Word,Tag,Predicted\r1,Ada,B-per,O\r1,sings,O,B-geo\r",
        "Sentence #;Word;Tag;Predicted\n1;Ada;B-per;O\n1;sings;O;B-geo\n",
    ],
)
def test_the_predicted_column_is_found_in_whatever_header_the_reader_reads(tmp_path, text):
    gold, both = tmp_path / "gold.csv", tmp_path / "tagged.csv"
    gold.write_text("Sentence #,Word,Tag\n1,Ada,B-per\n1,sings,O\n")
    both.write_bytes(text.encode())
    assert read_tagged(str(gold), str(both), say=quiet).predicted.to_pylist() == ["O", "B-geo"]


def test_predictions_that_are_the_gold_tags_are_remarked_upon(tmp_path):
    gold, other = write(tmp_path / "gold.conll", "Ada/B-per", "sings/O"), tmp_path / "p.csv"
    other.write_text("Sentence #,Word,Tag\n1,Ada,B-per\n1,sings,O\n")
    lines = []
    read_tagged(gold, str(other), say=lines.append)
    assert lines[-1] == f"{other}: every tag is the gold tag; are these predictions?"
    other.write_text("Sentence #,Word,Tag\n1,Ada,B-per\n1,sings,B-per\n")
    read_tagged(gold, str(other), say=lines.append)
    assert sum("every tag" in line for line in lines) == 1
