"""Baselines: exact figures on a hand-made corpus. The results table: exact text from hand-made metrics."""

import csv
import importlib.util
import inspect
import json
import sys
from dataclasses import fields
from types import SimpleNamespace

import pytest

import run_ner
from benchmarks import baselines, results
from ner_data.read import read_corpus, read_sentences

needs_crfsuite = pytest.mark.skipif(
    importlib.util.find_spec("pycrfsuite") is None, reason="needs python-crfsuite (benchmarks/requirements.txt)"
)
TRAIN = ["May/B-per sees/O Rome/B-geo ./O", "May/B-tim sees/O New/B-geo York/I-geo ./O", "New/B-geo York/I-geo",
         "Rome/B-org wins/O", "new/O sees/O"]  # fmt: skip
TEST = ["May/B-per sees/O Oslo/B-geo ./O", "New/B-geo York/I-geo Rome/B-geo", "York/B-geo"]
PRETENDED = SimpleNamespace(__spec__="there")  # as if python-crfsuite were installed
FIGURES = {"f1": 0.8, "macro_f1": 0.7, "precision": 0.75, "recall": 0.85, "accuracy": 0.95}


def words_and_tags(sentences):
    pairs = [[pair.rsplit("/", 1) for pair in sentence.split()] for sentence in sentences]
    return [[word for word, _ in sentence] for sentence in pairs], [[tag for _, tag in sentence] for sentence in pairs]


def write_csv(path, sentences, header=("Sentence #", "Word", "Tag")):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        for number, words in enumerate(zip(*words_and_tags(sentences), strict=True)):
            rows.writerows([number, *pair] for pair in zip(*words, strict=True))
    return str(path)


def write_run(directory, **changes):
    """A run directory with a hand-made metrics.json."""
    metrics = {
        "model": "bert-base-cased",
        "dataset": "my.csv",
        "files": {"train": "my.csv", "test": "my_test.csv"},
        "seed": 42,
        "training": {"epochs": 5, "learning_rate": 3e-5, "seconds": 100.0},
        "test": FIGURES | {"sentences": 1234},
    }
    directory.mkdir()
    (directory / "metrics.json").write_text(json.dumps(metrics | changes))
    return str(directory)


def rows(*paths):
    """The cells of the table's rows, without the header."""
    table = results.markdown([result for path in paths for result in results.read_results(path)])
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def refusal(main, arguments, capsys):
    """The message of a command line that exits with 2, its prefix left out."""
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    return shown.err.strip().split(": ", 1)[1]


def test_the_most_frequent_tag():
    tag = baselines.learn_most_frequent_tags(*words_and_tags(TRAIN))
    assert tag(["New", "York", "sees", "Oslo"]) == ["B-geo", "I-geo", "O", "O"]
    assert tag(["new", "NEW"]) == ["O", "O"]  # words differ by their case


def test_of_equally_frequent_tags_the_first_in_the_alphabet_wins_whatever_the_order():
    for sentences in (TRAIN, TRAIN[::-1]):
        tag = baselines.learn_most_frequent_tags(*words_and_tags(sentences))
        assert tag(["May", "Rome"]) == ["B-per", "B-geo"]
    assert baselines.learn_most_frequent_tags([["a", "a", "a"]], [["O", "B-x", "O"]])(["a"]) == ["O"]


def test_exact_scores_of_the_most_frequent_tag(tmp_path):
    files = [write_csv(tmp_path / f"{name}.csv", part) for name, part in (("a", TRAIN), ("b", TRAIN), ("c", TEST))]
    tables = read_corpus(*files, say=lambda line: None)
    scores = baselines.score(baselines.learn_most_frequent_tags, tables["train"], tables["test"])
    assert scores.pop("seconds") >= 0
    assert scores == {
        "accuracy": 6 / 8,  # Oslo and the last York are wrong
        "precision": 1.0,  # found May, New York and Rome; the last York is an I- that begins nothing
        "recall": 3 / 5,
        "f1": pytest.approx(0.75),
        "macro_precision": 1.0,
        "macro_recall": (2 / 4 + 1) / 2,
        "macro_f1": pytest.approx((2 / 3 + 1) / 2),
        "per_type": {
            "geo": {"precision": 1.0, "recall": 2 / 4, "f1": pytest.approx(2 / 3), "support": 4},
            "per": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
        },
        "sentences": 3,
        "words": 8,
    }


def test_features_of_a_sentence():
    first, last = baselines.sentence_features(["McDonald-99", "ate"])
    assert {"bias", "first word", "shape=XxXxxxxx-dd", "short shape=XxXx-d", "lower=mcdonald-99"} <= set(first)
    assert {"prefix=mcdo", "suffix=d-99", "capital", "digit", "hyphen", "1 word=ate"} <= set(first)
    assert not {"capitals", "digits", "last word", "1 capital"} & set(first)
    assert {"last word", "-1 lower=mcdonald-99", "-1 capital", "prefix=ate"} <= set(last)
    words = ["a", "B", "c", "D", "e"]
    assert [f for f in baselines.sentence_features(words)[2] if f[0] in "-12" and "lower" in f] == [
        "-2 lower=a", "-1 lower=b", "1 lower=d", "2 lower=e",
    ]  # fmt: skip
    assert baselines.sentence_features(words) == baselines.sentence_features(words)  # what is kept is not changed


@needs_crfsuite
def test_the_crf_learns_what_surrounds_a_name_and_is_the_same_again():
    names = ["Ada Byron", "Alan Turing", "Grace Hopper", "Edsger Dijkstra", "Barbara Liskov"] * 4
    sentences = ["Mr. {}/B-per {}/I-per sleeps in {}/B-geo".format(*name.split(), name[:3] + "ia") for name in names]
    words, tags = words_and_tags([" ".join(w if "/" in w else f"{w}/O" for w in s.split()) for s in sentences])
    tag, again = baselines.learn_crf(words, tags), baselines.learn_crf(words, tags)
    for unseen in (["Mr.", "Kurt", "Gödel", "sleeps", "in", "Wien"], ["in", "Zürich"], ["sleeps"]):
        assert tag(unseen) == again(unseen)
    assert tag(["Mr.", "Kurt", "Gödel", "sleeps", "in", "Wien"]) == ["O", "B-per", "I-per", "O", "O", "B-geo"]


@needs_crfsuite
def test_the_crf_without_entities_says_o():
    assert baselines.learn_crf([["a", "b"]], [["O", "O"]])(["b", "c", "d"]) == ["O", "O", "O"]


def test_flags_are_those_of_the_recipe():
    recipe = {field.name: field.default for field in fields(run_ner.Recipe)}
    reading = {*inspect.signature(read_corpus).parameters, *inspect.signature(read_sentences).parameters}
    flags = vars(baselines.parse([]))
    assert flags.pop("output") is None
    assert flags == {name: recipe[name] for name in recipe if name in reading}


@needs_crfsuite
def test_from_the_files_to_the_table(tmp_path, capsys):
    flags = ["--train_file", write_csv(tmp_path / "my.csv", TRAIN, ("sid", "Word", "tag"))]
    flags += ["--sentence_column", "sid", "--tag_column", "tag", "--validation_fraction", "0.2", "--test_fraction", "0"]
    output = tmp_path / "baselines.json"
    assert baselines.main([*flags, "--output", str(output)]) == 0
    written = json.loads(output.read_text())
    assert (written["dataset"], written["seed"], written["judged_on"]) == ("my.csv", 42, "validation")
    assert written["sentences"] == {"train": 4, "validation": 1}
    assert list(written["baselines"]) == ["most frequent tag", "CRF"]
    shown = capsys.readouterr().out
    assert "\nmost frequent tag, validation: precision " in shown and "\nCRF, validation: precision " in shown
    assert {row[1]: row[-1] for row in rows(str(output))} == {
        "most frequent tag": "validation, 1 sentence, split off by seed",
        "CRF": "validation, 1 sentence, split off by seed",
    }


def test_the_split_is_that_of_the_recipe(tmp_path, monkeypatch):
    """Both hand the same files and arguments to the same function."""
    seen = []

    def record(*files, say, **reading):
        seen.append((files, reading))
        raise run_ner.InputError("seen")

    monkeypatch.setattr(run_ner, "read_corpus", record)
    monkeypatch.setattr(baselines, "read_corpus", record)
    monkeypatch.setitem(sys.modules, "pycrfsuite", PRETENDED)
    for flags in (
        [],
        ["--train_file", "a.csv", "--seed", "7", "--repair", "--tag_scheme", "BIOES"],
        ["--test_fraction", "0", "--train_file", "a.csv", "--validation_file", "b.csv"],
        ["--dataset_name", "me/words"],
    ):
        with pytest.raises(run_ner.InputError):
            run_ner.main([*flags, "--output_dir", str(tmp_path / "run")])
        assert baselines.main(flags) == 2
        assert seen[-1] == seen[-2]
    assert len(seen) == 8


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--train_file", "no.csv"], "no.csv: no such file, check the path"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["--seed", "x"], "--seed: invalid int value: 'x'"),
        (["--seed", "-1"], "--seed -1: give 0 or more"),
        (["--validation_fraction", "1", "--train_file", "a.csv"], "--validation_fraction 1: not in [0, 1)"),
        (["--output", "no/such/a.json"], "--output no/such/a.json: its directory is not there or not writable"),
        (["--output", "."], "--output .: is a directory, give the name of a file"),
    ],
)  # fmt: skip
def test_faults_of_the_baselines_flags(flags, message, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycrfsuite", PRETENDED)
    assert refusal(baselines.main, flags, capsys).startswith(message)


def test_without_crfsuite_the_message_says_how_to_install_it(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycrfsuite", None)
    message = "the CRF needs python-crfsuite: pip install -r benchmarks/requirements.txt"
    assert refusal(baselines.main, [], capsys) == message


def test_the_exact_table(tmp_path, capsys):
    runs = [
        write_run(tmp_path / "a", model="scratch"),
        write_run(tmp_path / "b", test=FIGURES | {"f1": 0.9, "sentences": 1234}),
        write_run(tmp_path / "c", test=FIGURES | {"f1": 0.92, "sentences": 1234}, seed=43,
                  training={"epochs": 5, "learning_rate": 3e-5, "seconds": 1101.5}),
    ]  # fmt: skip
    other = {"dataset": "o.csv", "files": {"train": "o.csv"}, "seed": 1, "judged_on": "test"}
    other["baselines"] = {"CRF": FIGURES | {"sentences": 7, "seconds": 2.25}}
    (tmp_path / "o.json").write_text(json.dumps(other))
    assert results.main([*runs, str(tmp_path / "o.json")]) == 0
    header, line, *table = capsys.readouterr().out.splitlines()
    assert header == (
        "| data set | system | strict F1 | macro F1 | precision | recall | word accuracy "
        "| training seconds | seeds | judged on |"
    )
    assert line == "| :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | :--- |"
    assert table == [
        "| my.csv | bert-base-cased | 0.9100 ± 0.0141 | 0.7000 ± 0.0000 | 0.7500 ± 0.0000 | 0.8500 ± 0.0000 "
        "| 0.9500 ± 0.0000 | 600.8 ± 708.2 | 2 | test, 1,234 sentences |",
        "| my.csv | scratch | 0.8000 | 0.7000 | 0.7500 | 0.8500 | 0.9500 | 100.0 | 1 | test, 1,234 sentences |",
        "| o.csv | CRF | 0.8000 | 0.7000 | 0.7500 | 0.8500 | 0.9500 | 2.2 | 1 | test, 7 sentences, split off by seed |",
    ]


def test_data_sets_of_one_name_but_other_test_sentences_do_not_mix(tmp_path):
    large, small = write_run(tmp_path / "a"), write_run(tmp_path / "b", test=FIGURES | {"sentences": 5}, seed=43)
    no_test = write_run(tmp_path / "c", seed=44, test=None, validation=FIGURES | {"sentences": 5})
    hub = write_run(tmp_path / "d", dataset="words", files={})
    assert [row[-1] for row in rows(large, small, no_test, hub)] == [
        "test, 1,234 sentences",
        "test, 5 sentences",
        "validation, 5 sentences, split off by seed",
        "test, 1,234 sentences",
    ]


def test_configurations_of_a_data_set_do_not_mix(tmp_path):
    changes = {"dataset": "unimelb-nlp/wikiann", "files": {}}
    one = write_run(tmp_path / "de", **changes, dataset_config="de")
    other = write_run(tmp_path / "en", **changes, dataset_config="en", seed=43)
    assert [row[0].strip("| ") for row in rows(one, other)] == ["unimelb-nlp/wikiann, de", "unimelb-nlp/wikiann, en"]


def test_runs_with_other_settings_have_rows_of_their_own_that_say_so(tmp_path):
    training = {"epochs": 10, "learning_rate": 3e-5, "seconds": None}
    paths = [write_run(tmp_path / "a"), write_run(tmp_path / "b", training=training)]
    assert {row[1]: row[7] for row in rows(*paths)} == {
        "bert-base-cased (epochs 5)": "100.0",
        "bert-base-cased (epochs 10)": "–",
    }


def test_runs_that_smooth_or_decode_otherwise_do_not_share_a_row(tmp_path):
    smooth = {"epochs": 5, "learning_rate": 3e-5, "seconds": 1.0, "label_smoothing": 0.1}
    greedy = FIGURES | {"sentences": 1234, "decoding": "argmax"}
    paths = [
        write_run(tmp_path / "a"),
        write_run(tmp_path / "b", seed=43, training=smooth),
        write_run(tmp_path / "c", seed=44, test=greedy),
    ]
    assert len(rows(*paths)) == 3


def test_names_do_not_break_the_table(tmp_path):
    assert rows(write_run(tmp_path / "a", dataset="a|b\nc.csv", model="m"))[0][0] == "a\\|b c.csv"


def test_a_run_given_twice_is_refused(tmp_path, capsys):
    run = write_run(tmp_path / "a")
    message = f"{run}/metrics.json: same system, data set and seed as {run}/metrics.json, give one of the two"
    assert refusal(results.main, [run, run], capsys) == message


def test_faults_of_the_results(tmp_path, capsys):
    def fault(path):
        return refusal(results.main, [str(path)], capsys)

    assert fault(tmp_path) == f"{tmp_path}: no metrics.json in it, give the directory of a finished run"
    assert fault(tmp_path / "no").startswith(f"{tmp_path}/no: cannot be read (No such file or directory)")
    file = tmp_path / "a.json"
    for text, message in (
        ("{", "not JSON (Expecting property name"),
        (b"\xff", "not JSON ('utf-8' codec can't decode"),
        ("[1]", "neither the metrics of a run nor baselines (list indices"),
        ("{}", "neither the metrics of a run nor baselines (no 'test')"),
        ('{"test": {"f1": 1}}', "neither the metrics of a run nor baselines (no 'training')"),
        ('{"baselines": 7, "judged_on": "test"}', "neither the metrics of a run nor baselines ('int' object has no"),
    ):
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        assert fault(file).startswith(f"{file}: {message}")
    assert refusal(results.main, [], capsys) == "the following arguments are required: PATH"
