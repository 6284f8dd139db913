"""The windows of a run in files; with several processes: test_distributed.py."""

import os
import subprocess
import sys
import tempfile

import pytest
from test_windows import MERKEL, NAMES, sentences

from ner_data import InputError
from ner_data.windows import encode
from ner_model.encoding import PREFIX, encode_once
from ner_model.load import load_tokenizer


def test_windows_of_every_split_are_mapped_from_files(bert_dir):
    tokenizer = load_tokenizer(bert_dir, [])
    tables = {"train": sentences(MERKEL, MERKEL), "validation": sentences(MERKEL)}
    encoded, windows = encode_once(tables, tokenizer, NAMES, 16, 2)
    assert list(encoded) == list(windows) == ["train", "validation"]
    for split, table in tables.items():
        whole = encode(table, tokenizer, NAMES, 16, 2)
        assert encoded[split].table.to_pylist() == windows[split].to_list() == whole.table.to_pylist()
        assert (encoded[split].words, encoded[split].split_sentences) == (whole.words, whole.split_sentences)
        (file,) = windows[split].cache_files
        assert os.path.basename(file["filename"]) == f"{split}.arrow"


def test_no_room_for_the_files_is_one_clear_line(bert_dir, monkeypatch):
    def full(path, *rest):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ner_model.encoding.encode_to_file", full)
    monkeypatch.setenv("TMPDIR", "/somewhere")
    with pytest.raises(InputError, match="TMPDIR /somewhere: .* No space left on device.*; set it to a directory"):
        encode_once({"train": sentences(MERKEL)}, load_tokenizer(bert_dir, []), NAMES, 16, 2)


LIVING = """
import os, sys, tempfile
from ner_model import encoding
folder = tempfile.mkdtemp(prefix=encoding.PREFIX)
encoding._lock(os.open(folder, os.O_RDONLY))
open(os.path.join(folder, "train.arrow"), "wb").write(bytes(1_234_567))
print(folder, flush=True)
sys.stdin.read()
"""


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_uses_is_not(bert_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    theirs = [tmp_path / name for name in (f"{PREFIX}file", "run_ner-main/train.arrow")]
    theirs += [tmp_path / f"{PREFIX}x" / name for name in ("train.arrow", "more/test.arrow")]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not of a run")
    (tmp_path / f"{PREFIX}empty").mkdir()  # of a run that has not locked it yet
    run = subprocess.Popen(
        [sys.executable, "-c", LIVING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    folder, said = run.stdout.readline().strip(), []
    tables = {"train": sentences(MERKEL)}
    try:
        encode_once(tables, load_tokenizer(bert_dir, []), NAMES, 16, 2, said.append)
        assert said == [] and os.listdir(folder) == ["train.arrow"]
    finally:
        run.kill()
        run.communicate()
    encode_once(tables, load_tokenizer(bert_dir, []), NAMES, 16, 2, said.append)
    assert said == [f"removed {folder}: 1.2 MB of encoded windows that a killed run left there"]
    assert not os.path.exists(folder)
    assert (tmp_path / f"{PREFIX}empty").is_dir() and all(path.is_file() for path in theirs)
