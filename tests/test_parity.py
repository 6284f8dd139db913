"""Our predictor and transformers' pipeline on the same saved model, for every family of encoders."""

import os

import pytest
import safetensors.torch
import torch
from families import TEXT
from test_predict import NAMES, save_classifier
from test_windows import sentences

from ner_data.labels import flat
from ner_eval.parity import CAUSES, check_parity, parity_lines, strict_f1
from ner_eval.recognizer import Recognizer

# the pipeline warns of tokenizers (DeBERTa) whose subwords it cannot tell from words, and guesses by spaces
pytestmark = pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
WORDS = [text.split() for text in TEXT[:6]]
AWKWARD = [["Paris"] * 90, ["\u200b", "Paris", "U.S."], ["東京", "Jordan's", "x" * 30]]


def table_of(words):
    tags = [["B-geo" if word == "Paris" else "O" for word in sentence] for sentence in words]
    return sentences(*zip(words, tags, strict=True))


def test_every_family_agrees_with_its_pipeline(encoder_dir, tmp_path):
    directory = save_classifier(encoder_dir, tmp_path, ner_words="treebank")
    report = check_parity(directory, table_of(WORDS), NAMES)
    words = sum(map(len, WORDS))
    assert (report["sentences"], report["words"], report["words_rule"]) == (6, words, "treebank")
    for part in ("split", "text"):
        found = report[part]
        assert found["equal"] == found["whole"] > 0
        assert found["whole"] + found["causes"]["several_labels"] == words
        assert {cause for cause, count in found["causes"].items() if count} <= {"several_labels"}
    assert report["decoding_changed"] == 0
    assert report["f1"]["ours"] == report["f1"]["ours_text"]


def test_where_all_agree_the_four_f1_are_one(bert_dir, tmp_path):
    directory = save_classifier(bert_dir, tmp_path, ner_decoding="argmax", ner_precision="fp32")
    path = os.path.join(directory, "model.safetensors")
    weights = safetensors.torch.load_file(path)
    weights["classifier.weight"].zero_()
    labels = len(weights["classifier.bias"])
    weights["classifier.bias"] = torch.tensor([0.0, 9.0] + [0.0] * (labels - 2))
    safetensors.torch.save_file(weights, path, {"format": "pt"})
    table = sentences((["Angela", "Merkel", "visited", "Paris"], [NAMES[1]] * 4))
    f1 = check_parity(directory, table, NAMES)["f1"]
    assert len(f1) == 4 and set(f1.values()) == {1.0}


def test_each_cause_is_counted(encoder_dir, tmp_path):
    directory = save_classifier(encoder_dir, tmp_path, ner_decoding="viterbi")
    report = check_parity(directory, table_of(AWKWARD), NAMES)
    splits, texts = report["split"]["causes"], report["text"]["causes"]
    assert splits["unexplained"] == texts["unexplained"] == 0
    assert splits["cut"] >= 90 - 62 and splits["word_splitting"] == 0
    is_wordpiece = any(name in encoder_dir for name in ("bert-", "distil", "electra")) and "roberta" not in encoder_dir
    is_wordpiece &= "modern" not in encoder_dir and "deberta" not in encoder_dir
    assert splits["no_subword"] > 0 or not is_wordpiece
    assert texts["word_splitting"] > 0  # the rule `plain` splits U.S. and Jordan's
    assert report["decoding"] == "viterbi" and report["decoding_changed"] > 0
    lines = parity_lines(report)
    assert "the first 3 sentences (96 words)" in lines[0]
    assert any(CAUSES["cut"] in line for line in lines)
    assert lines[-1].startswith("  strict F1 on running text: ours ")


def test_what_only_we_read_in_windows_is_not_said_to_be_cut(bert_dir, tmp_path):
    directory = save_classifier(bert_dir, tmp_path, ner_max_length=8, ner_stride=0)
    causes = check_parity(directory, table_of([WORDS[0] * 2] * 4), NAMES)["split"]["causes"]
    assert causes["windows"] > 0 and causes["cut"] == causes["unexplained"] == 0


def test_it_is_bounded_and_checks_the_labels(bert_dir, tmp_path):
    directory = save_classifier(bert_dir, tmp_path)
    report = check_parity(directory, table_of(WORDS), NAMES, sentences=2)
    assert (report["sentences"], report["words"]) == (2, sum(map(len, WORDS[:2])))
    with pytest.raises(ValueError, match="has the labels"):
        check_parity(directory, table_of(WORDS), ["O", "B-x", "I-x"])
    ours = Recognizer(directory).label(WORDS[:2]).tags
    assert len(flat(table_of(WORDS[:2])["tokens"])) == sum(map(len, ours))
    assert os.listdir(directory)


def test_strict_f1():
    assert strict_f1([{(0, 1, "a")}, {(2, 3, "b")}], [{(0, 1, "a"), (4, 5, "a")}, {(2, 3, "a")}]) == 0.4
    assert strict_f1([set()], [set()]) == 0.0
