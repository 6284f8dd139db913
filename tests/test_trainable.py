"""Ways to train: LoRA and its merge, the head alone, class weights, early stopping, trackers."""

import json
import os
import shutil
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import peft
import pyarrow as pa
import pytest
import safetensors.torch
import torch
import transformers
from test_run_ner import QUICK, start
from test_run_ner import corpus as corpus
from test_trainer import NAMES, gradients, make_model, make_trainer, make_windows
from torch.distributed.fsdp import StateDictType

import run_ner
from ner_data import InputError
from ner_data.labels import IGNORED
from ner_eval.score import ComputeMetrics
from ner_model.arguments import FIGURES, check_flags, training_arguments, usual_copies
from ner_model.checkpoints import TrainingStopped
from ner_model.early_stopping import EarlyStopping, early_stopping
from ner_model.load import load_model, load_tokenizer
from ner_model.trainable import add_lora, check_way, choose_weights, describe_way, freeze_encoder, merge_lora
from ner_model.trainer import NerTrainer, WordLoss, class_weights

HEAD_SIZE = 32 * 5 + 5
WAYS = {"width": 768, "sentences": 9999, "patience": None, "seed": 1}
WAYS |= dict.fromkeys(("scratch", "head_only", "lora"), False)


@pytest.fixture
def tokenizer(bert_dir):
    return load_tokenizer(bert_dir, [])


def lora_trainer(bert_dir, tokenizer, directory, epochs=2, **arguments):
    """A `NerTrainer` on a LoRA model that evaluates and saves each epoch and keeps the best, as the recipe's."""
    transformers.set_seed(7)
    model = choose_weights(make_model(bert_dir, tokenizer, dropout=0.1), lora=True, head_only=False)
    each = dict.fromkeys(("eval_strategy", "save_strategy", "logging_strategy"), "epoch")
    best = {"load_best_model_at_end": True, "metric_for_best_model": "f1"}
    return make_trainer(
        model, tokenizer, make_windows(tokenizer), directory, num_train_epochs=epochs, **each, **best, **arguments
    )


# LoRA


def test_lora_is_on_every_linear_layer_of_the_encoder_and_the_head_learns_in_full(encoder_dir):
    tokenizer = load_tokenizer(encoder_dir, [])
    model = load_model(encoder_dir, tokenizer, NAMES, keep_head=False)
    encoder = {f"{model.base_model_prefix}.{name}": module for name, module in model.base_model.named_modules()}
    linear = {name: module for name, module in encoder.items() if type(module) is torch.nn.Linear}
    head = {name for name, _ in model.named_parameters() if not name.startswith(f"{model.base_model_prefix}.")}
    total = sum(p.numel() for p in model.parameters())
    lines = []
    adapted = choose_weights(model, lora=True, head_only=False, say=lines.append)

    expected = {f"{name}.lora_{side}.default.weight" for name in linear for side in "AB"}
    expected |= {".modules_to_save.default.".join(_cut(name)) for name in head}
    learning = {name.removeprefix("base_model.model."): p for name, p in adapted.named_parameters() if p.requires_grad}
    assert set(learning) == expected and len(linear) >= 8
    added = sum(16 * (module.in_features + module.out_features) for module in linear.values())
    head_size = sum(p.numel() for name, p in learning.items() if "modules_to_save" in name)
    what = "LoRA of rank 16 on the encoder's linear layers, and the head"
    assert lines == [f"training {added + head_size:,} of {total + added:,} parameters: {what}"]


def _cut(name):
    part, rest = name.split(".", 1)
    return part, rest


@pytest.mark.parametrize("family", ["modernbert", "deberta-v3", "distilbert"])
def test_the_merged_model_is_a_plain_one_with_the_scores_of_the_adapted_one(family, tmp_path):
    from families import write_encoder

    write_encoder(family, tmp_path)
    tokenizer = load_tokenizer(str(tmp_path), [])
    plain = load_model(str(tmp_path), tokenizer, NAMES, keep_head=False).eval()
    ids = torch.arange(5, 35).view(3, 10)
    before, names = plain(input_ids=ids).logits, set(plain.state_dict())
    adapted = choose_weights(plain, lora=True, head_only=False, say=lambda _: None)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += torch.randn_like(parameter) * 0.2
    after = adapted.eval()(input_ids=ids).logits
    assert (after - before).abs().max() > 0.1
    trainer = SimpleNamespace(
        model=adapted,
        args=SimpleNamespace(output_dir=str(tmp_path / "run")),
        is_world_process_zero=lambda: True,
        accelerator=SimpleNamespace(prepare_model=lambda model, evaluation_mode: torch.compile(model)),
    )
    merge_lora(trainer)
    assert type(trainer.model) is type(plain) and trainer.model_wrapped._orig_mod is trainer.model
    assert set(trainer.model.state_dict()) == names
    torch.testing.assert_close(trainer.model(input_ids=ids).logits, after, rtol=1e-4, atol=1e-5)


def test_lora_on_layers_that_are_not_torchs_is_refused():
    config = transformers.GPT2Config(vocab_size=99, n_embd=32, n_layer=1, n_head=2)
    with pytest.raises(
        InputError, match="^--lora: GPT2ForTokenClassification has no linear layers of torch; train wit"
    ):
        add_lora(transformers.AutoModelForTokenClassification.from_config(config))


def test_lora_changes_adapters_and_head_and_no_encoder_weight(bert_dir, tokenizer, tmp_path):
    trainer = lora_trainer(bert_dir, tokenizer, tmp_path)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    for name, parameter in trainer.model.named_parameters():
        learns = "lora_" in name or ".modules_to_save." in name
        assert torch.equal(parameter, before[name]) != learns, name


def test_the_best_adapter_is_what_remains_and_the_merged_model_is_what_is_scored(bert_dir, tokenizer, tmp_path):
    trainer = lora_trainer(bert_dir, tokenizer, tmp_path, epochs=3)
    trainer.train()
    best = safetensors.torch.load_file(f"{trainer.state.best_model_checkpoint}/adapter_model.safetensors")
    now = peft.get_peft_model_state_dict(trainer.model, save_embedding_layers=False)
    assert set(best) == set(now) and all(torch.equal(best[name], now[name].cpu()) for name in best)
    adapted = trainer.predict(trainer.eval_dataset)
    merge_lora(trainer)
    assert not isinstance(trainer.model, peft.PeftModel) and trainer.model.config.id2label == dict(enumerate(NAMES))
    merged = trainer.predict(trainer.eval_dataset)
    assert merged.metrics["test_f1"] == adapted.metrics["test_f1"] == trainer.state.best_metric
    for one, other in zip(merged.predictions, adapted.predictions, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    trainer.save_model(str(tmp_path / "saved"))
    saved = safetensors.torch.load_file(tmp_path / "saved" / "model.safetensors")
    assert all(torch.equal(saved[name], weight) for name, weight in trainer.model.state_dict().items())


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_adapter_and_base_give_the_merged_weights_again(bert_dir, tokenizer, tmp_path):
    trainer = lora_trainer(bert_dir, tokenizer, tmp_path)
    trainer.train()
    merge_lora(trainer)
    adapter = tmp_path / "adapter"
    assert {path.name for path in adapter.iterdir()} == {
        *("adapter_config.json", "adapter_model.safetensors", "config.json")
    }
    assert len({path.stat().st_mode for path in adapter.iterdir()}) == 1
    settings = json.loads((adapter / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == bert_dir and settings["task_type"] == "TOKEN_CLS"
    assert settings["target_modules"] == sorted(settings["target_modules"])
    config = transformers.AutoConfig.from_pretrained(adapter)
    assert config.id2label == dict(enumerate(NAMES)) and config.label2id == {name: k for k, name in enumerate(NAMES)}
    base = transformers.AutoModelForTokenClassification.from_pretrained(bert_dir, config=config)
    again = peft.PeftModel.from_pretrained(base, adapter).merge_and_unload().state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in trainer.model.state_dict().items())


def test_saving_an_adapter_asks_nobody(bert_dir, tokenizer, tmp_path, monkeypatch):
    model = choose_weights(make_model(bert_dir, tokenizer), lora=True, head_only=False, say=lambda _: None)
    model.peft_config["default"].base_model_name_or_path = "me/base"
    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", lambda *_, **__: 1 / 0)
    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}


def test_a_resumed_lora_run_ends_with_the_bytes_of_the_whole_run(bert_dir, corpus, tmp_path):
    """Through the command line, since the best checkpoint and the data's order come from there too."""
    flags = ["--model", bert_dir, "--train_file", corpus, "--lora", "--max_length", "20", "--stride", "3", *QUICK]
    flags += ["--save_strategy", "steps", "--eval_strategy", "steps", "--save_steps", "5", "--eval_steps", "5"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    code, out, err = start(*flags, "--output_dir", whole, "--save_total_limit", "9")
    assert code == 0, err
    assert "training 14,897 of " in out and "LoRA of rank 16" in out
    shutil.copytree(whole / "checkpoint-5", cut / "checkpoint-5")
    code, _, err = start(*flags, "--output_dir", cut, "--resume_from_checkpoint", "true")
    assert code == 0, err
    training = [json.loads((run / "metrics.json").read_text())["training"] for run in (whole, cut)]
    assert [facts["resumed_at"] for facts in training] == [None, 5]
    adapter = json.loads((whole / "adapter" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["lora_alpha"], adapter["lora_dropout"]) == (16, 16, 0.1)
    for name in ("model.safetensors", "adapter/adapter_model.safetensors", "adapter/adapter_config.json"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    card, metrics = (whole / "README.md").read_text(), json.loads((whole / "metrics.json").read_text())
    assert metrics["training"]["way"] == "LoRA of rank 16, merged" and "Way of training: LoRA of rank 16" in card
    assert json.loads((whole / "config.json").read_text())["ner_decoding"] == "viterbi"


def test_a_checkpoint_of_the_other_kind_is_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    check_way(lora=True, head_only=False, scratch=False, resume_from=str(tmp_path))
    with pytest.raises(InputError, match="--resume_from_checkpoint .*: was trained with --lora; give --lora"):
        check_way(lora=False, head_only=False, scratch=False, resume_from=str(tmp_path))
    (tmp_path / "adapter_config.json").unlink()
    check_way(lora=False, head_only=True, scratch=False, resume_from=str(tmp_path))
    with pytest.raises(InputError, match="--resume_from_checkpoint .*: was trained without --lora; leave --lora out"):
        check_way(lora=True, head_only=False, scratch=False, resume_from=str(tmp_path))


def test_ways_that_contradict_each_other(corpus, bert_dir, monkeypatch):
    with pytest.raises(InputError, match="--lora, --train_head_only: two ways to train; give one of them"):
        run_ner.main(["--train_file", corpus, "--model", bert_dir, "--lora", "--train_head_only"])
    with pytest.raises(InputError, match="--lora: leaves the encoder as it is, and that of --model scratch is random"):
        run_ner.main(["--train_file", corpus, "--model", "scratch", "--lora"])
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(InputError, match="--lora: an adapter cannot be merged into sharded weights"):
        run_ner.main(["--train_file", corpus, "--model", bert_dir, "--lora"])


def test_the_other_ways_are_left_as_they_are(bert_dir, tokenizer, tmp_path):
    lines = []
    model = make_model(bert_dir, tokenizer)
    assert choose_weights(model, False, False, lines.append) is model and lines == []
    assert all(p.requires_grad for p in model.parameters())
    total = sum(p.numel() for p in model.parameters())
    assert choose_weights(model, False, True, lines.append) is model
    assert lines == [f"training {HEAD_SIZE} of {total:,} parameters: the head alone"]
    assert freeze_encoder(model) == (HEAD_SIZE, total)
    assert describe_way(False, False, "none", 0) == "all weights"
    assert describe_way(False, True, "balanced", 0) == "head alone, balanced class weights"
    assert describe_way(False, False, "none", 1) == "all weights, 1 copy with other entities"
    assert describe_way(False, False, "none", 3) == "all weights, 3 copies with other entities"
    (tmp_path / "adapter" / "_saving").mkdir(parents=True)  # of an earlier run
    trainer = SimpleNamespace(model=model, args=SimpleNamespace(output_dir=tmp_path), is_world_process_zero=bool)
    merge_lora(trainer)
    assert trainer.model is model and (tmp_path / "adapter").exists()  # another process sees to that
    trainer.is_world_process_zero = lambda: True
    merge_lora(trainer)
    assert not (tmp_path / "adapter").exists()


def test_the_defaults_that_the_readme_states():
    args, _ = training_arguments([], **WAYS)
    found = args.per_device_train_batch_size, args.weight_decay, args.get_warmup_steps(1000), args.save_total_limit
    assert found == (32, 0.01, 100, 2)


def test_the_learning_rate_fits_the_way():
    common = {"sentences": 10_000, "patience": None, "seed": 1}
    for scratch, width, head_only, lora, rate in (
        *((False, 768, False, False, 3e-5), (False, 768, True, False, 1e-3), (False, None, False, True, 1e-3)),
        *((True, None, False, False, 5e-4), (False, 256, False, False, 5e-4), (False, 128, True, False, 1e-3)),
        *((False, None, False, False, 3e-5), (False, 257, False, False, 3e-5), (True, None, True, False, 5e-4)),
    ):
        args, _ = training_arguments([], scratch=scratch, width=width, head_only=head_only, lora=lora, **common)
        assert args.learning_rate == rate
        assert args.label_smoothing_factor == (0.1 if scratch or width in (128, 256) else 0.0)
    common |= {"scratch": False, "width": 768}
    args, _ = training_arguments(["--learning_rate", "2e-4"], head_only=False, lora=True, **common)
    assert args.learning_rate == 2e-4
    common |= {"scratch": True, "head_only": False, "lora": False}
    assert training_arguments(["--label_smoothing_factor", "0"], **common)[0].label_smoothing_factor == 0
    for figure, mode in (("f1", "max"), ("loss", "min")):  # which way is better, for schedules that look at it
        flags = ["--lr_scheduler_type", "reduce_lr_on_plateau", "--metric_for_best_model", figure]
        assert training_arguments(flags, **common)[0].lr_scheduler_kwargs == {"mode": mode}


def test_schedule_free_optimizers_warm_up_by_steps_or_not_at_all(monkeypatch):
    monkeypatch.setattr("ner_model.arguments.check_optimizer", lambda args: None)  # it is not installed
    for flags, steps in (([], 0), (["--warmup_steps", "50"], 50)):
        args, _ = training_arguments(["--optim", "schedule_free_adamw", *flags], **WAYS)
        assert args.warmup_steps == steps


@pytest.mark.parametrize("name", ["galore_adamw", "apollo_adamw", "lomo"])
def test_an_optimizer_that_asks_the_model_is_made_when_there_is_one(name, monkeypatch):
    def ask(args):
        raise ValueError(f"You need to pass a model to initialize {name} optimizer.")

    monkeypatch.setattr(transformers.Trainer, "get_optimizer_cls_and_kwargs", staticmethod(ask))
    assert training_arguments(["--optim", name], **WAYS)[0].optim == name


def test_few_sentences_are_seen_in_more_epochs(capsys, monkeypatch):
    common = {"head_only": False, "lora": False, "patience": None, "seed": 1}
    for scratch, width, sentences, epochs in (
        *((False, 768, n, epochs) for n, epochs in ((2328, 5), (2327, 6), (500, 26), (420, 30), (1, 30))),
        *((False, 256, n, epochs) for n, epochs in ((4364, 5), (4363, 6), (2000, 12), (500, 48), (400, 60), (1, 60))),
        *((True, None, n, epochs) for n, epochs in ((1506, 8), (1505, 9), (500, 26), (1, 30))),
    ):
        args, _ = training_arguments([], scratch=scratch, width=width, sentences=sentences, **common)
        assert args.num_train_epochs == epochs
        said = capsys.readouterr().out
        assert ("epochs: " in said) == (sentences not in (2328, 4364, 1506))
    common |= {"scratch": False, "width": 256}
    assert training_arguments([], sentences=500, copied=2000, **common)[0].num_train_epochs == 10
    line = "epochs: 10 in place of 5, since 500 sentences are few, their copies included (--num_train_epochs)\n"
    assert capsys.readouterr().out == line
    assert training_arguments([], sentences=100, copied=415, **common)[0].num_train_epochs == 30
    assert training_arguments([], sentences=2000, copied=1700, **common)[0].num_train_epochs == 6
    capsys.readouterr()
    common |= {"width": 768}
    training_arguments([], sentences=500, **common)
    assert "epochs: 26 in place of 5, since 500 sentences are few (--num_train_epochs)\n" in capsys.readouterr().out
    for flags, sentences, epochs in (  # of larger steps fewer make an epoch; smaller ones are counted as of 32
        (["--per_device_train_batch_size", "128"], 2000, 26),
        (["--gradient_accumulation_steps=4"], 2000, 26),
        (["--per_device_train_batch_size", "8"], 2000, 6),
    ):
        assert training_arguments(flags, sentences=sentences, **common)[0].num_train_epochs == epochs
    assert "epochs: 26 in place of 5, since 2,000 sentences are few in steps of 128 (--num_" in capsys.readouterr().out
    with monkeypatch.context() as several:
        several.setattr(transformers.TrainingArguments, "world_size", property(lambda args: 4))
        assert training_arguments([], sentences=2000, **common)[0].num_train_epochs == 26
    assert "epochs: 26 in place of 5, since 2,000 sentences are few in steps of 128 (--num_" in capsys.readouterr().out
    for flags, epochs in ((["--num_train_epochs", "2"], 2), (["--max_steps=7"], 5)):
        assert training_arguments(flags, sentences=9, **common)[0].num_train_epochs == epochs
    assert capsys.readouterr().out == ""


def test_small_encoders_take_copies_in_place_of_epochs_beyond_twice_the_usual():
    for sentences, copies in (
        (1, 5),
        (666, 5),
        (667, 4),
        (1000, 3),
        (1001, 2),
        (1333, 2),
        (1334, 1),
        (2000, 1),
        (2001, 0),
    ):
        assert usual_copies([], False, 256, sentences) == copies
    for flags, scratch, width in (
        *(([], True, 256), ([], False, 257), ([], False, None)),
        *((["--num_train_epochs", "3"], False, 256), (["--max-steps=3"], False, 256)),
    ):
        assert usual_copies(flags, scratch, width, 500) == 0


# Class weights


def table(*tags):
    return pa.table({"tags": pa.array(list(tags), pa.list_(pa.string()))})


def test_balanced_weights_are_the_fourth_root_with_mean_one_over_training_words():
    names = ["O", "B-a", "I-a", "B-b", "I-b"]
    lines = []
    corpus = table(["O"] * 256, ["B-a"] * 16 + ["I-a"] * 81, ["B-b"])
    weights = class_weights("balanced", corpus, names, lines.append)
    # 1/4, 1/2, 1/3, 1 times a factor that makes 256/4 + 16/2 + 81/3 + 1 = 100 into 354 words; no word says what I-b is
    torch.testing.assert_close(weights, torch.tensor([3.54 / 4, 3.54 / 2, 3.54 / 3, 3.54, 1.0]))
    assert lines == ["class weights: from 0.89 for O (256 training words) to 3.54 for B-b (1), 1 on average"]
    assert weights.dtype == torch.float32
    assert class_weights("none", table(["O"]), names, lines.append) is None and len(lines) == 1
    same = class_weights("balanced", table(["O", "B-a"], ["I-a", "B-b", "I-b"]), names, lines.append)
    assert same.tolist() == [1.0] * 5


@pytest.fixture
def word_loss_case():
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 7, 5, requires_grad=True), torch.randint(5, (3, 7))
    labels[0, 2:] = labels[1, 0] = IGNORED
    return logits, labels, torch.tensor([0.5, 2.0, 7.0, 1.0, 3.0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_each_word_counts_by_the_weight_of_its_gold_label(word_loss_case, smoothing):
    logits, labels, weights = word_loss_case
    total, words = 0.0, 0
    for row, label in zip(logits.view(-1, 5), labels.view(-1).tolist(), strict=True):
        if label != IGNORED:
            p = row.log_softmax(-1)
            total, words = total - weights[label] * ((1 - smoothing) * p[label] + smoothing * p.mean()), words + 1
    loss = WordLoss(smoothing, weights)
    torch.testing.assert_close(loss({"logits": logits}, labels), total / words)
    torch.testing.assert_close(loss({"logits": logits}, labels, torch.tensor(40)), total / 40)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_of_one_change_nothing(word_loss_case, smoothing):
    logits, labels, _ = word_loss_case
    found = [WordLoss(smoothing, weights)({"logits": logits}, labels) for weights in (torch.ones(5), None)]
    gradient = [torch.autograd.grad(loss, logits)[0] for loss in found]
    torch.testing.assert_close(*found)
    torch.testing.assert_close(*gradient)


@pytest.mark.parametrize("sizes", [(1,) * 8, (3, 5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_accumulation_changes_neither_weighted_loss_nor_gradients(bert_dir, tokenizer, tmp_path, sizes, smoothing):
    windows = make_windows(tokenizer)
    trainer = make_trainer(make_model(bert_dir, tokenizer), tokenizer, windows, tmp_path)
    trainer.compute_loss_func = WordLoss(smoothing, torch.tensor([0.3, 4.0, 9.0, 3.0, 5.0]))
    rows = [{name: windows[k][name] for name in ("input_ids", "labels")} for k in range(8)]
    expected_loss, expected = gradients(trainer, [trainer.data_collator(rows)])
    cuts = np.cumsum((0, *sizes))
    parts = [trainer.data_collator(rows[b:e]) for b, e in zip(cuts[:-1], cuts[1:], strict=True)]
    loss, found = gradients(trainer, parts)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for mine, oracle in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, oracle, rtol=1e-4, atol=1e-6)


# Early stopping


def stopping_trainer(bert_dir, tokenizer, directory, f1, patience=2, epochs=6, save_strategy="epoch"):
    """Trains with an F1 per epoch that is given."""
    trainer = make_trainer(
        make_model(bert_dir, tokenizer),
        tokenizer,
        make_windows(tokenizer),
        directory,
        num_train_epochs=epochs,
        eval_strategy="epoch",
        save_strategy=save_strategy,
        load_best_model_at_end=True,
        metric_for_best_model="f1",
    )
    compute, given = ComputeMetrics(NAMES), iter(f1)
    trainer.compute_metrics = lambda prediction: compute(prediction) | {"f1": next(given)}
    for callback in early_stopping(patience):
        trainer.add_callback(callback)
    return trainer


def test_training_stops_when_f1_has_not_risen_for_as_long_as_patience_lasts(bert_dir, tokenizer, tmp_path, capsys):
    trainer = stopping_trainer(bert_dir, tokenizer, tmp_path, [0.2, 0.5, 0.5, 0.4, 0.9, 0.9])
    trainer.train()
    assert trainer.state.epoch == 4.0 and trainer.state.best_metric == 0.5
    assert trainer.state.best_model_checkpoint.endswith(f"checkpoint-{trainer.state.global_step // 2}")
    lines = [line for line in capsys.readouterr().out.splitlines() if "stopping" in line]
    assert lines == ["early stopping after epoch 4.00 of 6: best f1 0.5000, --patience 2"]


def test_a_rise_gives_all_of_the_patience_back(bert_dir, tokenizer, tmp_path, capsys):
    trainer = stopping_trainer(bert_dir, tokenizer, tmp_path, [0.2, 0.1, 0.3, 0.2, 0.4, 0.3])
    trainer.train()
    assert trainer.state.epoch == 6.0 and "stopping" not in capsys.readouterr().out
    assert early_stopping(None) == []


def test_a_resumed_run_has_no_more_patience_than_the_whole_one(bert_dir, tokenizer, tmp_path):
    f1 = [0.5, 0.4, 0.3, 0.9, 0.9, 0.9]
    stopping_trainer(bert_dir, tokenizer, tmp_path / "whole", f1).train()
    saved = sorted((tmp_path / "whole").glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    best = safetensors.torch.load_file(saved[0] / "model.safetensors")
    assert len(saved) == 3
    for number in (2, 3):  # in the middle, and where it had stopped
        for checkpoint in saved[:number]:
            shutil.copytree(checkpoint, tmp_path / str(number) / checkpoint.name)
        resumed = stopping_trainer(bert_dir, tokenizer, tmp_path / str(number), f1[number:])
        resumed.train(resume_from_checkpoint=str(tmp_path / str(number) / saved[number - 1].name))
        assert resumed.state.epoch == 3.0 and resumed.state.best_metric == 0.5, number
        assert all(torch.equal(best[name], weight) for name, weight in resumed.model.state_dict().items()), number


def test_where_the_best_checkpoint_is_lost_a_run_out_of_patience_ends_with_the_newest(
    bert_dir, tokenizer, tmp_path, capsys
):
    stopping_trainer(bert_dir, tokenizer, tmp_path, [0.5, 0.4, 0.3]).train()
    best, _, newest = sorted(tmp_path.glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    (best / "model.safetensors").unlink()
    capsys.readouterr()
    resumed = stopping_trainer(bert_dir, tokenizer, tmp_path, [])
    resumed.train(resume_from_checkpoint=str(newest))
    said = capsys.readouterr().out
    line = "early stopping after epoch 3.00 of 6: the best checkpoint is lost, the model of this epoch is used, --pati"
    assert line in said and f"{best}, the best so far: model.safetensors is missing" in said
    kept = safetensors.torch.load_file(newest / "model.safetensors")
    assert all(torch.equal(kept[name], weight) for name, weight in resumed.model.state_dict().items())


def test_patience_may_be_given_to_a_run_that_had_none(bert_dir, tokenizer, tmp_path):
    first = stopping_trainer(bert_dir, tokenizer, tmp_path, [0.5, 0.4], patience=None, epochs=2)
    first.train()
    checkpoint = tmp_path / f"checkpoint-{first.state.global_step}"
    resumed = stopping_trainer(bert_dir, tokenizer, tmp_path, [0.3, 0.2, 0.9, 0.9])
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert resumed.state.epoch == 4.0
    assert [type(one) for one in resumed.callback_handler.callbacks].count(EarlyStopping) == 1


def test_patience_without_the_best_checkpoint(bert_dir, corpus):
    flags = ["--train_file", corpus, "--model", bert_dir]
    with pytest.raises(InputError, match="--patience 0: give 1 or more"):
        run_ner.main([*flags, "--patience", "0"])
    with pytest.raises(InputError, match="--patience 3: needs --load_best_model_at_end"):
        run_ner.main([*flags, "--patience", "3", "--load_best_model_at_end", "false"])
    for save in ("no", "best"):
        with pytest.raises(InputError, match="^--patience 3: counts evaluations; give --eval_strategy epoch, or st"):
            training_arguments(["--eval_strategy", "no", "--save_strategy", save], **WAYS | {"patience": 3})
    with pytest.raises(InputError, match="--class_weights heavy: give one of none, balanced"):
        run_ner.main([*flags, "--class_weights", "heavy"])


# Values that Trainer would fail at, later


@pytest.mark.parametrize(
    ("flag", "value", "least"),
    [
        *(("per_device_train_batch_size", 0, 1), ("per_device_eval_batch_size", 0, 1)),
        *(("gradient_accumulation_steps", 0, 1), ("eval_accumulation_steps", 0, 1)),
        *(("dataloader_num_workers", -1, 0), ("data_seed", -1, 0)),
    ],
)
def test_a_number_too_small(flag, value, least):
    with pytest.raises(InputError, match=f"^--{flag} {value}: give {least} or more$"):
        training_arguments([f"--{flag}", str(value)], **WAYS)


def test_the_best_model_is_chosen_by_a_figure_that_there_is():
    gold, scores = np.array([[0, 1]]), np.log(np.full((1, 2, 5), 0.2, np.float32))
    prediction = SimpleNamespace(predictions=[scores], label_ids=[(gold, np.array([0]), np.array([0]))])
    assert set(ComputeMetrics(NAMES)(prediction)) - {"sentences", "words"} == set(FIGURES)
    for figure in FIGURES:
        args, _ = training_arguments(["--metric_for_best_model", figure], **WAYS)
        assert args.greater_is_better == (figure != "loss")
    assert training_arguments(["--metric_for_best_model", "eval_f1"], **WAYS)[0].greater_is_better
    message = "--metric_for_best_model f2: give one of f1, precision, recall, macro_f1, .*, accuracy, loss"
    with pytest.raises(InputError, match=message):
        training_arguments(["--metric_for_best_model", "f2"], **WAYS)


def test_the_best_checkpoint_alone_may_be_saved(bert_dir, tokenizer, tmp_path):
    trainer = stopping_trainer(bert_dir, tokenizer, tmp_path, [0.2, 0.5, 0.4, 0.3], save_strategy="best")
    trainer.train()
    first, best = sorted(tmp_path.glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    assert trainer.state.epoch == 4.0 and trainer.state.best_model_checkpoint == str(best)
    kept = safetensors.torch.load_file(best / "model.safetensors")
    assert all(torch.equal(kept[name], weight) for name, weight in trainer.model.state_dict().items())


def test_the_optimizer_is_fused():
    assert training_arguments([], **WAYS)[0].optim == "adamw_torch_fused"


# Precision and trackers


def test_bf16_can_be_turned_off_and_the_launcher_does_not_turn_it_on_again(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    args, precision = training_arguments(["--bf16", "false"], **WAYS)
    assert (args.bf16, args.mixed_precision, precision) == (False, "no", "fp32, as the flags ask")
    assert os.environ["ACCELERATE_MIXED_PRECISION"] == "no"
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    args, precision = training_arguments([], **WAYS)
    assert args.bf16 and precision == "bf16, this CPU has avx512_bf16 (--bf16 false turns it off)"
    with pytest.raises(InputError, match="--no_bf16: unknown flag; did you mean --bf16 false?"):
        check_flags(["--no_bf16"], [])
    check_flags(["--no_dataloader_pin_memory"], [])  # true by default, so the library has this one


def test_deepspeed_is_refused_and_the_launchers_cpu_is_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert training_arguments([], **WAYS)[0].device.type == "cpu"
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(InputError, match="DeepSpeed: not supported; several processes"):
        training_arguments(["--use_cpu", "true"], **WAYS)


@pytest.mark.parametrize("kind", ["FULL_STATE_DICT", "SHARDED_STATE_DICT"])
def test_fsdp_that_would_save_no_whole_model_is_refused(bert_dir, tokenizer, tmp_path, monkeypatch, kind):
    plugin = SimpleNamespace(state_dict_type=StateDictType[kind])
    monkeypatch.setattr("transformers.Trainer.create_accelerator_and_postprocess", lambda trainer: None)
    trainer = object.__new__(NerTrainer)
    trainer.is_fsdp_enabled, trainer.model = True, make_model(bert_dir, tokenizer)
    trainer.accelerator = SimpleNamespace(state=SimpleNamespace(fsdp_plugin=plugin))
    wrong = kind != "FULL_STATE_DICT"
    with pytest.raises(InputError, match="FSDP: SHARDED_STATE_DICT saves no whole") if wrong else nullcontext():
        trainer.create_accelerator_and_postprocess()
    assert trainer.model._no_split_modules == ["BertLayer"]


def test_a_model_that_does_not_fit_on_its_device_is_one_line(bert_dir, tokenizer, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr("transformers.Trainer._move_model_to_device", full)
    with pytest.raises(TrainingStopped, match="out of memory before the first batch: give a smaller --model"):
        lora_trainer(bert_dir, tokenizer, tmp_path)


def test_one_process_trains_on_one_gpu_and_says_so(monkeypatch):
    monkeypatch.setattr("transformers.TrainingArguments.n_gpu", property(lambda args: args.__dict__.get("_n_gpu") or 4))
    args, precision = training_arguments(["--use_cpu", "true"], **WAYS)
    assert args.n_gpu == 1
    assert precision.endswith("; one of 4 GPUs, since this is one process (`accelerate launch` uses all)")


def test_a_tracker_that_is_not_installed_is_refused_before_the_model_is_loaded(corpus, bert_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.integrations.integration_utils.is_tensorboard_available", lambda: False)
    for tracker, message in (("tensorboard", "cannot be used .*tensorboard"), ("nobody", "give one of azure_ml, .*")):
        monkeypatch.setattr("run_ner.load_model", None)
        with pytest.raises(InputError, match=f"--report_to {tracker}: {message}"):
            run_ner.main(
                ["--train_file", corpus, "--model", bert_dir, "--output_dir", str(tmp_path), "--report_to", tracker]
            )


WRITER = """
import json, os
class SummaryWriter:
    def __init__(self, log_dir, **_): self.file = open(os.environ["SCALARS"], "a")
    def add_scalar(self, name, value, step): self.file.write(json.dumps([name, value, step]) + "\\n")
    def add_text(self, *_, **__): pass
    def flush(self): self.file.flush()
    def close(self): self.file.close()
"""


def test_figures_go_to_the_tracker(corpus, bert_dir, tmp_path):
    (tmp_path / "tensorboardX").mkdir()
    (tmp_path / "tensorboardX" / "__init__.py").write_text(WRITER)
    scalars, run = tmp_path / "scalars.jsonl", tmp_path / "run"
    environment = {"PYTHONPATH": str(tmp_path), "SCALARS": str(scalars)}
    flags = ["--model", bert_dir, "--train_file", corpus, "--output_dir", run, *QUICK, "--report_to", "tensorboard"]
    code, _, err = start(*flags, "--class_weights", "balanced", "--label_smoothing_factor", "0.1", **environment)
    assert code == 0, err
    found = [json.loads(line) for line in scalars.read_text().splitlines()]
    metrics = json.loads((run / "metrics.json").read_text())
    expected = [entry["eval_f1"] for entry in metrics["history"] if "eval_f1" in entry]
    assert [value for name, value, _ in found if name == "eval/f1"] == expected and len(expected) == 2
    assert any(name == "train/loss" for name, _, _ in found)
    assert metrics["training"]["way"] == "all weights, balanced class weights"
