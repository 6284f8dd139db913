"""Longer tests, `make soak`: whole runs on the bundled corpus and, where they are, on real ones."""

import json
import os
from pathlib import Path

import pytest
from test_run_ner import lines_of, start

pytestmark = pytest.mark.soak
CORPORA = Path(os.environ.get("NER_CORPORA", Path(__file__).parent.parent / ".." / "shared" / "data"))
REAL = {
    "gmb": {"train": "gmb/ner_dataset.csv"},
    "wnut17": {"train": "wnut17/train.conll", "validation": "wnut17/dev.conll", "test": "wnut17/test.conll"},
}


def test_make_train_learns_something(tmp_path):
    code, out, err = start("--output_dir", tmp_path / "run", OMP_NUM_THREADS="2")
    assert code == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["f1"] > 0.35  # the most frequent tag per word: 0.32
    assert metrics["test"]["words"] == metrics["words"]["test"]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.skipif(not CORPORA.is_dir(), reason="NER_CORPORA names no directory of corpora")
def test_real_corpora_at_75_subwords_lose_no_word(name, tmp_path):
    """The 2018 recipe's rows, on its own file: 75 subwords, batch 32, a tenth for validation."""
    files = [f"--{split}_file={CORPORA / path}" for split, path in REAL[name].items()]
    flags = ["--max_length", "75", "--num_train_epochs", "1", "--output_dir", tmp_path / "run"]
    code, out, err = start(*files, *flags, OMP_NUM_THREADS="2")
    assert code == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for split in ("validation", "test"):
        sentences = lines_of(tmp_path / "run" / f"{split}_predictions.jsonl")
        assert sum(len(s["predicted"]) for s in sentences) == metrics["words"][split] == metrics[split]["words"]
