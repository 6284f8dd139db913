"""Every family of encoders: trains a few steps, is saved, is loaded by `pipeline`, and says there what it said here."""

import json
import os
import stat

import datasets
import torch
import transformers
from families import TEXT
from test_trainer import make_trainer
from test_windows import sentences

from ner_data.labels import label_names
from ner_data.windows import encode
from ner_eval.score import score
from ner_model.checkpoints import save_model
from ner_model.load import label_order, load_model, load_tokenizer, read_config, subword_limit

GEO = {"Paris", "Washington", "Baghdad", "York"}
WORDS = [text.split() for text in TEXT[:6]] + [["\u200b", "Paris", "U.S.", "didn't"], ["東京", "Jordan's", "x" * 30]]
PER = {"Merkel", "Jordan"}
TAGS = [["B-geo" if word in GEO else "B-per" if word in PER else "O" for word in words] for words in WORDS]


def test_train_save_and_serve(encoder_dir, tmp_path):
    table = sentences(*zip(WORDS, TAGS, strict=True))
    names, keep_head = label_order(label_names([table]), read_config(encoder_dir))
    assert not keep_head
    torch.manual_seed(1)
    tokenizer = load_tokenizer(encoder_dir, [])
    model = load_model(encoder_dir, tokenizer, names, keep_head)
    assert subword_limit(tokenizer, model) == 64
    windows = datasets.Dataset(encode(table, tokenizer, names, 64, 4).table)
    trainer = make_trainer(model, tokenizer, windows, tmp_path, num_train_epochs=25, learning_rate=1e-2)
    trainer.train()
    ours = score(trainer.predict(windows), names).predicted
    assert {tag for tags in ours for tag in tags} > {"O"}
    save_model(trainer, str(tmp_path))

    assert not (tmp_path / "training_args.bin").exists()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "model.safetensors").stat().st_mode) == 0o666 & ~umask
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["id2label"] == {str(i): name for i, name in enumerate(names)}
    assert config["label2id"] == {name: i for i, name in enumerate(names)}

    serve = transformers.pipeline("token-classification", model=str(tmp_path), device="cpu")
    for words, tags in zip(WORDS, ours, strict=True):
        begins = [len(" ".join(words[:k])) + (k > 0) for k in range(len(words))]
        first = {}
        for entity in serve(words, is_split_into_words=True, ignore_labels=[], aggregation_strategy="none")[0]:
            word = max(k for k, begin in enumerate(begins) if begin <= entity["start"])
            first.setdefault(word, entity["entity"])
        assert all(tags[word] == label for word, label in first.items())
        # every word that the tokenizer does not delete
        assert set(range(len(words))) - set(first) <= {k for k, word in enumerate(words) if word == "\u200b"}
        simple = serve(" ".join(words), aggregation_strategy="simple")
        assert all(entity["entity_group"] in {"geo", "per"} for entity in simple)


def test_a_fine_tuned_model_is_checked_and_loaded_again(bert_dir, tmp_path):
    tokenizer = load_tokenizer(bert_dir, [])
    names = ["O", "B-geo", "I-geo", "B-per", "I-per"]
    model = load_model(bert_dir, tokenizer, names, False)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)

    lines = []
    config = read_config(str(tmp_path))
    assert label_order(["O", "B-per", "I-per"], config, lines.append) == (names, True)
    assert "kept" in lines[0]
    again = load_model(str(tmp_path), tokenizer, names, True)
    assert torch.equal(again.classifier.weight, model.classifier.weight)

    other = ["O", "B-geo", "I-geo", "B-org", "I-org"]  # as many labels, one of them another
    assert label_order(other, config, lines.append) == (other, False)
    assert "B-org" in lines[1] and "new" in lines[1]
    fresh = load_model(str(tmp_path), tokenizer, other, False)
    assert not torch.equal(fresh.classifier.weight, model.classifier.weight)
    assert fresh.config.label2id == {name: i for i, name in enumerate(other)}
    for mine, oracle in zip(fresh.base_model.parameters(), model.base_model.parameters(), strict=True):
        assert torch.equal(mine, oracle)
