"""The columns of a file can be named to every command that reads labelled words."""

import argparse

import pytest

from ner_data.formats.word_csv import Columns
from ner_data.reading_flags import add_reading_flags, reading_of
from ner_eval import onnx_export, publish, suspects
from ner_model import pretrain

FLAGS = ["--sentence_column", "sid", "--word_column", "token", "--tag_column", "label"]
TOKENS = [[f"w{k}", "sleeps"] for k in range(40)]


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "words.csv"
    rows = [f"{k},{word},{tag}" for k, tokens in enumerate(TOKENS) for word, tag in zip(tokens, "AO", strict=True)]
    path.write_text("\n".join(["sid,token,label", *rows]).replace(",A", ",B-geo") + "\n")
    return str(path)


def test_every_flag_arrives():
    parser = argparse.ArgumentParser()
    add_reading_flags(parser)
    given = ["--format", "conll", "--tag_scheme", "BIOES", "--repair", *FLAGS]
    assert reading_of(parser.parse_args(given)) == {
        **{"format": "conll", "tag_scheme": "BIOES", "repair": True},
        **{"sentence_column": "sid", "word_column": "token", "tag_column": "label"},
    }


def test_pretrain(words):
    given = ["--train_file", words, "--output_dir", "x", "--max_steps", "1", "--use_cpu", "true"]
    flags, reading, rest = pretrain.parse([*given, *FLAGS])
    assert rest == ["--max_steps", "1", "--use_cpu", "true"]
    found = pretrain.read_text_of(flags, reading, say=lambda line: None)
    assert len(found) == 32 and all(tokens in TOKENS for tokens in found)
    assert pretrain.parse(given)[1]["word_column"] == Columns().word


def test_suspects(words, monkeypatch, tmp_path):
    seen = []

    def out_of_fold(table, folds, seed, flags, directory):
        seen.append((table["tokens"].to_pylist(), flags))
        return table["tags"].to_pylist(), [[1.0, 1.0]] * len(table)

    monkeypatch.setattr(suspects, "out_of_fold", out_of_fold)
    output = ["--output", str(tmp_path / "s.csv")]
    assert suspects.main(["--train_file", words, *output, *FLAGS, "--num_train_epochs", "1"]) == 0
    assert seen == [(TOKENS, ["--num_train_epochs", "1"])]


def test_exports(words, monkeypatch):
    seen = []
    monkeypatch.setattr(onnx_export, "export_onnx", lambda model, int8, sentences: seen.append(sentences))
    monkeypatch.setattr(onnx_export, "check_packages", lambda: None)
    assert onnx_export.main(["--model", "x", "--int8", "--test_file", words, *FLAGS]) == 0
    monkeypatch.setattr(publish, "files_to_publish", lambda directory: [])
    monkeypatch.setattr(publish, "check_login", lambda name, token: name)
    monkeypatch.setattr(publish, "_add_onnx", lambda options, sentences: seen.append(sentences))
    monkeypatch.setattr(publish, "publish", lambda *_, **__: "address")
    given = ["--model", "x", "--hub_model_id", "me/x", "--onnx_int8", "--test_file", words]
    assert publish.main([*given, *FLAGS]) == 0
    assert [table["tokens"].to_pylist() for table in seen] == [TOKENS, TOKENS]


def test_without_them_the_error_names_one(words, capsys):
    assert onnx_export.main(["--model", "x", "--int8", "--test_file", words]) == 2
    assert "name it with --word_column" in capsys.readouterr().err
