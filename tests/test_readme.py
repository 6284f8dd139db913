"""What the README and the Makefile say is so."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from ner_data.read import read_sentences
from ner_model.arguments import training_flags
from ner_model.pretrain import Pretraining
from run_ner import Recipe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


# of a `make test ARGS=...` that runs this, and of whoever exports a variable of the Makefile
OF_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MODEL", "TRAIN_FILE", "VALIDATION_FILE", "TEST_FILE", "OUTPUT_DIR"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in OF_MAKE | {"ARGS"}}


def make(*words):
    command = ["make", "-s", "-C", str(ROOT), *words]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_every_flag_in_the_readme_is_a_flag():
    own = {*Recipe.__dataclass_fields__, *Pretraining.__dataclass_fields__, *training_flags(), "help"}
    own |= {"multi_gpu", "num_processes", "config_file", "quiet"}  # of `accelerate launch`
    modules = "".join(
        path.read_text() for room in ("ner_data", "ner_eval", "benchmarks") for path in (ROOT / room).glob("*.py")
    )
    for flag in set(re.findall(r"--(\w+)", README)):
        assert flag in own or flag.removeprefix("no_") in own or f"--{flag}" in modules, flag


def test_every_path_in_the_readme_is_there():
    for path in re.findall(r"`((?:ner_\w+|tests|benchmarks|configs)/[\w/.*]*|[\w]+\.(?:py|txt))`", README):
        assert list(ROOT.glob(path)) or path in {"metrics.json"}, path


def test_every_make_target_in_the_readme_is_there():
    listed = {line.split()[0] for line in make().splitlines()}
    assert set(re.findall(r"^make (\w+)", README, flags=re.MULTILINE)) <= listed


def test_the_readmes_rows_can_be_read(tmp_path):
    blocks = re.split(r"^```\w*\n", README, flags=re.MULTILINE)
    block = next(block for block in blocks if block.startswith("Sentence #"))
    (tmp_path / "words.csv").write_text(block)
    table = read_sentences(str(tmp_path / "words.csv"), say=lambda *_: None)
    assert table["tokens"].to_pylist() == [["Thousands", "marched", "through", "London"]]
    assert table["tags"].to_pylist() == [["O", "O", "O", "B-geo"]]


@pytest.mark.parametrize(
    ("variables", "flags"),
    [
        ([], "--model mini"),
        (["MODEL=bert-base-cased", "TRAIN_FILE=words.csv"], "--model bert-base-cased --train_file words.csv"),
        (
            ["TRAIN_FILE=a.csv", "VALIDATION_FILE=v.csv", "TEST_FILE=t.csv"],
            "--model mini --train_file a.csv --validation_file v.csv --test_file t.csv",
        ),
        (["OUTPUT_DIR=o", "ARGS=--seed 1"], "--model mini --output_dir o --seed 1"),
    ],
)
def test_make_train_hands_its_variables_on(variables, flags):
    commands = make("-n", "-o", ".venv/.run", "train", *variables).splitlines()
    assert shlex.split(commands[-1]) == [".venv/bin/python", "run_ner.py", *flags.split()]


def test_make_leaves_patterns_of_files_to_the_recipe():
    *_, command = make("-n", "-o", ".venv/.run", "audit", "TRAIN_FILE=part-*.csv", "TEST_FILE=my test.csv").splitlines()
    assert " --train_file 'part-*.csv'  --test_file 'my test.csv' " in command


def test_ci_runs_the_readmes_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text() and "\nmake test " in README


def test_a_variable_that_the_makefile_does_not_read_is_refused():
    command = ["make", "-C", str(ROOT), "-n", "train", "TRAIN=a.csv"]
    run = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert run.returncode == 2 and "TRAIN: no variable of this Makefile; use MODEL, TRAIN_FILE," in run.stderr


def test_a_variable_that_a_target_does_not_read_is_refused():
    command = ["make", "-C", str(ROOT), "-n", "suspects", "TRAIN_FILE=a.csv", "OUTPUT_DIR=o"]
    run = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert run.returncode == 2 and "OUTPUT_DIR: not read by make suspects; leave it out" in run.stderr
    *_, command = make("-n", "-o", ".venv/.run", "audit", "MODEL=bert-base-cased", "TRAIN_FILE=a.csv").splitlines()
    assert "-m ner_data.audit --model 'bert-base-cased' --train_file 'a.csv'" in command
    *_, command = make("-n", "-o", ".venv/.run", "push", "MODEL=runs/a", "TEST_FILE=t.csv").splitlines()
    assert "-m ner_eval.publish --model 'runs/a' --test_file 't.csv'" in command


def test_pretraining_from_random_weights_names_no_model():
    command = make("-n", "-o", ".venv/.run", "pretrain", "OUTPUT_DIR=o", "ARGS=--text a.txt")
    assert "--model" not in command and "--output_dir 'o' --text a.txt" in command
