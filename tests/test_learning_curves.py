"""Learning curves: which runs are made, on which sentences, and what is shown of them."""

import json
import subprocess

import pyarrow as pa
import pytest

from benchmarks import learning_curves
from benchmarks.learning_curves import CRF, draw, main, measure, table_of


def row(system, sentences, seed, f1, seconds):
    return {"system": system, "sentences": sentences, "seed": seed, "f1": f1, "macro_f1": f1, "seconds": seconds}


ROWS = [
    row("mini", 100, 1, 0.5, 10),
    row("mini", 100, 2, 0.625, 14),
    row(CRF, 100, 1, 0.25, 1),
    row("mini", 9, 1, 0, 5),
]


def test_means_ranges_and_seconds():
    assert table_of(ROWS).splitlines() == [
        "| training sentences | mini | CRF |",
        "| ---: | ---: | ---: |",
        "| 9 | 0.0000, 5 s |  |",
        "| 100 | 0.5625 (0.5000 to 0.6250), 12 s | 0.2500, 1 s |",
    ]


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is in benchmarks/requirements.txt")
    draw(ROWS, tmp_path / "curves.png")
    draw(ROWS, tmp_path / "again.png")
    picture = (tmp_path / "curves.png").read_bytes()
    assert picture[:4] == b"\x89PNG" and picture == (tmp_path / "again.png").read_bytes()


def test_each_run_once_on_one_split(tmp_path, monkeypatch, capsys):
    rows = [f"Sentence: {k},Word{k},NNP,{'B-geo' if k % 2 else 'O'}\n" for k in range(60)]
    (tmp_path / "words.csv").write_text("Sentence #,Word,POS,Tag\n" + "".join(rows))
    made = []

    def measure(system, train, tables, seed, flags, directory):
        made.append((system, [tokens[0] for tokens in train["tokens"].to_pylist()], seed))
        judged.add(str(tables["test"]["tokens"].to_pylist()))
        return {"f1": 0.5, "macro_f1": 0.5, "seconds": 1.0}

    judged = set()
    monkeypatch.setattr(learning_curves, "measure", measure)
    output = tmp_path / "curves.jsonl"
    command = ["--train_file", tmp_path / "words.csv", "--models", "mini", "--sizes", "10", "all", "--output", output]
    assert not main([str(word) for word in [*command, "--seeds", "1", "2"]])
    assert [(system, len(words), seed) for system, words, seed in made] == [
        *(("mini", 10, 1), (CRF, 10, 1), ("mini", 10, 2), (CRF, 10, 2)),
        *(("mini", 48, 1), (CRF, 48, 1), ("mini", 48, 2)),
    ]
    assert made[0][1] == made[1][1] != made[2][1] and len(judged) == 1
    assert len([json.loads(line) for line in output.read_text().splitlines()]) == 7
    made.clear()
    assert not main([str(word) for word in [*command, "--seeds", "1", "2", "3"]])
    assert [(system, len(words), seed) for system, words, seed in made] == [
        ("mini", 10, 3),
        (CRF, 10, 3),
        ("mini", 48, 3),
    ]
    assert "| 48 | 0.5000 (0.5000 to 0.5000), 1 s | 0.5000, 1 s |" in capsys.readouterr().out
    made.clear()
    assert main([str(word) for word in [*command, "--flags=--lora"]]) == 2 and not made
    assert (
        f"--output {output}: holds runs of another file or with other --flags; give another" in capsys.readouterr().err
    )


def test_what_is_kept_of_a_run(tmp_path, monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command)
        output_dir = tmp_path / "run"
        output_dir.mkdir()
        scores = {split: {"f1": f1, "macro_f1": f1 / 2} for split, f1 in (("validation", 0.75), ("test", 0.5))}
        (output_dir / "metrics.json").write_text(json.dumps(scores))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    table = pa.table({"tokens": [["Paris"]], "tags": [["B-geo"]]})
    figures = measure("mini", table, {"validation": table, "test": table}, 7, "--max_steps 3", str(tmp_path))
    assert figures.pop("seconds") > 0 and figures == {"f1": 0.5, "macro_f1": 0.25, "validation_f1": 0.75}
    assert commands[0][2:8] == ["--model", "mini", "--seed", "7", "--max_steps", "3"]
    assert json.loads((tmp_path / "train.jsonl").read_text()) == {"tokens": ["Paris"], "ner_tags": ["B-geo"]}


def test_nothing_to_show(tmp_path, capsys):
    assert main(["--output", str(tmp_path / "none.jsonl")]) == 2
    assert "learning_curves: --train_file: not given, and --output holds no figures yet" in capsys.readouterr().err
