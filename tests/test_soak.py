"""Longer tests, `make soak`: whole runs on the bundled corpus and, where they are, on real ones."""

import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked_training import weights
from standin_hub import StandInHub
from test_interruptions import assert_two_processes_end_together
from test_run_ner import ROOT, lines_of, start

from ner_data import InputError
from ner_model.checkpoints import newest_verified

pytestmark = pytest.mark.soak
CORPORA = Path(os.environ.get("NER_CORPORA", Path(__file__).parent.parent / ".." / "shared" / "data"))
REAL = {
    "gmb": {"train": "gmb/ner_dataset.csv"},
    "wnut17": {"train": "wnut17/train.conll", "validation": "wnut17/dev.conll", "test": "wnut17/test.conll"},
}


def test_make_train_learns_something(tmp_path):
    code, out, err = start("--output_dir", tmp_path / "run", OMP_NUM_THREADS="1")
    assert code == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["f1"] > 0.8  # 0.83; the CRF: 0.79
    assert metrics["test"]["words"] == metrics["words"]["test"]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.skipif(
    not (CORPORA / "wnut17").is_dir() or not (CORPORA / "gmb").is_dir(),
    reason="NER_CORPORA names no directory of corpora",
)
def test_real_corpora_at_75_subwords_lose_no_word(name, tmp_path):
    """The 2018 recipe's rows, on its own file: 75 subwords, batch 32, a tenth for validation."""
    files = [f"--{split}_file={CORPORA / path}" for split, path in REAL[name].items()]
    flags = ["--max_length", "75", "--num_train_epochs", "1", "--output_dir", tmp_path / "run"]
    code, out, err = start(*files, *flags, OMP_NUM_THREADS="1")
    assert code == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for split in ("validation", "test"):
        sentences = lines_of(tmp_path / "run" / f"{split}_predictions.jsonl")
        assert sum(len(s["predicted"]) for s in sentences) == metrics["words"][split] == metrics[split]["words"]


TEXT = (
    "Angela Merkel visited Paris on Monday, and the U.N. met in Geneva.\n"
    "Two  spaces,\ta tab, 😀 an emoji: President Obama didn't fly from Baghdad to London.\n"
    "東京 is the capital of Japan; São Paulo isn't that of Brazil.\n"
)
LOADED = """
import json, sys
from huggingface_hub import snapshot_download
from transformers import pipeline
from ner_eval.recognizer import Recognizer

name, is_here, words, texts = json.load(sys.stdin)
task = "token-classification" if is_here else None  # the Hub knows it
ner = pipeline(task, model=name, aggregation_strategy="none", ignore_labels=[])
directory = name if is_here else snapshot_download(name)
found = {runtime: Recognizer(directory, runtime=runtime)(texts) for runtime in ("torch", "onnx")}
served = (ner(one, is_split_into_words=True)[0] for one in words)
found["pipeline"] = [[(e["start"], e["end"], e["entity"]) for e in one] for one in served]
json.dump(found | {"task": ner.task}, sys.stdout)
"""


def test_train_predict_publish_and_load_back(tmp_path):
    """The README's script from one end to the other, with the stand-in for the Hub."""
    if missing := [p for p in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(p) is None]:
        pytest.skip(f"--onnx_int8 needs {', '.join(missing)}")
    directory, text, output = str(tmp_path / "run"), tmp_path / "article.txt", tmp_path / "tagged.jsonl"
    text.write_text(TEXT, encoding="utf-8")
    code, _, err = start("--output_dir", directory, "--num_train_epochs", "1", OMP_NUM_THREADS="1")
    assert code == 0, err

    with StandInHub() as hub:

        def python(*arguments, given=None):
            environment = os.environ | hub.environment() | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, *map(str, arguments)]
            done = subprocess.run(
                command, input=given, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=240
            )
            assert done.returncode == 0, done.stderr
            assert hub.token not in done.stdout + done.stderr
            return done.stdout

        python("-m", "ner_eval.predict", "--model", directory, text, "--output", output)
        predicted, texts = lines_of(output), TEXT.splitlines()
        assert [line["text"] for line in predicted] == texts
        spans = [(line["text"], span) for line in predicted for span in line["spans"]]
        assert spans and all(whole[span["start"] : span["end"]] == span["text"] for whole, span in spans)

        test_file = ROOT / "ner_data" / "sample_test.csv"
        flags = ["--hub_model_id", "me/x", "--onnx_int8", "--test_file", test_file]
        *_, address = python("-m", "ner_eval.publish", "--model", directory, *flags).splitlines()
        assert address == f"{hub.url}/me/x"
        assert "model.onnx" in hub.repos["me/x"].files and len(hub.repos["me/x"].pushed) == 1

        words = [line["tokens"] for line in predicted]
        before, after = (
            json.loads(python("-c", LOADED, given=json.dumps([name, name == directory, words, texts])))
            for name in (directory, "me/x")
        )
        assert after == before
        assert after["task"] == "token-classification"
        assert [one["tags"] for one in after["torch"]] == [line["tags"] for line in predicted]
        card = hub.repos["me/x"].files["README.md"].decode()
        shown = python("-c", "\n".join(re.findall(r"^(?:```|~~~)python\n(.*?)^(?:```|~~~)$", card, re.M | re.S)))
        assert shown.splitlines()[-1].startswith("[")
        assert hub.unexpected == []


def test_killed_at_random_times_a_run_ends_in_the_same_bytes(forked, tmp_path, capsys):
    """`run_ner.py`, killed or asked to end some forty times and each time started again, from what verifies."""
    flags = [f"--train_file={ROOT / 'ner_data' / 'sample_test.csv'}", "--learning_rate=1e-2", "--num_train_epochs=4"]
    flags += ["--metric_for_best_model=loss", "--greater_is_better=false"]  # F1 may be 0 to the end
    names = ("test_predictions.jsonl", "validation_predictions.jsonl")

    def run(directory, *more, after=None):
        argv = [*flags, "--output_dir", directory, *more]
        return forked.processes(1, argv=[str(word) for word in argv], after=after)[0]

    assert run(tmp_path / "first")[0] == 0  # what is read for the first time takes longer
    begin = time.monotonic()
    code, output = run(tmp_path / "whole")
    assert code == 0, output
    seconds = time.monotonic() - begin
    chance, ended, finished = random.Random(5), [], 0
    while ended.count(-9) < 30:
        directory, how = tmp_path / f"run-{finished}", []
        while True:
            name = chance.choice(["SIGKILL", "SIGKILL", "SIGKILL", "SIGTERM"])
            begin = time.monotonic()
            code, output = run(directory, *how, after=(chance.uniform(0, seconds), name))
            if code == 0:
                break
            assert code == (-9 if name == "SIGKILL" else 143) and "Traceback" not in output, output
            ended.append(code)
            try:
                newest_verified(str(directory), str)
                how = ["--resume_from_checkpoint"]
            except InputError:
                how = ["--overwrite_output_dir"]
        finished += 1
        if not how:  # from the beginning to the end: no later than that can a kill come
            seconds = min(seconds, time.monotonic() - begin)
        assert weights(directory) == weights(tmp_path / "whole")
        for one in names:
            assert (directory / one).read_bytes() == (tmp_path / "whole" / one).read_bytes(), one
    with capsys.disabled():
        print(f"\n{ended.count(-9)} kills and {ended.count(143)} SIGTERM at random times, {finished} runs: same bytes")


@pytest.mark.parametrize("once", range(20))
def test_two_processes_end_together_twenty_times(once, forked, tmp_path):
    assert_two_processes_end_together(forked, tmp_path)
