"""ONNX: the same tags without torch, int8 measured and bounded, published; skipped where its packages are missing."""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from families import TEXT
from test_predict import save_classifier
from test_windows import sentences

from ner_data import InputError
from ner_eval import onnx_export
from ner_eval.onnx_export import ExportError, export_onnx, f1_of
from ner_eval.onnx_runtime import PIP, WordTokenizer, check_weights, remove_stale_onnx
from ner_eval.publish import files_to_publish, main, publish
from ner_eval.recognizer import Recognizer
from ner_model.load import load_tokenizer

ROOT = Path(__file__).parent.parent
WORDS = [text.split() for text in TEXT[:6]] + [["Paris"] * 90, ["\u200b", "東京", "U.S."], ["a"]]

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in onnx_export.PACKAGES),
    reason=f"optional packages: {PIP}",
)


@pytest.fixture(scope="module")
def exported(bert_dir, tmp_path_factory):
    """A directory with model.onnx in fp32, and what was said."""
    directory, lines = save_classifier(bert_dir, tmp_path_factory.mktemp("onnx"), ner_words="treebank"), []
    export_onnx(directory, say=lines.append)
    return directory, lines


@pytest.fixture
def copy(exported, tmp_path):
    return Path(shutil.copytree(exported[0], tmp_path / "copy"))


@pytest.fixture(scope="module")
def labelled(exported):
    """Sentences whose gold tags are what the model says."""
    tags = Recognizer(exported[0], no_bf16=True).label(WORDS).tags
    legal = [["O" if tag[0] == "I" else tag for tag in row] for row in tags]
    return sentences(*zip(WORDS, legal, strict=True))


def test_the_tokenizer_without_transformers(encoder_dir, tmp_path):
    from ner_data.windows import special_tokens, word_pieces

    theirs = load_tokenizer(encoder_dir, [])
    theirs.save_pretrained(tmp_path)
    ours = WordTokenizer(tmp_path)
    words = ["Paris", "U.S.", "didn't", "東京", "\u200b", " x", "São", "e\u0301", "👍🏽", ".", ""]
    for mine, oracle in zip(word_pieces(ours, words), word_pieces(theirs, words), strict=True):
        assert mine.tolist() == oracle.tolist()
    path = tmp_path / "tokenizer.json"  # as somebody else may have saved it: a byte-level one without the space
    path.write_text(path.read_text().replace('"add_prefix_space": true', '"add_prefix_space": false'))
    for mine, oracle in zip(word_pieces(WordTokenizer(tmp_path), words), word_pieces(theirs, words), strict=True):
        assert mine.tolist() == oracle.tolist()
    assert special_tokens(ours) == special_tokens(theirs)
    assert (ours.pad_token_id, ours.unk_token_id) == (theirs.pad_token_id, theirs.unk_token_id)


@needs_onnx
def test_fp32_gives_the_same_tags(exported):
    directory, lines = exported
    onnx, exact = Recognizer(directory, runtime="onnx"), Recognizer(directory, no_bf16=True)
    assert onnx.label(WORDS).tags == exact.label(WORDS).tags
    assert abs(np.exp(onnx.scores(WORDS)) - np.exp(exact.scores(WORDS))).max() < 1e-4
    assert onnx.max_length == exact.max_length == 64
    size = os.path.getsize(f"{directory}/model.onnx")
    assert lines == [f"{directory}/model.onnx: fp32, {size:,} bytes, the same scores as the model's"]
    umask = os.umask(0)
    os.umask(umask)
    assert os.stat(f"{directory}/model.onnx").st_mode & 0o777 == 0o666 & ~umask
    check_weights(directory)


@needs_onnx
def test_the_file_does_not_tell_where_it_was_made(exported, copy, monkeypatch):
    for content in (Path(exported[0], "model.onnx").read_bytes(), quantised(copy, monkeypatch)):
        for place in (str(ROOT), os.getcwd(), sys.prefix, "site-packages", "stack_trace"):
            assert place.encode() not in content, place


def quantised(copy, monkeypatch):
    monkeypatch.setattr(onnx_export, "_trace", lambda exact, path: shutil.copy(path.with_suffix(".onnx.old"), path))
    export_onnx(copy, int8=True, say=lambda line: None)
    return (copy / "model.onnx").read_bytes()


@needs_onnx
def test_after_a_killed_export_the_file_before_it_comes_back(copy, monkeypatch):
    good = (copy / "model.onnx").read_bytes()
    os.rename(copy / "model.onnx", copy / "model.onnx.old")
    (copy / "model.onnx").write_bytes(b"half")

    def fail(exact, path):
        raise ExportError("x")

    monkeypatch.setattr(onnx_export, "_trace", fail)
    with pytest.raises(ExportError):
        export_onnx(copy)
    assert (copy / "model.onnx").read_bytes() == good and not (copy / "model.onnx.old").exists()


@needs_onnx
def test_a_model_of_the_hub_is_fetched_before_it_is_exported():
    with pytest.raises(
        InputError, match="^--model me/x: no such directory; to export .*: hf download me/x --local-dir"
    ):
        export_onnx("me/x")


@needs_onnx
@pytest.mark.soak
def test_every_family_is_exported(encoder_dir, tmp_path):
    directory = save_classifier(encoder_dir, tmp_path)
    export_onnx(directory)
    onnx, exact = Recognizer(directory, runtime="onnx"), Recognizer(directory, no_bf16=True)
    assert onnx.label(WORDS).tags == exact.label(WORDS).tags


@needs_onnx
def test_torch_is_not_imported(exported):
    program = (
        "import sys; from ner_eval.recognizer import Recognizer\n"
        "found = Recognizer(sys.argv[1], runtime='onnx')('Angela Merkel visited Paris.')\n"
        "assert not {'torch', 'transformers'} & set(sys.modules), 'imported'\n"
        "import json; print(json.dumps(found))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, exported[0]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    exact = Recognizer(exported[0], no_bf16=True)("Angela Merkel visited Paris.")
    assert json.loads(done.stdout)["tags"] == exact["tags"]


@needs_onnx
def test_int8_is_measured_and_bounded(exported, copy, labelled, monkeypatch):
    lines = []
    monkeypatch.setattr(onnx_export, "_trace", lambda exact, path: shutil.copy(path.with_suffix(".onnx.old"), path))
    before = f1_of(Recognizer(str(copy), no_bf16=True), labelled)
    monkeypatch.setattr(onnx_export, "MAX_F1_LOSS", 1.0)
    export_onnx(copy, int8=True, sentences=labelled, say=lines.append)
    served = Recognizer(str(copy), runtime="onnx")
    after = f1_of(served, labelled)
    assert served.precision.startswith("int8")
    assert lines[1] == f"int8: strict F1 {after:.4f}, fp32 {before:.4f}, change {after - before:+.4f} (9 sentences)"
    assert os.path.getsize(copy / "model.onnx") < os.path.getsize(f"{exported[0]}/model.onnx")


@needs_onnx
def test_a_refused_export_leaves_what_was_there(copy, labelled, monkeypatch):
    monkeypatch.setattr(onnx_export, "_trace", lambda exact, path: shutil.copy(path.with_suffix(".onnx.old"), path))
    data, names = (copy / "model.onnx").read_bytes(), sorted(os.listdir(copy))
    with monkeypatch.context() as strict:
        strict.setattr(onnx_export, "MAX_F1_LOSS", -1.0)  # no change is good enough
        with pytest.raises(ExportError, match="int8 loses .* F1, more than -1.0; export fp32"):
            export_onnx(copy, int8=True, sentences=labelled)
    assert (onnx_export.MAX_F1_LOSS, onnx_export.MAX_DIFFERENCE) == (0.01, 0.01)
    for after, refused in (
        (0.85, pytest.raises(ExportError, match="loses 0.0500 F1")),
        (0.95, contextlib.nullcontext()),
    ):
        scores = iter([0.9, after])
        monkeypatch.setattr(onnx_export, "f1_of", lambda recognizer, sentences, scores=scores: next(scores))
        with refused:
            onnx_export._check_f1(Recognizer(str(copy), no_bf16=True), copy, labelled, str)
    with pytest.raises(InputError, match="the model does not know B-x, I-x"):
        export_onnx(copy, int8=True, sentences=sentences((["a"], ["B-x"])))
    monkeypatch.setattr(onnx_export, "MAX_DIFFERENCE", -1.0)
    with pytest.raises(ExportError, match="fp32 differs from the model"):
        export_onnx(copy)
    assert (copy / "model.onnx").read_bytes() == data and sorted(os.listdir(copy)) == names


@needs_onnx
def test_without_a_labelled_file_it_says_so(copy, monkeypatch):
    lines = []
    monkeypatch.setattr(onnx_export, "_trace", lambda exact, path: shutil.copy(path.with_suffix(".onnx.old"), path))
    export_onnx(copy, int8=True, say=lines.append)
    assert lines[-1] == "int8: F1 not measured, no labelled file was given (--test_file)"


@needs_onnx
def test_other_weights_are_noticed(copy):
    with open(copy / "model.safetensors", "ab") as file:
        file.write(b" ")
    for check in (check_weights, lambda path: Recognizer(str(path), runtime="onnx"), lambda path: publish(path, "a/b")):
        with pytest.raises(InputError, match="model.onnx: made from other weights than model.safetensors"):
            check(copy)


@needs_onnx
def test_the_file_of_an_earlier_model_goes_when_a_run_has_saved_another(copy):
    said = []
    remove_stale_onnx(copy, said.append)
    assert (copy / "model.onnx").exists() and not said
    with open(copy / "model.safetensors", "ab") as file:
        file.write(b" ")
    remove_stale_onnx(copy, said.append)
    assert not (copy / "model.onnx").exists()
    assert said == [f"{copy}: removed model.onnx, which an earlier model was exported to"]


@needs_onnx
def test_a_directory_that_cannot_be_written_to_is_one_line(copy, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    data = (copy / "model.onnx").read_bytes()
    monkeypatch.setattr(onnx_export, "_trace", lambda exact, path: path.write_bytes(b"half"))
    monkeypatch.setattr(onnx_export, "_describe", full)
    with pytest.raises(ExportError, match="model.onnx: cannot be written .No space left on device."):
        export_onnx(copy)
    monkeypatch.setattr(onnx_export.os, "replace", full)
    with pytest.raises(ExportError, match="cannot be written"):
        export_onnx(copy)
    monkeypatch.undo()
    assert (copy / "model.onnx").read_bytes() == data and not (copy / "model.onnx.old").exists()


@needs_onnx
def test_it_is_published(copy, monkeypatch, capsys):
    pushed = []
    monkeypatch.setattr("ner_eval.publish.check_login", lambda name, token: name)
    monkeypatch.setattr(
        "ner_eval.publish.publish", lambda path, *_, **__: pushed.append(files_to_publish(path)) or "at"
    )
    monkeypatch.setattr(onnx_export, "_trace", lambda exact, path: shutil.copy(path.with_suffix(".onnx.old"), path))
    assert main(["--model", str(copy), "--hub_model_id", "me/it", "--onnx"]) == 0
    assert "model.onnx" in [path.name for path in pushed[0]]
    assert "bytes  model.onnx" in capsys.readouterr().out
    monkeypatch.setattr(onnx_export, "MAX_DIFFERENCE", -1.0)
    assert main(["--model", str(copy), "--hub_model_id", "me/it", "--onnx"]) == 1
    assert "nothing was pushed" in capsys.readouterr().err and len(pushed) == 1


def test_missing_packages_and_flags_are_named(bert_dir, tmp_path, monkeypatch, capsys):
    directory = save_classifier(bert_dir, tmp_path)
    command = ["--model", directory, "--hub_model_id", "me/it"]
    assert main([*command, "--test_file", "x.csv"]) == 2
    assert "--test_file x.csv: measures --onnx_int8" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main([*command, "--onnx", "--onnx_int8"])
    assert stop.value.code == 2 and "not allowed with argument" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([*command, "--onnx"]) == 2
    assert f"ONNX: onnx, onnxruntime, onnxscript not installed; {PIP}" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="onnxruntime is not installed; pip install"):
        Recognizer(directory, runtime="onnx")


@needs_onnx
def test_a_directory_without_onnx(bert_dir, tmp_path):
    directory = save_classifier(bert_dir, tmp_path)
    with pytest.raises(InputError, match="no model.onnx in it; python -m ner_eval.onnx_export --model"):
        Recognizer(directory, runtime="onnx")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="model.onnx cannot be loaded"):
        Recognizer(directory, runtime="onnx")
