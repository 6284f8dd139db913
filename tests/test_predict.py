"""Prediction: words of running text, exact offsets, every input and output, resuming, several processes, mistakes."""

import csv
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from families import TEXT as FAMILY_TEXT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import bench_predict
from ner_data import InputError
from ner_data.formats.word_csv import Columns
from ner_data.labels import flat
from ner_data.read import read_sentences
from ner_eval import predict as predicting
from ner_eval import recognizer as recognizing
from ner_eval.decode import decode, tag_sentences
from ner_eval.predict import blocks, main
from ner_eval.prediction_lines import Lines
from ner_eval.recognizer import Recognizer, character_spans, log_softmax, read_settings, store_settings
from ner_eval.records import Source
from ner_eval.transitions import from_config
from ner_eval.word_rules import RULES, fitting_rule, words_of
from ner_model.load import load_model, load_tokenizer, subword_limit
from ner_model.packed_linear import PackedLinear
from ner_model.precision import bf16_between_products

ROOT = Path(__file__).parent.parent
NAMES = ["O", "B-geo", "I-geo", "B-per", "I-per"]
TEXT = "Angela  Merkel\tvisited Paris 🇫🇷 on Monday."
PIECES = [
    "\t",
    "  ",
    "\u00a0",
    "\u2028",
    "e\u0301",
    "नमस्ते",
    "東京",
    "שלום",
    "\u202e",
    "👨\u200d👩\u200d👧",
    "U.S.",
    "'s",
    "n't",
    "10,000",
]


def save_classifier(encoder, directory, **settings):
    """A token classifier on a tiny encoder, its head random and centred so that all labels occur."""
    tokenizer = load_tokenizer(encoder, [])
    torch.manual_seed(3)
    model = load_model(encoder, tokenizer, NAMES, keep_head=False).eval()
    torch.nn.init.normal_(model.classifier.weight, std=4.0)
    batch = tokenizer([text.split() for text in FAMILY_TEXT[:6]], is_split_into_words=True, padding=True)
    ids, mask = torch.tensor(batch["input_ids"]), torch.tensor(batch["attention_mask"])
    with torch.no_grad():
        model.classifier.bias -= model(input_ids=ids, attention_mask=mask).logits[mask.bool()].mean(0)
    subword_limit(tokenizer, model)
    for key, value in settings.items():
        setattr(model.config, key, value)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


@pytest.fixture(scope="module")
def saved(bert_dir, tmp_path_factory):
    return save_classifier(bert_dir, tmp_path_factory.mktemp("saved"), ner_words="treebank")


@pytest.fixture(scope="module")
def ner(saved):
    return Recognizer(saved)


def tokens_of(text, rule):
    return [text[start:end] for start, end in words_of(text, rule)]


# words of running text


@pytest.mark.parametrize(
    "text, plain, treebank",
    [
        ("He didn't go.", "He didn ' t go .", "He did n't go ."),
        ("Ada's U.S.-led men", "Ada ' s U . S . - led men", "Ada 's U.S.-led men"),
        ("Mr. J. Smith, at 10:30 a.m.", "Mr . J . Smith , at 10 : 30 a . m .", "Mr. J. Smith , at 10:30 a.m."),
        ("$10,000 -- 3.5%...", "$ 10 , 000 - - 3 . 5 % . . .", "$ 10,000 -- 3.5 % ..."),
        ("The end.And O'Brien’s", "The end . And O ' Brien ’ s", "The end . And O'Brien ’s"),
        ("e\u0301te\u0301 👨\u200d👩\u200d👧🇫🇷", None, "e\u0301te\u0301 👨\u200d👩\u200d👧 🇫🇷"),
        ("नमस्ते שלום, 東京", None, "नमस्ते שלום , 東 京"),
        ("BMW在北京的U.S.公司。", "BMW 在 北 京 的 U . S . 公 司 。", "BMW 在 北 京 的 U.S. 公 司 。"),
        ("วันนี้ 10,000 ค", "วั น นี้ 10 , 000 ค", "วั น นี้ 10,000 ค"),
        ("Jakob 's `` n't '' 'll", None, "Jakob 's `` n't '' 'll"),
        (" \t\u00a0\u2003 ", "", ""),
    ],
)
def test_the_word_rules(text, plain, treebank):
    assert tokens_of(text, "treebank") == treebank.split()
    assert plain is None or tokens_of(text, "plain") == plain.split()


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.one_of(st.text(), st.sampled_from(PIECES))).map("".join))
def test_every_character_but_white_space_is_in_one_word(text):
    for rule in RULES:
        words = words_of(text, rule)
        covered = [place for start, end in words for place in range(start, end)]
        assert covered == [place for place, character in enumerate(text) if not character.isspace()]


def test_the_rule_that_fits_the_training_words():
    words = flat(read_sentences(ROOT / "ner_data" / "sample.csv", say=lambda _: None)["tokens"]).to_pylist()
    rule, whole = fitting_rule(words)
    assert rule == "treebank" and whole > 0.998
    assert fitting_rule(["Ada", "sings", "."]) == ("plain", 1.0)
    assert fitting_rule([]) == ("plain", 0.0)


# the recogniser


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.lists(st.one_of(st.text(max_size=12), st.sampled_from(["Paris", " ", "Merkel", *PIECES]))).map("".join),
        min_size=50,
        max_size=50,
    )
)
def test_offsets_are_exact_on_1000_random_texts(ner, texts):
    for text, found in zip(texts, ner(texts), strict=True):
        assert found["text"] == text
        assert [len(found["tokens"])] == [len(found["tags"])] == [len(words_of(text, "treebank"))]
        for span in found["spans"]:
            assert text[span["start"] : span["end"]] == span["text"] == span["text"].strip() != ""
            assert 0 < span["score"] <= 1 and span["type"] in ("geo", "per")


def test_spans_are_those_of_the_tags(bert_dir, tmp_path):
    found = Recognizer(save_classifier(bert_dir, tmp_path, ner_words="treebank", ner_decoding="argmax"))(TEXT)
    words = words_of(TEXT, "treebank")
    spans, begin = [], None
    for place, tag in enumerate([*found["tags"], "O"]):
        if begin is not None and tag != f"I-{found['tags'][begin][2:]}":
            spans.append((words[begin][0], words[place - 1][1], found["tags"][begin][2:]))
            begin = None
        begin = place if tag.startswith("B-") else begin
    assert [(span["start"], span["end"], span["type"]) for span in found["spans"]] == spans != []


def test_entities_of_models_of_other_hands_may_begin_with_i(bert_dir, tmp_path):
    """IO and IOB1, as many models on the Hub have it: no `ner_decoding` in their configuration."""
    ner = Recognizer(save_classifier(bert_dir, tmp_path))
    names = ner.settings.names
    rows = np.full((4, len(names)), -9.0, np.float32)
    for word, name in enumerate(["I-per", "I-per", "O", "I-geo"]):
        rows[word, names.index(name)] = 0.0
    ner.scores = lambda sentences: rows
    assert [span[:3] for span in ner.label([["a", "b", "c", "d"]]).spans[0]] == [(0, 2, "per"), (3, 4, "geo")]
    ner.settings = ner.settings._replace(reading="strict")
    assert ner.label([["a", "b", "c", "d"]]).spans == [[]]


def test_the_score_is_the_product_of_the_word_probabilities(ner, monkeypatch):
    names, words = ner.settings.names, TEXT.split()
    rows = np.random.default_rng(0).normal(size=(2 * len(words), len(names)))
    for word, name in ((0, "B-per"), (1, "I-per"), (len(words) + 3, "B-geo")):
        rows[word, names.index(name)] = 9.0
    rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
    monkeypatch.setattr(ner, "scores", lambda sentences: rows.astype(np.float32))
    labelled = ner.label([words] * 2)
    assert any(last - first > 1 for spans in labelled.spans for first, last, *_ in spans)
    for spans, confidence in zip(labelled.spans, labelled.confidence, strict=True):
        for first, last, _, score in spans:
            product = 1.0
            for probability in confidence[first:last]:
                product *= probability
            assert score == pytest.approx(product, abs=2e-6)
    assert character_spans("a  b", [(0, 1), (3, 4)], [(0, 2, "per", 0.5)]) == [
        {"start": 0, "end": 4, "type": "per", "text": "a  b", "score": 0.5}
    ]


def test_length_and_company_do_not_matter(saved):
    ner = Recognizer(saved, no_bf16=True)
    long = ["Merkel", "visited", "Paris", "."] * 100
    sentences = [long, [], ["Paris"], ["\u200b", "U.S."], long[:7]]
    together = ner.label(sentences)
    assert [len(tags) for tags in together.tags] == [400, 0, 1, 2, 7]
    for words, tags in zip(sentences, together.tags, strict=True):
        assert ner.label([words]).tags == [tags]
    assert ner("") == {"text": "", "tokens": [], "tags": [], "spans": []}
    assert ner([]) == []


def test_words_get_the_labels_of_the_model_itself(saved):
    ner = Recognizer(saved, no_bf16=True)
    tokenizer, model = load_tokenizer(saved, []), load_model(saved, load_tokenizer(saved, []), NAMES, True).eval()
    words = "Jordan scored twice as Chelsea beat Arsenal .".split()
    encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**encoded).logits[0]
    firsts = [encoded.word_ids().index(word) for word in range(len(words))]
    assert ner.label([words]).tags[0] == [NAMES[k] for k in logits[firsts].argmax(-1)]
    expected = logits[firsts].log_softmax(-1).numpy()
    assert abs(ner.scores([words]) - expected).max() < 2e-5
    assert abs(log_softmax(logits[firsts].numpy()) - expected).max() < 5e-6  # of up to 26: an ulp is 2e-6


def test_windows_are_those_of_the_evaluation(bert_dir, tmp_path, monkeypatch):
    found = Recognizer(save_classifier(bert_dir, tmp_path, ner_max_length=20, ner_stride=3))
    asked = []
    encode = recognizing.encode
    monkeypatch.setattr(recognizing, "encode", lambda *given: asked.append(given[-2:]) or encode(*given))
    found(TEXT)
    assert asked == [(20, 3)]


def test_a_model_in_half_precision_is_served_in_fp32_where_that_is_said(saved, tmp_path):
    directory = shutil.copytree(saved, tmp_path / "half")
    transformers.AutoModelForTokenClassification.from_pretrained(saved, dtype=torch.float16).save_pretrained(directory)
    model = Recognizer(str(directory), no_bf16=True).model.model
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_text_from_standard_input(ner, saved, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)

    def piped(content):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        code = run("--model", saved, "-")
        return code, *capsys.readouterr()

    code, out, _ = piped(b"\xef\xbb\xbfParis\r\n\nMerkel")
    assert code == 0 and [json.loads(line)["text"] for line in out.splitlines()] == ["Paris", "", "Merkel"]
    code, _, err = piped(b"a\xff")
    assert code == 2 and "-:1: not UTF-8 (byte 0xFF)" in err


def test_the_flags_reach_the_recogniser(ner, saved, tmp_path, monkeypatch):
    (tmp_path / "in.txt").write_text("Paris\n")
    asked = []
    monkeypatch.setattr(predicting, "Recognizer", lambda *given: asked.append(given) or ner)
    run("--model", saved, tmp_path / "in.txt", "--runtime", "onnx", "--no_bf16", "--output", tmp_path / "out.jsonl")
    run("--model", saved, tmp_path / "in.txt", "--trust_remote_code", "--output", tmp_path / "out2.jsonl")
    assert asked == [(saved, "onnx", True, False), (saved, "torch", False, True)]


def test_who_reads_no_more_ends_it_without_a_word(ner, saved, tmp_path, monkeypatch, capfd):
    (tmp_path / "in.txt").write_text("Paris\n")
    monkeypatch.setattr(predicting, "_load", lambda args: ner)

    def closed(self, text):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(predicting.Output, "__call__", closed)
    monkeypatch.setattr(predicting.os, "dup2", lambda *_: None)
    assert run("--model", saved, tmp_path / "in.txt") == 141
    assert "cannot" not in capfd.readouterr().err


def test_settings_come_from_the_config(bert_dir, saved, tmp_path):
    stored = {"ner_words": "plain", "ner_decoding": "viterbi", "ner_max_length": 20, "ner_stride": 3}
    directory = save_classifier(bert_dir, tmp_path, **stored)
    assert read_settings(directory)[1:] == ("plain", "viterbi", 20, 3, None, "strict", None)
    assert read_settings(saved)[1:] == ("treebank", "argmax", None, 16, None, "conlleval", None)
    found = Recognizer(directory)
    assert found.max_length == 20
    tags = found(TEXT * 20)["tags"]
    assert all(tag[0] != "I" or before[1:] == tag[1:] for before, tag in zip(["O", *tags], tags, strict=False))


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ({"ner_words": "spaces"}, "ner_words"),
        ({"ner_decoding": "beam"}, "ner_decoding"),
        ({"ner_max_length": 2}, "ner_max_length"),
        ({"ner_max_length": "x"}, "ner_max_length"),
        ({"ner_stride": -1}, "ner_stride"),
    ],
)
def test_settings_that_cannot_be_are_refused(bert_dir, tmp_path, stored, name):
    with pytest.raises(InputError, match=name):
        read_settings(save_classifier(bert_dir, tmp_path, **stored))


def test_the_precision_of_the_evaluation_is_stored():
    for precision, stored in (("no", "fp32"), ("bf16", None), ("fp16", None)):
        config = transformers.BertConfig(id2label=dict(enumerate(NAMES)), ner_precision="fp32")
        store_settings(config, ["Ada"], "viterbi", None, 20, 3, precision)
        assert config.ner_precision == stored


def test_transitions_come_from_the_config(bert_dir, saved, tmp_path):
    stored = {"weight": 50.0, "log_shares": {name: {"others": -9.0, "O": -0.01} for name in [*NAMES, ""]}}
    stored["log_shares"]["B-per"] = {"others": -9.0, "I-per": -0.01}
    found = Recognizer(save_classifier(bert_dir, tmp_path, ner_decoding="viterbi", ner_transitions=stored))
    words = [TEXT.split()] * 2
    rows, offsets = found.scores(words), np.arange(3) * len(words[0])
    with_them = decode(rows, offsets, NAMES, "viterbi", from_config(stored, NAMES))
    assert (with_them != decode(rows, offsets, NAMES, "viterbi")).any()
    assert found.label(words).tags == tag_sentences(with_them, offsets, NAMES)


@pytest.mark.parametrize(
    "stored",
    [
        [],
        {"weight": 0.1},
        {"weight": -1, "log_shares": {name: {"others": 0} for name in [*NAMES, ""]}},
        {"weight": 0.1, "log_shares": {name: {"others": float("inf")} for name in [*NAMES, ""]}},
    ],
)
def test_transitions_that_cannot_be_used_are_refused(bert_dir, tmp_path, stored):
    directory = save_classifier(bert_dir, tmp_path, ner_decoding="viterbi", ner_transitions=stored)
    with pytest.raises(InputError, match="ner_transitions in its config.json cannot be used .*; take it out, or save"):
        read_settings(directory)


# files: every input and every output

SENTENCES = [["Merkel", "visited", "Paris", "."], ['"', "U.S.", "a,b"], ["Jordan", "n't"]]


def write_inputs(folder):
    """The same sentences in every form: {name: path}."""
    paths = {name: folder / f"in.{name}" for name in ("txt", "csv", "tsv", "conll", "jsonl", "text.jsonl", "txt.gz")}
    text = "".join(" ".join(tokens) + "\n" for tokens in SENTENCES)
    paths["txt"].write_text(text, encoding="utf-8")
    paths["txt.gz"].write_bytes(gzip.compress(text.encode()))
    for name, separator in (("csv", ","), ("tsv", "\t")):
        with open(paths[name], "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, delimiter=separator, lineterminator="\n")
            rows.writerow(["Sentence #", "Word", "POS"])
            for number, tokens in enumerate(SENTENCES):
                rows.writerows([f"S{number}" if not place else "", word, "X"] for place, word in enumerate(tokens))
    lines = ["\n".join(f"{word}\tX" for word in tokens) for tokens in SENTENCES]
    paths["conll"].write_text("# a comment\n-DOCSTART-\tX\n\n" + "\n\n".join(lines) + "\n", encoding="utf-8")
    paths["jsonl"].write_text("".join(json.dumps({"id": k, "tokens": t}) + "\n" for k, t in enumerate(SENTENCES)))
    paths["text.jsonl"].write_text("".join(json.dumps({"text": " ".join(t), "n": [1]}) + "\n" for t in SENTENCES))
    return paths


def run(*arguments):
    return main([*map(str, arguments)])


@pytest.mark.parametrize("form", ["txt", "csv", "tsv", "conll", "jsonl", "text.jsonl", "txt.gz"])
def test_every_input_in_every_output(ner, saved, tmp_path, form, monkeypatch):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    source = write_inputs(tmp_path)[form]
    is_text = form in ("txt", "txt.gz", "text.jsonl")
    words = [tokens_of(" ".join(tokens), "treebank") if is_text else tokens for tokens in SENTENCES]
    assert [len(tokens) for tokens in words] == ([4, 5, 2] if is_text else [4, 3, 2])
    tags = ner.label(words).tags
    for suffix in ("jsonl", "csv", "tsv", "conll"):
        path = tmp_path / f"out.{suffix}"
        assert run("--model", saved, source, "--output", path) == 0
        if suffix == "jsonl":
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            assert [(line["tokens"], line["tags"]) for line in lines] == list(zip(words, tags, strict=True))
            for line, tokens in zip(lines, words, strict=True):
                assert is_text or line["text"] == " ".join(tokens)
                assert all(line["text"][span["start"] : span["end"]] == span["text"] for span in line["spans"])
            carried = {"jsonl": ("id", [0, 1, 2]), "text.jsonl": ("n", [[1], [1], [1]])}.get(form)
            assert carried is None or [line[carried[0]] for line in lines] == carried[1]
        else:
            columns = {} if suffix == "conll" else {"tag_column": "Predicted"}
            table = read_sentences(path, say=lambda _: None, repair=True, **columns)
            assert table["tokens"].to_pylist() == words
            column = [line.rsplit("\t" if suffix == "conll" or "\t" in line else ",", 1)[-1] for line in
                      path.read_text(encoding="utf-8").splitlines() if line.strip()]  # fmt: skip
            skipped = 1 if suffix != "conll" else 2 if form == "conll" else 0
            assert column[skipped:] == [tag for sentence in tags for tag in sentence]


def test_the_rows_that_were_read_are_written_again(ner, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    for name in ("csv", "conll"):
        source, path = write_inputs(tmp_path)[name], tmp_path / f"again.{name}"
        assert run("--model", saved, source, "--output", path) == 0
        for before, after in zip(source.read_text().splitlines(), path.read_text().splitlines(), strict=True):
            assert after.startswith(before)
            assert after == before or after.count("\t") + after.count(",") == before.count("\t") + before.count(",") + 1
    (tmp_path / "in.jsonl").write_text('{"tags": ["O"], "text": "Ada  x", "tokens": ["Ada", "x"], "spans": 7}\n')
    assert run("--model", saved, tmp_path / "in.jsonl", "--output", tmp_path / "again.jsonl") == 0
    line = json.loads((tmp_path / "again.jsonl").read_text())
    assert list(line) == ["given_tags", "text", "tokens", "given_spans", "tags", "spans"]
    assert (line["given_tags"], line["text"], line["given_spans"]) == (["O"], "Ada  x", 7)


@pytest.mark.parametrize("path", [ROOT / "ner_data" / "sample_test.csv", ROOT / "tests" / "data" / "kaggle_latin1.csv"])
def test_sentences_are_those_of_training(path):
    table = read_sentences(path, say=lambda _: None, repair=True)
    records = list(Source(str(path), say=lambda _: None).records(lambda text: []))
    assert [record.tokens for record in records] == table["tokens"].to_pylist()
    assert [record.line for record in records] == table["row"].to_pylist()


def test_the_word_number_sign_in_columns_by_tab(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    (tmp_path / "in.conll").write_text("#\tSYM\n# one\nParis\tNNP\n#\tSYM\n# a\tb\tc\n")
    assert run("--model", saved, tmp_path / "in.conll") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["tokens"] == ["#", "Paris", "#"]
    assert f"{tmp_path / 'in.conll'}: 2 comment lines, not predicted" in err


def test_a_file_of_columns_that_is_read_as_running_text_is_remarked_upon(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    (tmp_path / "in.txt").write_text("-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nsays VBZ O O\n")
    assert run("--model", saved, tmp_path / "in.txt") == 0
    assert "its lines look like a word and its tag: --format conll" in capsys.readouterr().err
    (tmp_path / "in.txt").write_text("EU says O\nAda sings well\n")
    assert run("--model", saved, tmp_path / "in.txt") == 0
    assert "--format" not in capsys.readouterr().err
    (tmp_path / "in.conllu").write_text("1\tEU\n")
    assert run("--model", saved, tmp_path / "in.conllu") == 2
    assert "no format has the suffix '.conllu', give --format conll --word_column 2\n" in capsys.readouterr().err


def test_of_prodigys_and_spacys_exports_the_text_is_read(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    tokens = [{"text": "Merkel", "start": 0, "end": 6, "id": 0}]
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": "Merkel sings", "tokens": tokens}) + "\n")
    assert run("--model", saved, tmp_path / "in.jsonl") == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == ["Merkel", "sings"]
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": "New York  is", "tokens": ["New York", " ", "is"]}) + "\n")
    assert run("--model", saved, tmp_path / "in.jsonl") == 2  # words that are given are not replaced
    assert "`tokens` is not a list of words" in capsys.readouterr().err


def test_fields_of_ones_own_keep_their_names(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    (tmp_path / "in.jsonl").write_text('{"text": "Merkel", "confidence": 0.9, "predicted": "2024-01-01"}\n')
    assert run("--model", saved, tmp_path / "in.jsonl") == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["confidence"], line["predicted"]) == (0.9, "2024-01-01")


def test_what_is_written_of_a_blank_line_can_be_read_again(ner, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    (tmp_path / "in.txt").write_text("Merkel left\n\nParis slept\n")
    assert run("--model", saved, tmp_path / "in.txt", "--output", tmp_path / "out.jsonl") == 0
    lines = []
    table = read_sentences(tmp_path / "out.jsonl", say=lines.append, repair=True)
    assert table["tokens"].to_pylist() == [["Merkel", "left"], ["Paris", "slept"]]
    assert lines[0] == f"{tmp_path / 'out.jsonl'}:2: 1 line without words skipped"


def test_of_conllu_lines_of_several_words_or_of_none_become_comments(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    source, path = tmp_path / "in.conllu", tmp_path / "out.conll"
    source.write_text("1-2\tdel\t_\n1\tde\tX\n2\tel\tX\n2.1\tver\t_\n\n1\tParis\tX\n", encoding="utf-8")
    assert run("--model", saved, source, "--format", "conll", "--word_column", "2", "--output", path) == 0
    assert f"{source}: 2 lines of several words together, or of none, not predicted" in capsys.readouterr().err
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.count("\t") for line in lines] == [2, 3, 3, 2, 0, 3] and lines[3] == "# 2.1\tver\t_"
    table = read_sentences(path, say=lambda _: None, repair=True, word_column="2")
    assert table["tokens"].to_pylist() == [["de", "el"], ["Paris"]]


def test_what_gzip_wrote_is_unpacked_whatever_its_name(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    (tmp_path / "in.txt").write_bytes(gzip.compress(b"Merkel visited Paris\n"))
    assert run("--model", saved, tmp_path / "in.txt") == 0
    assert json.loads(capsys.readouterr().out)["text"] == "Merkel visited Paris"


def test_columns_from_standard_input_may_end_their_lines_with_cr_alone(ner, saved, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"Merkel\tX\rsings\tX\r\rParis\tX\r")))
    assert run("--model", saved, "-", "--format", "conll") == 0
    found = [json.loads(line)["tokens"] for line in capsys.readouterr().out.splitlines()]
    assert found == [["Merkel", "sings"], ["Paris"]]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("#\thttp://x\t[2009]\n1\tParis\tB-LOC\tO\n", {"word_column": "2"}),  # GermEval's head
        ("# B-x\nParis B-geo\n# O\nx O\n", {}),
        ("#\tO\nParis B-geo\n", {}),
        ("# b\tB-per\nParis\tB-geo\n", {}),
        ("# a b\n#\tO\n\nx\tO\n", {}),
        ("#\tO\n", {}),
    ],
)
def test_comments_are_those_of_training(tmp_path, text, columns):
    path = tmp_path / "in.conll"
    path.write_text(text)
    table = read_sentences(path, say=lambda _: None, repair=True, **columns)
    number = Columns()._replace(word=columns.get("word_column", Columns().word))
    records = list(Source(str(path), columns=number, say=lambda _: None).records(lambda text: []))
    assert [record.tokens for record in records] == table["tokens"].to_pylist()


def test_blank_lines_and_line_ends_of_text(saved, ner, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    path = tmp_path / "in.txt"
    path.write_bytes(b"\xef\xbb\xbfParis \xe2\x80\xa8 x\r\n\r\n  \nMerkel")
    assert run("--model", saved, path) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.split("\n")[:-1]]
    assert [line["text"] for line in lines] == ["Paris \u2028 x", "", "  ", "Merkel"]
    assert [line["tokens"] for line in lines] == [["Paris", "x"], [], [], ["Merkel"]]
    assert "words per second" in err and "% padding" in err


# stopped and resumed


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "conll"])
@pytest.mark.parametrize("form", ["txt", "csv"])
def test_resumed_to_the_same_bytes_from_any_byte(ner, saved, tmp_path, form, suffix, monkeypatch):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    monkeypatch.setattr(predicting.blocks, "__defaults__", (12,))
    source, path = write_inputs(tmp_path)[form], tmp_path / f"out.{suffix}"
    if form == "txt":
        source.write_text("".join(" ".join(tokens) + "\n\n" for tokens in SENTENCES * 3), encoding="utf-8")
    assert run("--model", saved, source, "--output", path) == 0
    whole = path.read_bytes()
    assert whole.count(b"\n") >= 3
    for size in [*range(0, len(whole), 31), len(whole)]:
        path.write_bytes(whole[:size])
        assert run("--model", saved, source, "--output", path, "--resume") == 0
        assert path.read_bytes() == whole


@pytest.mark.parametrize("suffix", ["csv", "conll", "jsonl"])
def test_an_empty_line_at_the_end_does_not_make_another_file_one_to_continue(
    ner, saved, tmp_path, suffix, monkeypatch, capsys
):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    source, path = tmp_path / "in.txt", tmp_path / f"out.{suffix}"
    source.write_text("Merkel visited Paris\n\n")
    assert run("--model", saved, source, "--output", path) == 0
    whole = path.read_bytes()
    source.write_text("Jordan visited Paris\n\n")
    assert run("--model", saved, source, "--output", path, "--resume") == 2
    assert "is not a prediction of" in capsys.readouterr().err and path.read_bytes() == whole


def test_a_type_with_a_comma_is_a_quoted_cell(saved, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("Sentence #,Word\n1,Ada\n1,sings\n")
    lines = Lines(Source(str(source), None, Columns(tag=""), print), "out.csv")
    (record,) = lines.source.records(lambda text: [])
    text = lines.header() + lines.write(0, record, ["B-person, living", 'B-"x"'], [])
    rows = list(csv.reader(text.splitlines()))
    assert rows[1:] == [["1", "Ada", "B-person, living"], ["1", "sings", 'B-"x"']]
    assert lines.is_of(0, record, text.split("\n", 1)[1])


def test_a_type_with_a_space_cannot_stand_in_columns_by_spaces(tmp_path):
    for text, refused in (("Ada NNP\n", True), ("Ada\tNNP\n", False)):
        (tmp_path / "in.conll").write_text(text)
        lines = Lines(Source(str(tmp_path / "in.conll")), "out.conll", ["O", "B-work of art"])
        (record,) = lines.source.records(lambda text: [])
        message = "columns by spaces cannot hold .*, write a .jsonl file"
        with pytest.raises(InputError, match=message) if refused else nullcontext():
            lines.check(record)


def test_without_ids_blank_lines_separate_and_a_line_says_so(tmp_path):
    said = []
    (tmp_path / "in.csv").write_text("Word\nAda\nsings\n\nBob\n")
    source = Source(str(tmp_path / "in.csv"), say=said.append)
    assert [record.tokens for record in source.records(lambda text: [])] == [["Ada", "sings"], ["Bob"]]
    assert said == [f"{source.path}: no column 'Sentence #', so blank lines separate the sentences"]
    (tmp_path / "in.csv").write_text("Word\n" + "a\n" * 502)
    with pytest.raises(InputError, match="in.csv:2: neither a column of sentence ids nor a blank line, so 502 words"):
        list(Source(str(tmp_path / "in.csv")).records(lambda text: []))
    (tmp_path / "in.csv").write_text("Word\n" + "a\n" * 502 + "\nb\n")  # long, but not all of it
    assert [len(record.words) for record in Source(str(tmp_path / "in.csv")).records(lambda text: [])] == [502, 1]


def test_a_model_that_was_evaluated_in_fp32_is_served_in_fp32(bert_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    directory = save_classifier(bert_dir, tmp_path)
    assert Recognizer(directory, use_cpu=True).model.device.type == "cpu"
    assert Recognizer(directory, use_cpu=True).precision == "bf16, this CPU has avx512_bf16"
    directory = save_classifier(bert_dir, tmp_path, ner_precision="fp32")
    assert Recognizer(directory, use_cpu=True).precision == "fp32, as it was evaluated"
    with pytest.raises(InputError, match="ner_precision in its config.json is 'int4', not one of fp32"):
        Recognizer(save_classifier(bert_dir, tmp_path, ner_precision="int4"))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    assert Recognizer(save_classifier(bert_dir, tmp_path), use_cpu=True).precision == "fp32, fp16 is for training alone"


def test_another_file_is_not_continued(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    source, path = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("Paris\nMerkel\n")
    assert run("--model", saved, source, "--output", path) == 0
    for text in ("Paris\nJordan\n", "Paris\n"):
        source.write_text(text)
        assert run("--model", saved, source, "--output", path, "--resume") == 2
        assert "--resume" in capsys.readouterr().err


def test_interrupted_it_leaves_whole_sentences(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting.blocks, "__defaults__", (12,))
    source, path = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("Angela Merkel visited Paris .\n" * 7)
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    assert run("--model", saved, source, "--output", tmp_path / "whole.jsonl") == 0

    class Interrupted:
        settings, precision, calls = ner.settings, ner.precision, []

        def label(self, sentences):
            self.calls.append(sentences)
            if len(self.calls) == 3:
                raise KeyboardInterrupt
            return ner.label(sentences)

    monkeypatch.setattr(predicting, "_load", lambda args: Interrupted())
    assert run("--model", saved, source, "--output", path) == 130
    assert "stopped; --resume goes on" in capsys.readouterr().err
    assert path.read_text() == "".join((tmp_path / "whole.jsonl").read_text().splitlines(True)[:4])
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    assert run("--model", saved, source, "--output", path, "--resume") == 0
    assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_signal_waits_for_the_end_of_a_line_whichever_thread_gets_it(tmp_path):
    seen = []

    class File:
        def write(self, data):
            send = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM))
            send.start()
            send.join()
            seen.append("written")

        def flush(self):
            seen.append("flushed")

    output = predicting.Output(tmp_path / "out")
    output.file = File()
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append("signal"))
    try:
        output("a line")
        assert seen == ["written", "flushed", "signal"]
        output.file = SimpleNamespace(write=seen.append, flush=lambda: None)
        other = threading.Thread(target=output, args=("other thread",))
        other.start()
        other.join()
        assert seen[-1] == b"other thread"
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.soak
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_as_a_program_and_resumed_to_the_same_bytes(saved, tmp_path, kill):
    source, path, whole = tmp_path / "in.txt", tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    source.write_text("Angela Merkel visited Paris with Jordan on Monday .\n" * 16000)
    command = [sys.executable, "-m", "ner_eval.predict", "--model", saved, str(source), "--output"]
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a test run in the background may be deaf to it
    process = subprocess.Popen([*command, str(path)], cwd=ROOT, stderr=subprocess.PIPE, preexec_fn=listen)
    until = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(kill)
    process.communicate()
    assert process.returncode == (130 if kill == signal.SIGINT else -kill)
    written = path.read_bytes()
    assert written.endswith(b"}\n") and written.count(b"\n") < 16000
    for rest in ([str(path), "--resume"], [str(whole)]):
        subprocess.run([*command, *rest], cwd=ROOT, check=True, capture_output=True)
    assert path.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("text", ["a." * 20_000 + "ab", "1." + "1" * 20_000 + "a", "1.1" * 20_000 + "a", "é." * 20_000])
def test_no_text_takes_its_length_squared(text):
    begin = time.process_time()
    words = words_of(text, "treebank")
    assert time.process_time() - begin < 2
    assert "".join(text[a:b] for a, b in words) == text


def test_a_long_list_is_tagged_in_blocks(ner, monkeypatch):
    texts = [f"Angela Merkel visited Paris {'again ' * (k % 7)}." for k in range(40)] + [""]
    whole, sizes = ner(texts), []
    label = ner._label
    monkeypatch.setattr("ner_eval.recognizer.BLOCK_WORDS", 30)
    monkeypatch.setattr(ner, "_label", lambda part: sizes.append(sum(map(len, part))) or label(part))
    found = ner(texts)
    assert [one["tags"] for one in found] == [one["tags"] for one in whole] and found[-1]["tokens"] == []
    assert len(sizes) > 5 and max(sizes) < 45
    assert ner([]) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "give a text or a list of texts, not NoneType"),
        ({"text": "a"}, "give a text or a list of texts, not dict"),
        (["a", 3.5], "text 1: a text is a string, not float"),
        ("a\ud800", "the text: half a surrogate pair at character 1"),
    ],
)
def test_what_is_no_text_is_refused(ner, given, message):
    with pytest.raises(ValueError, match=message):
        ner(given)


def test_in_bf16_the_weights_of_the_products_are_converted_once_to_the_same_numbers(saved, monkeypatch):
    monkeypatch.setattr("ner_eval.torch_runtime.choose_precision", lambda **_: (True, "bf16"))
    ours = Recognizer(saved)
    linear = [module for module in ours.model.model.modules() if isinstance(module, torch.nn.Linear | PackedLinear)]
    assert {module.weight.dtype for module in linear} == {torch.bfloat16}
    exact = load_model(saved, ours.tokenizer, ours.settings.names, keep_head=True).eval()
    bf16_between_products(exact, 256)
    ids = np.array([[2, 7, 8, 9, 3]])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.ones(1, 5, dtype=torch.int64)}
        expected = exact(**batch).logits.float().numpy()
    with ours.model.computing():
        assert ours.model.forward(ids, np.ones_like(ids)).tobytes() == expected.tobytes()


def test_the_output_of_another_model_is_not_gone_on_with(ner, saved, tmp_path, monkeypatch, capsys):
    source = tmp_path / "in.txt"
    source.write_text("Angela Merkel visited Paris .\n" * 6)
    for suffix in (".jsonl", ".csv", ".conll"):
        path = tmp_path / f"out{suffix}"
        assert run("--model", saved, source, "--output", path) == 0
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])
        assert run("--model", saved, source, "--output", path, "--resume") == 0
        assert path.read_bytes() == whole
        path.write_bytes(whole[: len(whole) * 2 // 3])
        before = path.read_bytes()
        monkeypatch.setattr(predicting.Recognizer, "decode", lambda ner, rows, offsets: np.full(len(rows), 1))
        capsys.readouterr()
        assert run("--model", saved, source, "--output", path, "--resume") == 2
        assert " of the output " in (err := capsys.readouterr().err) and "have other tags by this model" in err
        assert path.read_bytes() == before
        monkeypatch.undo()


def test_a_few_other_tags_in_the_output_may_be_of_other_hardware(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    source, path = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("".join(f"Angela Merkel visited Paris {k} .\n" for k in range(30)))
    assert run("--model", saved, source, "--output", path) == 0
    lines = path.read_text().splitlines(keepends=True)[:25]
    for changed, code in ((2, 0), (3, 2)):
        others = [json.dumps(json.loads(line) | {"tags": ["B-x"] * 6}) + "\n" for line in lines[:changed]]
        path.write_text("".join(others + lines[changed:]))
        assert run("--model", saved, source, "--output", path, "--resume") == code
    assert "of the last 25 sentences of the output 3 have other tags" in capsys.readouterr().err


def test_a_line_of_another_hand_among_the_last_is_refused(ner, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    source, path = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("Paris\nMerkel\nJordan\nParis\n")
    assert run("--model", saved, source, "--output", path) == 0
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + '{"half": \n' + lines[2])
    assert run("--model", saved, source, "--output", path, "--resume") == 2
    assert "is not a prediction of" in capsys.readouterr().err


def test_a_table_is_written_again_with_the_separator_of_its_suffix(ner, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    rows = [
        ["Sentence #", "Word", "Note"],
        ["1", "Paris", 'a "b", c'],
        ["", "x\ty", "two\nlines, a\rcr"],
        ["2", "rains", ""],
    ]
    for source, output, marks in (("a.csv", "o.tsv", ",\t"), ("a.tsv", "o.csv", "\t,")):
        with open(tmp_path / source, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=marks[0], lineterminator="\n").writerows(rows)
        assert run("--model", saved, tmp_path / source, "--output", tmp_path / output) == 0
        whole = (tmp_path / output).read_bytes()
        with open(tmp_path / output, encoding="utf-8", newline="") as file:
            found = list(csv.reader(file, delimiter=marks[1]))
        assert [row[:3] for row in found] == rows and found[0][3] == "Predicted" and {len(row) for row in found} == {4}
        (tmp_path / output).write_bytes(whole[: len(whole) - 3])
        assert run("--model", saved, tmp_path / source, "--output", tmp_path / output, "--resume") == 0
        assert (tmp_path / output).read_bytes() == whole
        (tmp_path / source).unlink()


def test_a_source_that_cannot_be_read_is_not_blamed_on_the_output(saved, tmp_path, monkeypatch, capsys):
    (tmp_path / "in.txt").write_text("Paris\n")

    def fail(*_, **__):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(predicting, "predict", fail)
    assert run("--model", saved, tmp_path / "in.txt", "--output", tmp_path / "o.jsonl") == 1
    assert f"{tmp_path / 'in.txt'}: cannot be read (Input/output error)" in capsys.readouterr().err


def test_a_damaged_archive_is_one_line(saved, tmp_path, capsys):
    data = bytearray(gzip.compress(b"Paris is a town .\n" * 400))
    data[20:24] = b"\xff\xff\xff\xff"
    (tmp_path / "in.txt.gz").write_bytes(data)
    assert run("--model", saved, tmp_path / "in.txt.gz") == 2
    assert "in.txt.gz: cannot be read" in capsys.readouterr().err


def test_the_shares_of_two_processes_are_the_lines_of_one(ner, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting.blocks, "__defaults__", (12,))
    path = tmp_path / "in.txt"
    path.write_text("".join(f"Angela Merkel visited Paris {k} .\n" for k in range(5)))  # three blocks

    def lines_of(share, gather):
        source, written = Source(str(path)), []
        count, _ = predicting.predict(ner, source, Lines(source, None), written.append, share=share, gather=gather)
        return "".join(written), count

    second, (whole, _) = [], lines_of((0, 1), None)
    _, theirs = lines_of((1, 2), lambda texts: second.append(texts) or texts)
    rounds = iter(second)
    text, ours = lines_of((0, 2), lambda texts: texts + next(rounds))
    assert (text, ours, theirs) == (whole, 3, 2)


@pytest.mark.soak
def test_two_processes_write_what_one_writes(saved, tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("Angela Merkel visited Paris with Jordan on Monday .\n" * 9000 + "Paris\n")
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--main_process_port", "0"]
    for path, launcher in ((tmp_path / "one.jsonl", []), (tmp_path / "two.jsonl", launch)):
        command = [sys.executable, *launcher, "-m", "ner_eval.predict", "--model", saved, str(source)]
        done = subprocess.run([*command, "--output", str(path)], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_memory_does_not_grow_with_the_file():
    ends = []

    def records():
        for number in range(1000):
            ends.append(number)
            yield type("Record", (), {"words": [(0, 1)] * 9})

    found = 0
    for block in blocks(records(), words=100):
        assert len(block) == 10 and ends[-1] == block[-1][0]
        found += 1
    assert found == 100


def test_the_benchmark_prints_its_table(saved, capsys):
    assert bench_predict.main(["--model", saved, "--words", "60", "--runs", "1"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row[0].strip("| ") for row in rows][1:4] == [
        "pipeline, batch_size=32, fp32",
        "pipeline, batch_size=32, bf16",
        "ours, fp32",
    ]
    assert rows[1][2] == "1.00 (1.00 to 1.00)"
    speeds = {"a": [10.0, 20.0, 40.0], "b": [20.0, 20.0, 20.0], "c": [40.0, 40.0, 40.0]}
    assert bench_predict.table(speeds).splitlines()[-1] == (
        "| c | 40 (40 to 40) | 2.00 (1.00 to 4.00) | 2.00 (2.00 to 2.00) |"
    )


# mistakes

BAD_FILES = {
    "empty.csv": (b"", "no column 'Word'"),
    "names.csv": (b"id,token\n1,a\n", "names.csv:1: no column 'Word', there are 'id', 'token', name it with"),
    "cells.csv": (b"Sentence #,Word\n1,a\n1,b,c\n", "cells.csv:3: 3 cells where the header has 2"),
    "word.csv": (b"Sentence #,Word\n1,a\n1, \n", "word.csv:3: empty word"),
    "quote.csv": (b'Sentence #,Word\n1,"a\n1,b\n', "quote.csv:2: not CSV"),
    "id.csv": (b"Sentence #,Word\n,a\n", "id.csv:2: the first row has no sentence id"),
    "half.conll": (b"a\tO\nb\n", "half.conll:2: 1 column where the first row has 2"),
    "none.conll": (b"\n# x\n", "none.conll: no words"),
    "not.jsonl": (b'{"text": "a"}\n{"text"\n', "not.jsonl:2: not JSON"),
    "list.jsonl": (b"[1]\n", "list.jsonl:1: not a JSON object"),
    "key.jsonl": (b'{"txt": "a"}\n', "key.jsonl:1: neither `text` nor `tokens`, the keys are 'txt'"),
    "number.jsonl": (b'{"text": 7}\n', "number.jsonl:1: `text` is not a string, 7"),
    "tokens.jsonl": (b'{"tokens": ["a", ""]}\n', "tokens.jsonl:1: `tokens` is not a list of words"),
    "both.jsonl": (b'{"text": "a b", "tokens": ["b", "a"]}\n', "both.jsonl:1: the word 'a' of `tokens` is not in"),
    "digits.jsonl": (b'{"text": ' + b"7" * 5_000, "digits.jsonl:1: not JSON (nested too deep, or a number too long)"),
    "half.jsonl": (b'{"text": "\\ud800"}\n', "half.jsonl:1: half a surrogate pair"),
    "note.jsonl": (b'{"text": "a", "note": "x\\ud83d"}\n', "note.jsonl:1: half a surrogate pair"),
    "long.conll": (b"a\n" * 502, "long.conll:1: no blank line, so 502 words would be one sentence"),
    "other.csv": (
        b"sent_id,Word\n1,a\n",
        "other.csv:1: no column 'Sentence #', there are 'sent_id', 'Word', set --sent",
    ),
    "nul.txt": (b"a\0b\n", "nul.txt: NUL byte"),
    "cut.txt.gz": (gzip.compress(b"a" * 99)[:20], "cut.txt.gz: cannot be read"),
    "tab.jsonl": (b'{"tokens": ["a\\tb"]}\n', "tab.jsonl:1: a word with a tab"),
}


def test_mistakes_are_one_line_and_torch_is_not_imported(saved, tmp_path):
    cases = [(["--output", "out.conll"], name, message) for name, (_, message) in BAD_FILES.items()]
    for name, (data, _) in BAD_FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "good.txt").write_text("a")
    (tmp_path / "twice.csv").write_text("Sentence #,Word,Predicted\n1,a,O\n")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "config.json").write_text('{"architectures": ["BertModel"]}')
    cases += [
        ([], "nowhere.txt", "nowhere.txt: no such file"),
        ([], "plain", "plain: is not a regular file"),
        (["--format", "xml"], "good.txt", "--format xml: not known"),
        (["--runtime", "tf"], "good.txt", "--runtime tf: give one of torch, onnx"),
        (["--output", "out.html"], "good.txt", "--output out.html: no format has the suffix '.html'"),
        (["--output", "good.txt"], "good.txt", "--output good.txt: no format"),
        (["--output", "tab.jsonl"], "good.txt", "--output tab.jsonl: exists"),
        (["--output", "./tab.jsonl", "--resume"], "tab.jsonl", "--output ./tab.jsonl: is the file to predict"),
        (["--output", "no/where.jsonl"], "good.txt", "--output no/where.jsonl: no such directory"),
        (["--output", "out.csv"], "twice.csv", "has a column Predicted already"),
        (
            ["--sentence_column", "Id"],
            "word.csv",
            "word.csv:1: no column 'Id', there are 'Sentence #', 'Word', set --sent",
        ),
        (["--output", "out.TXT"], "good.txt", "--output out.TXT: no format"),
        (["--resume"], "good.txt", "--resume: needs an --output file"),
        (["--word_column", "x"], "half.conll", "--word_column x: not a number"),
        (["--model", "plain"], "good.txt", "--model plain: no token classifier"),
        (["--frobnicate"], "good.txt", "unrecognized arguments: --frobnicate"),
    ]
    program = (
        "import contextlib, io, json, sys\nfrom ner_eval.predict import main\n"
        "for arguments in json.load(sys.stdin):\n"
        "    with contextlib.redirect_stderr(io.StringIO()) as err:\n        code = main(arguments)\n"
        "    print(json.dumps([code, err.getvalue()]))\n"
        "assert 'torch' not in sys.modules\n"
    )
    commands = [["--model", saved, *flags, name] for flags, name, _ in cases]
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    for (_, _, message), line in zip(cases, done.stdout.splitlines(), strict=True):
        code, err = json.loads(line)
        assert code == 2 and message in err, (message, err)
        assert err.count("\n") == 1 and err.startswith("ner_eval.predict: ")


def test_a_full_disk_is_one_line(ner, saved, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "in.txt").write_text("Paris")
    monkeypatch.setattr(predicting, "_load", lambda args: ner)
    monkeypatch.setattr(predicting, "open", full, raising=False)
    assert run("--model", saved, tmp_path / "in.txt", "--output", tmp_path / "out.csv") == 1
    assert capsys.readouterr().err.endswith("out.csv: cannot be written (No space left on device)\n")


@pytest.mark.parametrize("given", [float("nan"), 7, b"Paris", None, {"text": "Paris"}])
def test_what_is_neither_a_text_nor_texts_is_named(ner, given):
    with pytest.raises(ValueError, match=f"^give a text or a list of texts, not {type(given).__name__}$"):
        ner(given)


def test_a_conll_file_whose_lines_end_in_cr_is_read_as_in_training(tmp_path):
    (tmp_path / "in.conll").write_bytes(b"London B-geo\rsleeps O\r\rParis B-geo\rsang O\r")
    source = Source(str(tmp_path / "in.conll"), say=lambda line: None)
    assert [record.tokens for record in source.records(None)] == [["London", "sleeps"], ["Paris", "sang"]]
    (tmp_path / "in.conll").write_bytes(b"London B-geo\r\r\nsleeps O\r\r\n")
    source = Source(str(tmp_path / "in.conll"), say=lambda line: None)
    assert [record.tokens for record in source.records(None)] == [["London", "sleeps"]]


def test_a_recogniser_says_what_is_wrong(ner):
    with pytest.raises(ValueError, match="half a surrogate pair at character 1"):
        ner("a\ud800")
    with pytest.raises(ValueError, match="a text is a string, not int"):
        ner([1])
