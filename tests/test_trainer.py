"""Training: loss, gradients, predictions, determinism, what learns and what does not."""

import math

import datasets
import numpy as np
import pytest
import torch
import transformers
from test_windows import sentences

from ner_data import InputError
from ner_data.labels import IGNORED
from ner_data.windows import encode, join_windows
from ner_eval.score import ComputeMetrics, score
from ner_model.batching import WindowCollator
from ner_model.load import load_model, load_tokenizer
from ner_model.packed_linear import PackedLinear, can_pack
from ner_model.trainable import freeze_encoder
from ner_model.trainer import LABEL_NAMES, NerTrainer, WordLoss, training_facts

NAMES = ["O", "B-geo", "I-geo", "B-per", "I-per"]
TEXTS = [
    ("Angela Merkel visited Paris .".split(), ["B-per", "I-per", "O", "B-geo", "O"]),
    ("New York is far .".split(), ["B-geo", "I-geo", "O", "O", "O"]),
    ("He left .".split(), ["O", "O", "O"]),
    (("Officials met Jordan in Washington last May and then they said no more about it " * 4).split(), ["O"] * 60),
    (["Chelsea"], ["B-geo"]),
    ("Angela said so .".split(), ["B-per", "O", "O", "O"]),
]


@pytest.fixture
def tokenizer(bert_dir):
    return load_tokenizer(bert_dir, [])


def make_model(bert_dir, tokenizer, dropout=0.0):
    torch.manual_seed(3)
    model = load_model(bert_dir, tokenizer, NAMES, keep_head=False)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return model


def make_windows(tokenizer, max_length=24):
    return datasets.Dataset(encode(sentences(*TEXTS), tokenizer, NAMES, max_length, 3).table)


def make_trainer(model, tokenizer, windows, directory, **arguments):
    defaults = {
        "output_dir": str(directory),
        "use_cpu": True,
        "num_train_epochs": 1,
        "per_device_train_batch_size": 4,
        "label_names": LABEL_NAMES,
        "eval_do_concat_batches": False,
        "disable_tqdm": True,
        "save_strategy": "no",
        "learning_rate": 1e-2,
    }
    args = transformers.TrainingArguments(**defaults | arguments)
    return NerTrainer(
        model=model,
        args=args,
        train_dataset=windows.select_columns(["input_ids", "labels"]),
        eval_dataset=windows,
        processing_class=tokenizer,
        data_collator=WindowCollator(tokenizer),
        compute_loss_func=WordLoss(args.label_smoothing_factor),
        compute_metrics=ComputeMetrics(NAMES),
    )


def gradients(trainer, batches):
    """Loss and gradients of one optimizer step over the batches, by the Trainer's own functions."""
    trainer.model.zero_grad()
    trainer.current_gradient_accumulation_steps = len(batches)
    samples, count = trainer.get_batch_samples(iter(batches), len(batches), trainer.args.device)
    loss = sum(trainer.training_step(trainer.model, dict(batch), count) for batch in samples)
    return loss.item(), [p.grad.clone() for p in trainer.model.parameters() if p.grad is not None]


@pytest.mark.parametrize("sizes", [(4, 4), (1,) * 8, (3, 5), (7, 1)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_accumulation_changes_neither_loss_nor_gradients(bert_dir, tokenizer, tmp_path, sizes, smoothing):
    windows = make_windows(tokenizer)
    assert len(windows) >= 8
    trainer = make_trainer(
        make_model(bert_dir, tokenizer), tokenizer, windows, tmp_path, label_smoothing_factor=smoothing
    )
    rows = [{name: windows[k][name] for name in ("input_ids", "labels")} for k in range(8)]
    expected_loss, expected = gradients(trainer, [trainer.data_collator(rows)])
    cuts = np.cumsum((0, *sizes))
    parts = [trainer.data_collator(rows[b:e]) for b, e in zip(cuts[:-1], cuts[1:], strict=True)]
    loss, found = gradients(trainer, parts)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for mine, oracle in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, oracle, rtol=1e-4, atol=1e-6)


def test_the_attention_that_is_loaded_gives_the_loss_and_gradients_of_the_plain_one(encoder_dir, tmp_path):
    tokenizer = load_tokenizer(encoder_dir, [])
    windows = make_windows(tokenizer)
    rows = [{name: windows[k][name] for name in ("input_ids", "labels")} for k in range(8)]
    assert len({len(row["input_ids"]) for row in rows}) > 1  # so there is padding
    found = []
    for attention in (None, "eager"):
        torch.manual_seed(0)
        model = make_model(encoder_dir, tokenizer)
        loaded = model.config._attn_implementation
        assert loaded == ("eager" if model.config.model_type == "deberta-v2" else "sdpa")
        if attention:
            model.set_attn_implementation(attention)
        trainer = make_trainer(model, tokenizer, windows, tmp_path)
        found.append(gradients(trainer, [trainer.data_collator(rows)]))
    (loss, ours), (plain_loss, plain) = found
    assert loss == pytest.approx(plain_loss, rel=1e-5)
    for mine, oracle in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine, oracle, rtol=1e-4, atol=1e-6)


def test_the_fused_optimizer_steps_as_the_plain_one_does(bert_dir, tokenizer, tmp_path):
    weights = []
    for optim in ("adamw_torch_fused", "adamw_torch"):
        trainer = train(bert_dir, tokenizer, tmp_path / optim, optim=optim, max_steps=3, weight_decay=0.1)
        weights.append([p.detach() for p in trainer.model.parameters()])
    for mine, oracle in zip(*weights, strict=True):
        torch.testing.assert_close(mine, oracle, rtol=1e-4, atol=1e-5)  # steps of 1e-2


@pytest.mark.parametrize("share", [0.5, 1.0, 1.0 + 1e-7, 2.0, float("nan")])
def test_clipping_gives_the_stock_trainers_bytes_and_leaves_short_gradients_alone(bert_dir, tokenizer, tmp_path, share):
    windows = make_windows(tokenizer)
    trainer = make_trainer(make_model(bert_dir, tokenizer), tokenizer, windows, tmp_path)
    rows = [{name: windows[k][name] for name in ("input_ids", "labels")} for k in range(4)]
    gradients(trainer, [trainer.data_collator(rows)])
    weights = [weight for weight in trainer.model.parameters() if weight.grad is not None]
    if math.isnan(share):
        weights[0].grad[0] = share
    trainer.args.max_grad_norm = share * torch.nn.utils.get_total_norm([weight.grad for weight in weights]).item()
    before = [weight.grad.clone() for weight in weights]
    expected_norm = transformers.Trainer._clip_grad_norm(trainer, trainer.model)
    expected = [weight.grad.numpy().tobytes() for weight in weights]
    for weight, gradient in zip(weights, before, strict=True):
        weight.grad = gradient
    versions = [gradient._version for gradient in before]
    assert trainer._clip_grad_norm(trainer.model).numpy().tobytes() == expected_norm.numpy().tobytes()
    assert [weight.grad.numpy().tobytes() for weight in weights] == expected
    assert (versions == [weight.grad._version for weight in weights]) == (share == 2.0)


def test_the_loss_is_the_mean_over_labelled_words(bert_dir, tokenizer, tmp_path):
    model = make_model(bert_dir, tokenizer)
    batch = WindowCollator(tokenizer)([make_windows(tokenizer).select_columns(["input_ids", "labels"])[0]])
    outputs = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    owned = batch["labels"] != IGNORED
    for smoothing in (0.0, 0.2):
        oracle = torch.nn.functional.cross_entropy(
            outputs.logits[owned], batch["labels"][owned], label_smoothing=smoothing
        )
        torch.testing.assert_close(WordLoss(smoothing)(outputs, batch["labels"]), oracle)
    with_smoother = transformers.trainer_pt_utils.LabelSmoother(0.2)(outputs, batch["labels"])
    torch.testing.assert_close(WordLoss(0.2)(outputs, batch["labels"]), with_smoother)


def test_stock_trainer_still_multiplies_the_loss_by_accumulation_steps(bert_dir, tokenizer, tmp_path):
    """The trap that `WordLoss` is there for (transformers#47688). When this fails, `WordLoss` can go."""
    windows = make_windows(tokenizer)
    args = transformers.TrainingArguments(output_dir=str(tmp_path), use_cpu=True, disable_tqdm=True)
    stock = transformers.Trainer(make_model(bert_dir, tokenizer), args, data_collator=WindowCollator(tokenizer))
    rows = [{name: windows[0][name] for name in ("input_ids", "labels")} for _ in range(4)]
    once, _ = gradients(stock, [stock.data_collator(rows)])
    four_times, _ = gradients(stock, [stock.data_collator([row]) for row in rows])
    assert four_times == pytest.approx(4 * once, rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_predictions_depend_on_neither_batch_size_nor_order(bert_dir, tokenizer, tmp_path, batch_size):
    windows = make_windows(tokenizer)
    model = make_model(bert_dir, tokenizer).eval()
    oracle = []
    for row in windows:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        oracle += [logits[k] for k, label in enumerate(row["labels"]) if label != IGNORED]
    shuffled = windows.shuffle(seed=batch_size)
    trainer = make_trainer(model, tokenizer, windows, tmp_path, per_device_eval_batch_size=batch_size)
    prediction = trainer.predict(shuffled)
    rows, gold, offsets = join_windows(prediction.predictions, *zip(*prediction.label_ids, strict=True))
    torch.testing.assert_close(torch.from_numpy(rows), torch.stack(oracle), rtol=1e-4, atol=1e-5)
    assert [NAMES[k] for k in gold] == [tag for _, tags in TEXTS for tag in tags]
    assert np.diff(offsets).tolist() == [len(words) for words, _ in TEXTS]


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing. is deprecated:FutureWarning")
def test_gradient_checkpointing_of_an_encoder_that_has_none_is_a_users_mistake(bert_dir, tokenizer, tmp_path):
    windows, model = make_windows(tokenizer), make_model(bert_dir, tokenizer)
    make_trainer(model, tokenizer, windows, tmp_path, gradient_checkpointing=True)
    model.supports_gradient_checkpointing = False  # as MPNet's
    with pytest.raises(InputError, match="--gradient_checkpointing: models of the type bert have none; leave it out"):
        make_trainer(model, tokenizer, windows, tmp_path, gradient_checkpointing=True)


@pytest.mark.skipif(not can_pack(torch.bfloat16), reason="this CPU does not pack bf16")
def test_evaluation_in_bf16_goes_by_packed_weights_and_training_does_not(bert_dir, tokenizer, tmp_path, monkeypatch):
    packs, forward = [], PackedLinear.forward
    monkeypatch.setattr(PackedLinear, "forward", lambda self, *given: packs.append(1) or forward(self, *given))
    windows, found = make_windows(tokenizer), {}
    for bf16 in (False, True):
        trainer = make_trainer(make_model(bert_dir, tokenizer), tokenizer, windows, tmp_path, bf16=bf16)
        trainer.training_step(trainer.model, trainer.data_collator([windows[0]]))
        assert not packs
        found[bf16] = trainer.predict(windows).predictions
        assert bool(packs) == bf16
    for exact, half in zip(found[False], found[True], strict=True):
        np.testing.assert_allclose(half, exact, rtol=0.05, atol=0.05)


def train(bert_dir, tokenizer, directory, **arguments):
    transformers.set_seed(7)
    model = make_model(bert_dir, tokenizer, dropout=0.1)
    trainer = make_trainer(model, tokenizer, make_windows(tokenizer), directory, **arguments)
    trainer.train()
    return trainer


def test_the_same_seed_gives_the_same_bytes(bert_dir, tokenizer, tmp_path):
    files = []
    for run in ("a", "b", "c"):
        trainer = train(bert_dir, tokenizer, tmp_path / run, num_train_epochs=2, seed=8 if run == "c" else 7)
        trainer.save_model()
        files.append((tmp_path / run / "model.safetensors").read_bytes())
    assert files[0] == files[1] != files[2]


def test_head_only_changes_the_head_and_no_encoder_weight(bert_dir, tokenizer, tmp_path):
    model = make_model(bert_dir, tokenizer)
    learning, total = freeze_encoder(model)
    assert learning == 32 * 5 + 5 < total
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    make_trainer(model, tokenizer, make_windows(tokenizer), tmp_path).train()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) != name.startswith("classifier."), name


def test_full_fine_tuning_changes_every_weight(bert_dir, tokenizer, tmp_path):
    model = make_model(bert_dir, tokenizer)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    make_trainer(model, tokenizer, make_windows(tokenizer), tmp_path).train()
    same = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert same == []


def test_weight_decay_leaves_out_biases_and_norms(bert_dir, tokenizer, tmp_path):
    """The 2018 recipe looked for `gamma` and `beta`, which no longer exist, and so decayed every norm."""
    model = make_model(bert_dir, tokenizer)
    trainer = make_trainer(model, tokenizer, make_windows(tokenizer), tmp_path, weight_decay=0.01)
    decayed = set(trainer.get_decay_parameter_names(model))
    for name, _ in model.named_parameters():
        assert (name in decayed) == (not name.endswith("bias") and "LayerNorm" not in name), name


def test_epoch_figures_and_final_figures_are_the_same(bert_dir, tokenizer, tmp_path, capsys):
    trainer = train(
        bert_dir,
        tokenizer,
        tmp_path,
        num_train_epochs=3,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="f1",
    )
    epochs = [entry for entry in trainer.state.log_history if "eval_f1" in entry]
    final = score(trainer.predict(trainer.eval_dataset), NAMES).scores
    assert final["f1"] == max(entry["eval_f1"] for entry in epochs) == trainer.state.best_metric
    best = next(entry for entry in epochs if entry["eval_f1"] == final["f1"])
    assert final["loss"] == best["eval_loss"] and final["accuracy"] == best["eval_accuracy"]
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith((" 1.00", " 2.00", " 3.00"))]
    loss = next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    columns = ("eval_loss", "eval_accuracy", "eval_f1", "eval_macro_f1")
    assert len(rows) == 3
    assert rows[0].split() == ["1.00", f"{loss:.4f}", *(f"{epochs[0][column]:.4f}" for column in columns)]
    facts = training_facts(trainer)
    assert facts["epochs"] == 3 and facts["batch_size"] == 4 and facts["precision"] == "fp32"
    assert facts["best_epoch"] == best["epoch"]
    trainer.is_chosen = False  # the last epoch's model is the result then, whichever was the best
    assert training_facts(trainer)["best_epoch"] is None


def test_resuming_in_mid_epoch_gives_the_bytes_of_the_whole_run(bert_dir, tokenizer, tmp_path):
    settings = {"num_train_epochs": 2, "save_strategy": "steps", "save_steps": 3, "per_device_train_batch_size": 2}
    whole = train(bert_dir, tokenizer, tmp_path / "whole", **settings)
    checkpoint = tmp_path / "whole" / "checkpoint-3"
    assert whole.state.max_steps > 6
    settings["eval_on_start"] = True  # that is at the start of the first run, not of the one that goes on with it
    transformers.set_seed(99)
    model = make_model(bert_dir, tokenizer, dropout=0.1)
    resumed = make_trainer(model, tokenizer, make_windows(tokenizer), tmp_path / "r", **settings)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert not [entry for entry in resumed.state.log_history if "eval_f1" in entry]
    for (name, mine), oracle in zip(resumed.model.state_dict().items(), whole.model.state_dict().values(), strict=True):
        assert torch.equal(mine, oracle), name
