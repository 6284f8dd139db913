"""Suspects: folds, ranking, planted errors, the list as CSV."""

import argparse
import csv
import json
import os
import subprocess
import types
from pathlib import Path

import numpy as np
import pytest
from test_windows import sentences

import run_ner
from benchmarks.bench_suspects import plant_errors
from ner_data import InputError
from ner_eval import suspects as module
from ner_eval.suspects import main, out_of_fold, rank_suspects, write_suspects
from ner_model.checkpoints import TrainingStopped

TABLE = sentences(
    (["Merkel", "saw", "Paris"], ["B-per", "O", "B-geo"]),
    (["New", "York", "slept"], ["B-geo", "I-geo", "O"]),
    (["=", "he", "left"], ["O", "O", "O"]),
)
PREDICTED = [["B-per", "O", "B-per"], ["B-geo", "O", "O"], ["B-per", "O", "O"]]
CONFIDENCE = [[0.9, 0.9, 0.8], [0.5, 0.5, 1.0], [0.95, 1.0, 1.0]]


def test_the_surest_contradiction_comes_first():
    ranked = rank_suspects(TABLE, PREDICTED, CONFIDENCE, "words.csv")
    assert [(s["place"], s["words"], s["gold"], s["predicted"], s["confidence"]) for s in ranked] == [
        ("words.csv:4", "=", "O", "B-per", 0.95),
        ("words.csv:2", "Paris", "B-geo", "B-per", 0.8),
        ("words.csv:3", "New York", "B-geo I-geo", "B-geo O", 0.25),
    ]


def test_places_are_in_the_files_that_a_pattern_stands_for():
    table = TABLE.append_column("file", [["a", "b", "c"]])
    assert [s["place"] for s in rank_suspects(table, PREDICTED, CONFIDENCE, "x")] == ["c:4", "a:2", "b:3"]


def test_the_flags_choose_folds_seed_and_how_many_are_printed(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(
        module, "out_of_fold", lambda table, folds, seed, *_: asked.append((folds, seed)) or (PREDICTED, CONFIDENCE)
    )
    monkeypatch.setattr(module, "read_sentences", lambda path, **_: TABLE)
    output = str(tmp_path / "s.csv")
    assert main(["--train_file", "x.csv", "--folds", "3", "--seed", "7", "--top", "1", "--output", output]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert asked == [(3, 7)] and len(lines) == 2 and "gold: O" in lines[0]
    assert lines[1] == f"3 suspects among 9 words, all of them in {output}"


def test_agreement_leaves_no_suspect():
    assert rank_suspects(TABLE, TABLE["tags"].to_pylist(), CONFIDENCE, "x") == []


def test_the_list_is_a_csv_without_formulas(tmp_path):
    write_suspects(tmp_path / "s.csv", rank_suspects(TABLE, PREDICTED, CONFIDENCE, "words.csv"))
    assert (tmp_path / "s.csv").read_bytes().startswith(b"\xef\xbb\xbf")  # for Excel
    with open(tmp_path / "s.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["place", "confidence", "words", "gold", "predicted", "sentence"]
    assert rows[1] == ["words.csv:4", "0.95", "'=", "O", "B-per", "'= he left"]


def fake_recipe(command, **_):
    """Stands for `run_ner.py`: says each word as its tag, and remembers who was trained on what."""
    run_ner.parse(command[2:])
    flags = dict(word[2:].split("=", 1) for word in command if "_file=" in word)
    read = {name: [json.loads(line) for line in Path(path).read_text().splitlines()] for name, path in flags.items()}
    run = command[command.index("--output_dir") + 1]
    module.os.makedirs(run)
    with open(f"{run}/test_predictions.jsonl", "w") as file:
        for sentence in read["test_file"]:
            assert sentence["tokens"] not in [s["tokens"] for s in read["train_file"]]
            file.write(json.dumps({"predicted": sentence["tokens"], "confidence": [0.5, 0.5]}) + "\n")
    return types.SimpleNamespace(returncode=0, stderr="")


def test_every_sentence_is_tagged_by_a_run_that_has_not_seen_it(monkeypatch, tmp_path):
    monkeypatch.setattr(subprocess, "run", fake_recipe)
    lines = []
    table = sentences(*(([f"w{k % 7}", "x"], ["O", "B-geo"]) for k in range(12)))
    predicted, confidence = out_of_fold(table, 3, 0, [], str(tmp_path), lines.append)
    assert predicted == table["tokens"].to_pylist() and confidence == [[0.5, 0.5]] * 12
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ("0", "0")),
        (["--label-smoothing-factor=0.2"], ("0.2", "0")),
        (["--label_smoothing_factor", "0.1", "--augment", "2"], ("0.1", "2")),
    ],
)
def test_labels_are_not_smoothed_and_sentences_not_copied_unless_asked_for(monkeypatch, tmp_path, given, expected):
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, **more: [commands.append(command), fake_recipe(command)][1])
    out_of_fold(TABLE, 2, 0, given, str(tmp_path), lambda _: None)
    for command in commands:
        parser = argparse.ArgumentParser(allow_abbrev=False)
        parser.add_argument("--label_smoothing_factor", "--label-smoothing-factor")
        parser.add_argument("--augment")
        flags = parser.parse_known_args(command)[0]
        assert (flags.label_smoothing_factor, flags.augment) == expected
    assert len(commands) == 2


def test_wrong_input(tmp_path, capsys, monkeypatch):
    assert main(["--folds", "1"]) == 2
    assert "--folds 1: give 2 or more" in capsys.readouterr().err
    assert main(["--seed", "-1"]) == 2
    assert "--seed -1: give 0 to 4294967295" in capsys.readouterr().err
    assert main(["--group_column", "doc"]) == 2
    assert "--group_column: a fold is of sentences, whatever their document" in capsys.readouterr().err
    for flag in ("--validation_file=dev.csv", "--test-file=a.csv", "--dataset_name=x", "--output_dir=runs/a"):
        assert main([flag]) == 2
        assert f"ner_eval.suspects: {flag.split('=')[0]}: " in capsys.readouterr().err
    for path in (tmp_path, tmp_path / "no" / "where.csv"):
        assert main(["--output", str(path)]) == 2
        assert f"--output {path}: a directory, or in none that may be written to" in capsys.readouterr().err
    with pytest.raises(InputError, match="only 3 distinct sentences"):
        out_of_fold(TABLE, 4, 0, [], str(tmp_path))
    (tmp_path / "worked-through.csv").write_text("place\n")
    assert main(["--output", str(tmp_path / "worked-through.csv")]) == 2
    assert "worked-through.csv: exists; move it away, or give another name" in capsys.readouterr().err
    failed = types.SimpleNamespace(returncode=1, stderr="run_ner.py: a full disk")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(TrainingStopped, match="run 1 of 2 failed with exit code 1: run_ner.py: a full disk"):
        out_of_fold(TABLE, 2, 0, [], str(tmp_path))
    failed = types.SimpleNamespace(returncode=2, stderr="noise\nrun_ner.py: --strid: unknown flag")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(InputError, match="run 1 of 2 failed with exit code 2: run_ner.py: --strid: unknown flag"):
        out_of_fold(TABLE, 2, 0, ["--strid", "3"], str(tmp_path))


@pytest.mark.parametrize(("error", "code"), [(TrainingStopped("full"), 1), (KeyboardInterrupt(), 130)])
def test_a_run_that_ends_leaves_one_line_and_no_list(error, code, tmp_path, capsys, monkeypatch):
    def end(*_):
        raise error

    monkeypatch.setattr(module, "out_of_fold", end)
    monkeypatch.setattr(module, "read_sentences", lambda *_, **__: TABLE)
    assert main(["--output", str(tmp_path / "s.csv")]) == code
    assert len(capsys.readouterr().err.splitlines()) == 1 and list(tmp_path.iterdir()) == []


def test_what_was_found_is_printed_where_it_cannot_be_written(tmp_path, capsys, monkeypatch):
    found = rank_suspects(TABLE, PREDICTED, CONFIDENCE, "a.csv")
    monkeypatch.setattr(module, "out_of_fold", lambda *_: (PREDICTED, CONFIDENCE))
    monkeypatch.setattr(module, "read_sentences", lambda *_, **__: TABLE)
    (tmp_path / "s.csv.part").write_text("half")
    monkeypatch.setattr(module, "write_suspects", lambda *_: os.open("/dev/null/x", os.O_RDONLY))
    assert main(["--output", str(tmp_path / "s.csv")]) == 1
    out, err = capsys.readouterr()
    assert out.count("gold: ") == len(found) > 0
    assert f"ner_eval.suspects: {tmp_path / 's.csv'}: cannot be written (Not a directory)" in err
    assert list(tmp_path.iterdir()) == []


def test_planted_errors_change_what_they_say_they_change():
    tags = [["B-per", "I-per", "O", "B-geo"]] * 100
    spoilt, places, entities = plant_errors(tags, 0.1, 1)
    assert entities == 200 and len(places) == 20
    changed = {k for k in range(100) if spoilt[k] != tags[k]}
    assert changed == {sentence for sentence, _, _ in places}
    words = {(s, w) for s, b, e in places for w in range(b, e)}
    differing = {(s, w) for s in range(100) for w in range(4) if spoilt[s][w] != tags[s][w]}
    assert differing <= words and np.mean([tag == "O" for s, w in words for tag in [spoilt[s][w]]]) > 0
