"""Loading: clear errors, limits, the vocabulary of `scratch`."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tokenizers
import torch
import transformers
from families import FAMILIES, SHAPE, TEXT

from ner_data import InputError
from ner_model.batching import WindowCollator
from ner_model.load import label_order, learn_wordpiece, load_model, load_tokenizer, read_config, subword_limit
from ner_model.precision import _launcher_was_told, choose_precision

ROOT = Path(__file__).parent.parent

NAMES = ["O", "B-per", "I-per"]


def test_a_directory_without_a_config(tmp_path):
    with pytest.raises(InputError, match=r"--model .*: the directory has no config.json; give"):
        read_config(str(tmp_path))


def test_a_directory_that_cannot_be_read(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", denied)  # the tests may be run by root, who reads everything
    with pytest.raises(InputError, match=f"^--model {tmp_path}: cannot be read .Permission denied.; check its permis"):
        read_config(str(tmp_path))


def test_a_config_that_is_no_json(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="config.json cannot be read"):
        read_config(str(tmp_path))


@pytest.mark.parametrize("name", ["/no/such/dir", "./no/such", "a b"])
def test_neither_a_directory_nor_a_hub_name(name):
    with pytest.raises(InputError, match=f"--model {name}: no such directory"):
        read_config(name)


def test_the_hub_out_of_reach():
    with pytest.raises(InputError, match="--model bert-base-cased: .*the Hub cannot be reached .*--model mini"):
        read_config("bert-base-cased")  # the tests run with HF_HUB_OFFLINE=1


def test_a_directory_without_a_tokenizer(tmp_path):
    transformers.BertConfig(hidden_size=8, num_attention_heads=1).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="no tokenizer files"):
        load_tokenizer(str(tmp_path), [])


def test_a_slow_tokenizer(bert_dir, monkeypatch):
    class Slow:
        is_fast = False

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_, **__: Slow())
    with pytest.raises(InputError, match="Slow is a slow tokenizer"):
        load_tokenizer(bert_dir, [])


def _without_padding(directory, **special):
    """A byte-level tokenizer, as GPT-2's, with no token for padding."""
    learner = tokenizers.Tokenizer(tokenizers.models.BPE())
    learner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    learner.train_from_iterator(TEXT, trainer)
    transformers.PreTrainedTokenizerFast(tokenizer_object=learner, **special).save_pretrained(directory)


def test_a_model_without_a_padding_token_pads_with_the_end_of_text(tmp_path):
    _without_padding(tmp_path, eos_token="<|endoftext|>")
    config = transformers.GPT2Config(
        vocab_size=300, n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path), [])
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 0
    model = load_model(str(tmp_path), tokenizer, NAMES, False).eval()
    rows = [{"input_ids": ids, "labels": [0] * len(ids)} for ids in (list(range(5, 25)), [7, 8, 9])]
    batch = WindowCollator(tokenizer)(rows)
    assert batch["input_ids"][1, 3:].unique().tolist() == [0] and batch["attention_mask"].sum().item() == 23
    batch.pop("labels")
    alone = model(input_ids=torch.tensor([[7, 8, 9]])).logits
    torch.testing.assert_close(model(**batch).logits[1, :3], alone[0])


def test_a_tokenizer_with_nothing_to_pad_with(tmp_path):
    _without_padding(tmp_path)
    transformers.BertConfig(vocab_size=300, **SHAPE).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=f"^--model {tmp_path}: its tokenizer has no token to pad with; set pad_token"):
        load_tokenizer(str(tmp_path), [])


def test_weights_that_are_cut_short(bert_dir, tmp_path):
    shutil.copytree(bert_dir, tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(str(tmp_path / "m"), load_tokenizer(bert_dir, []), NAMES, False)


def test_an_encoder_whose_weights_have_other_names_is_not_trained_from_random_ones(bert_dir, tmp_path):
    """As `torch.nn.DataParallel` saves them, written anew into safetensors."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(bert_dir, tmp_path / "m")
    weights = load_file(tmp_path / "m" / "model.safetensors")
    save_file(
        {f"module.{name}": w for name, w in weights.items()}, tmp_path / "m" / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(
        InputError, match="of the encoder's weights are not in its files, or of another size, such as bert"
    ):
        load_model(str(tmp_path / "m"), load_tokenizer(bert_dir, []), NAMES, False)
    name = "embeddings.word_embeddings.weight"
    save_file(weights | {name: weights[name][:50]}, tmp_path / "m" / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        InputError, match="m: 1 of the encoder's weights are not in its files, or of another size, such as"
    ):
        load_model(str(tmp_path / "m"), load_tokenizer(bert_dir, []), NAMES, False)


def test_a_tokenizer_that_reads_words_otherwise_than_a_text_is_named(tmp_path):
    """Byte-level BPE behind another split, as in Llama 3: no word has a space before it."""
    tokenizer = FAMILIES["modernbert"][0]()
    lines = []
    tokenizer.save_pretrained(tmp_path)
    load_tokenizer(str(tmp_path), [], say=lines.append)
    assert lines == []
    before = tokenizers.pre_tokenizers
    split = before.Split(tokenizers.Regex(r" ?\S+"), "isolated")
    bytes_ = before.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.backend_tokenizer.pre_tokenizer = before.Sequence([split, bytes_])
    tokenizer.save_pretrained(tmp_path)
    found = load_tokenizer(str(tmp_path), [], say=lines.append)
    assert lines == [] and found(["a", "P"], is_split_into_words=True)["input_ids"] == found("a P")["input_ids"]
    tokenizer.backend_tokenizer.normalizer = tokenizers.normalizers.Replace("a a", "b")  # whatever comes before
    tokenizer.save_pretrained(tmp_path)
    load_tokenizer(str(tmp_path), [], say=lines.append)
    assert lines == [
        f"--model {tmp_path}: its tokenizer takes a word given by itself for the end of a longer one, unlike in a text"
    ]


def test_spaces_that_a_normalizer_makes_part_of_subwords_stand_before_words_too(tmp_path):
    """As in Gemma: BPE over characters, spaces become underscores before."""
    learner = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    learner.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = tokenizers.pre_tokenizers.Split("▁", "merged_with_next")
    trainer = tokenizers.trainers.BpeTrainer(special_tokens=["<pad>", "<unk>", "<s>"], vocab_size=300)
    learner.train_from_iterator(TEXT, trainer)
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=learner, **special).save_pretrained(tmp_path)
    lines = []
    found = load_tokenizer(str(tmp_path), [], say=lines.append)
    words = TEXT[0].split()
    ids = found(words, is_split_into_words=True)["input_ids"]
    assert lines == [] and ids == found(" ".join(words))["input_ids"]
    assert found.convert_ids_to_tokens(ids)[0].startswith("▁")
    glued = load_tokenizer(str(tmp_path), [], say=lines.append, as_saved=True)(words, is_split_into_words=True)
    assert glued["input_ids"] != ids and len(lines) == 1  # as a model that is trained already has learnt them
    (tmp_path / "config.json").write_text('{"architectures": ["GemmaForCausalLM"]}')
    assert load_tokenizer(str(tmp_path), [], say=lines.append).backend_tokenizer.normalizer is not None
    assert len(lines) == 2  # a decoder, which would label the space before a number without having seen the number

    parts = json.loads(learner.to_str())["model"]  # a class of its own, whose files are not read as they are
    gemma = transformers.GemmaTokenizer(vocab=parts["vocab"], merges=[tuple(pair) for pair in parts["merges"]])
    gemma.save_pretrained(tmp_path / "gemma")
    (tmp_path / "gemma" / "config.json").write_text('{"model_type": "modernbert"}')
    found = load_tokenizer(str(tmp_path / "gemma"), [], say=lines.append)
    ids = found(words, is_split_into_words=True)["input_ids"]
    assert len(lines) == 2 and ids == found(" ".join(words))["input_ids"]
    found.save_pretrained(tmp_path / "gemma")
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "gemma")
    assert again(words, is_split_into_words=True)["input_ids"] == ids
    assert again.special_tokens_map == found.special_tokens_map


@pytest.mark.skipif(importlib.util.find_spec("sentencepiece") is not None, reason="sentencepiece is installed")
def test_a_tokenizer_that_is_sentencepieces_alone_names_the_packages(tmp_path):
    transformers.DebertaV2Config(vocab_size=8).save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "vocab_type": "spm"}')
    (tmp_path / "spm.model").write_bytes(b"x")
    with pytest.raises(InputError, match=r"its tokenizer cannot be loaded .*: pip install sentencepiece protobuf$"):
        load_tokenizer(str(tmp_path), [])


@pytest.mark.parametrize(("word", "lines"), [("Merkel", 1), ("merkel", 0)])
def test_a_cased_bert_whose_files_do_not_say_so_is_not_made_lower(word, lines, tmp_path):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", word, "paris"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    transformers.BertConfig(vocab_size=8).save_pretrained(tmp_path)
    said = []
    tokenizer = load_tokenizer(str(tmp_path), [], say=said.append)
    assert tokenizer.tokenize(word) == [word] and tokenizer.do_lower_case == (not lines)
    assert len(said) == lines and all("its vocabulary has capitals" in line for line in said)
    assert load_tokenizer(str(tmp_path), [], as_saved=True).do_lower_case  # as a trained model has learnt its words
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert load_tokenizer(str(tmp_path), [], say=said.append).do_lower_case and len(said) == lines  # its files say so


def test_label_maps_that_contradict_each_other():
    config = {
        "architectures": ["BertForTokenClassification"],
        "id2label": {"0": "O", "1": "B-per"},
        "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    }
    with pytest.raises(InputError, match="contradict"):
        label_order(NAMES, config)


def test_a_head_that_is_not_there_or_of_another_size_is_refused(bert_dir, tmp_path):
    tokenizer = load_tokenizer(bert_dir, [])
    model = load_model(bert_dir, tokenizer, ["O", "B-a", "I-a", "B-b", "I-b"], False)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="its head is not in its files, or of another size .classifier"):
        load_model(str(tmp_path), tokenizer, ["O", "B-a", "I-a"], True)
    model.base_model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="its head is not in its files, or of another size .classifier"):
        load_model(str(tmp_path), tokenizer, ["O", "B-a", "I-a", "B-b", "I-b"], True)


def test_a_head_whose_labels_are_not_bio_is_replaced():
    known = ["O", "B-per", "I-per", "E-per", "S-per"]
    config = {
        "architectures": ["BertForTokenClassification"],
        "id2label": dict(enumerate(known)),
        "label2id": {label: place for place, label in enumerate(known)},
    }
    said = []
    assert label_order(["O", "B-per", "I-per"], config, said.append) == (["O", "B-per", "I-per"], False)
    assert said == ["labels: of the model's own, E-per, S-per are not BIO; its head is replaced by a new one"]


def test_max_length_is_never_above_what_the_model_reads(encoder_dir):
    tokenizer = load_tokenizer(encoder_dir, [])
    tokenizer.model_max_length = int(1e30)
    model = load_model(encoder_dir, tokenizer, NAMES, False)
    lines = []
    assert subword_limit(tokenizer, model, 500, lines.append) == 64
    assert "500" in lines[0] and "64" in lines[0]
    assert tokenizer.model_max_length == 64
    assert subword_limit(tokenizer, model, 20) == 20


def test_the_learnt_vocabulary_is_the_same_in_every_process():
    words = [word for text in TEXT for word in text.split()]
    code = (
        "import sys, json; sys.path[:0] = ['tests']\n"
        "from families import TEXT\n"
        "from ner_model.load import learn_wordpiece\n"
        "t = learn_wordpiece([w for x in TEXT for w in x.split()], 250)\n"
        "print(json.dumps(t.get_vocab()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    mine = learn_wordpiece(words, 250)
    assert json.loads(run.stdout.splitlines()[-1]) == mine.get_vocab()
    assert mine.tokenize("Merkel , she") == ["Merkel", ",", "sh", "##e"]
    assert mine.get_vocab()["[PAD]"] == 0


def test_scratch_has_the_labels_and_a_small_shape():
    tokenizer = learn_wordpiece([word for text in TEXT for word in text.split()])
    model = load_model("scratch", tokenizer, NAMES, False)
    assert model.config.id2label == dict(enumerate(NAMES)) and model.config.num_labels == 3
    assert subword_limit(tokenizer, model) == 128
    shape = model.config
    found = shape.hidden_size, shape.num_hidden_layers, shape.num_attention_heads, shape.intermediate_size
    assert found == (384, 2, 6, 1536)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["accelerate", "launch", "run_ner.py"], False),
        (["accelerate", "launch", "--mixed_precision", "no", "run_ner.py"], True),
        (["accelerate", "launch", "--mixed-precision=no"], True),
        (["accelerate", "launch", "--config_file=x"], True),
    ],
)
def test_whether_the_launcher_was_told(words, told, monkeypatch, tmp_path):
    config = tmp_path / "default.yaml"
    monkeypatch.setattr("accelerate.commands.config.config_args.default_config_file", str(config))
    monkeypatch.setattr("psutil.Process.parents", lambda _: [SimpleNamespace(cmdline=lambda: words)])
    assert _launcher_was_told() == told
    config.write_text("")
    assert _launcher_was_told()


def test_precision_follows_flags_then_launcher_then_hardware(monkeypatch):
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert choose_precision(False, None)[0]
    assert choose_precision(False, refused="as I say") == (False, "fp32, as I say")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert not choose_precision(False, None)[0]
    xeon = {"avx512_bf16": True, "avx512_fp16": True, "cpu_name": "Intel Xeon"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: xeon)
    assert choose_precision(False, None) == (False, "fp32, on an Intel CPU without amx_bf16 it is faster than bf16")
    for change in ({"amx_bf16": True}, {"avx512_fp16": False}, {"cpu_name": "AMD EPYC"}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda change=change: xeon | change)
        assert choose_precision(False, None)[0]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert choose_precision(False, None) == (True, "bf16, as accelerate asks")
    assert not choose_precision(False, refused="so")[0]
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    assert choose_precision(False, None)[0] is False
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")  # what the launcher writes when nobody chose
    monkeypatch.setattr("ner_model.precision._launcher_was_told", lambda: False)
    assert choose_precision(False, None)[0]
    monkeypatch.setattr("ner_model.precision._launcher_was_told", lambda: True)
    assert not choose_precision(False, None)[0]
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert choose_precision(False, None) == (True, "bf16, this GPU has it")
    assert choose_precision(False, None, use_cpu=True) == (False, "fp32, this machine has no bf16 arithmetic")
