"""The table of ways to train."""

import os

import pytest

from benchmarks.bench_ways import markdown, resident_peak, run, spread


def one(f1, rare, seconds, peak):
    per_type = {"geo": {"f1": 0.9, "support": 80}, "art": {"f1": rare, "support": 2}, "tim": {"f1": 0.5, "support": 9}}
    per_type["eve"] = {"f1": 0.25, "support": 2}
    test = {"f1": f1, "macro_f1": f1 / 2, "per_type": per_type}
    return {"test": test, "training": {"seconds": seconds}, "peak": peak}


def test_means_and_ranges_of_the_rarest_types():
    runs = {
        "full": [one(0.5, 0.0, 10.4, 3 * 2**30), one(0.6, 0.5, 12.0, 4 * 2**30)],
        "LoRA": [one(0.7, 0.1, 8.0, None)] * 2,
    }
    runs["full"][0]["test"]["per_type"]["nat"] = {"f1": 0.0, "support": 0}  # predicted once, never gold
    assert markdown(runs).splitlines() == [
        "| way | strict F1 | macro F1 | art (2) | eve (2) | tim (9) | seconds | peak MiB |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| full | 0.5500 (0.5000 to 0.6000) | 0.2750 (0.2500 to 0.3000) | 0.2500 (0.0000 to 0.5000)"
        " | 0.2500 (0.2500 to 0.2500) | 0.5000 (0.5000 to 0.5000) | 11 (10 to 12) | 3,584 (3,072 to 4,096) |",
        "| LoRA | 0.7000 (0.7000 to 0.7000) | 0.3500 (0.3500 to 0.3500) | 0.1000 (0.1000 to 0.1000)"
        " | 0.2500 (0.2500 to 0.2500) | 0.5000 (0.5000 to 0.5000) | 8 (8 to 8) | – |",
    ]
    assert spread([0.25], 2) == "0.25"


def test_the_peak_is_that_of_the_process():
    assert resident_peak(2**30) is None
    if os.path.exists("/proc/self/status"):
        before = resident_peak(os.getpid())
        block = b"x" * (200 * 2**20)
        assert resident_peak(os.getpid()) > 100 * 2**20 and before <= resident_peak(os.getpid()) and block


def test_a_run_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="--train_file nope.csv.*: run_ner.py: nope.csv: no such file"):
        run(["--train_file", "nope.csv"], tmp_path / "run")
