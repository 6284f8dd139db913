"""The windows of a run in files; with several processes: test_distributed.py."""

import os

import pytest
from test_windows import MERKEL, NAMES, sentences

from ner_data import InputError
from ner_data.windows import encode
from ner_model.encoding import encode_once
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
