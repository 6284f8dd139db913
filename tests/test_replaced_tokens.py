"""Replaced-token detection: what is drawn and filled in, the loss and its gradients, and the command line."""

import json

import pytest
import torch
import transformers
from families import TEXT
from test_pretrain import SHAPE, TWO_PROCESSES, masked_language_model, packed, start, text_file, trained  # noqa: F401

from ner_data import InputError
from ner_data.labels import IGNORED
from ner_model import pretrain
from ner_model.packed_text import collate_rows
from ner_model.replaced_tokens import DETECTION_WEIGHT, ReplacedTrainer, draw


def replaced_trainer(config, directory, share, attention="eager"):
    torch.manual_seed(0)
    model = transformers.AutoModelForMaskedLM.from_config(config, attn_implementation=attention)
    args = transformers.TrainingArguments(str(directory), use_cpu=True, max_steps=1, remove_unused_columns=False)
    trainer = ReplacedTrainer(model, share, args)
    trainer.model.train()
    return trainer


def test_a_number_is_drawn_as_often_as_softmax_says():
    torch.manual_seed(3)
    shares = torch.tensor([0.0, 0.5, 0.1, 0.0, 0.4, 0.0])
    drawn = draw(shares.log().expand(20_000, 6))
    assert drawn.dtype == torch.int64
    counts = torch.bincount(drawn, minlength=6) / 20_000
    assert counts[shares == 0].sum() == 0
    torch.testing.assert_close(counts, shares, rtol=0, atol=0.015)
    assert draw(torch.full((5, 3), -1e4).index_fill_(1, torch.tensor([2]), 0.0)).tolist() == [2] * 5


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", ["bert-cased", "roberta", "distilbert", "modernbert"])
def test_the_loss_and_its_gradients_are_those_of_both_tasks_done_plainly(family, attention, tmp_path):
    tokenizer, config = masked_language_model(family)
    rows = packed(TEXT, tokenizer, length=48)
    batch = collate_rows([rows[k] for k in range(4)])
    trainer = replaced_trainer(config, tmp_path, 0.6, attention)
    drawn = batch["labels"] != IGNORED
    torch.manual_seed(8)
    inputs = trainer._model_inputs(batch)
    left = inputs["labels"] != IGNORED
    assert 0 < left.sum() < drawn.sum()
    torch.manual_seed(8)
    loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(50))
    loss.backward()

    plain = transformers.AutoModelForMaskedLM.from_config(config, attn_implementation=attention).train()
    state = trainer.model.state_dict()
    detector = torch.nn.Sequential(torch.nn.Linear(config.hidden_size, config.hidden_size), torch.nn.GELU())
    detector.append(torch.nn.Linear(config.hidden_size, 1))
    detector.load_state_dict({k.removeprefix("detector."): v for k, v in state.items() if k.startswith("detector.")})
    plain.load_state_dict({k: v for k, v in state.items() if not k.startswith("detector.")})
    labels = inputs.pop("labels")
    encoded = plain.base_model(**inputs).last_hidden_state
    logits = plain(**inputs).logits
    guesses = torch.nn.functional.cross_entropy(logits[left], labels[left], reduction="sum")
    original = torch.where(drawn, batch["labels"], batch["input_ids"])
    judged = (batch["segment"] > 0) & ~left
    differs = (inputs["input_ids"] != original)[judged].float()
    assert 0 < differs.sum() <= (drawn & ~left).sum()
    detection = torch.nn.functional.binary_cross_entropy_with_logits(
        detector(encoded)[..., 0][judged], differs, reduction="sum"
    )
    expected = (guesses + DETECTION_WEIGHT * detection) / 50
    expected.backward()
    torch.testing.assert_close(loss, expected)
    theirs = dict(plain.named_parameters()) | {f"detector.{k}": v for k, v in detector.named_parameters()}
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, rtol=1e-4, atol=1e-6, msg=name)
    assert all(p.grad is None for p in trainer.generator.parameters())
    del trainer.model.get_output_embeddings().forward  # scores of all the vocabulary, for models that change them
    torch.manual_seed(8)
    torch.testing.assert_close(trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(50)), loss)
    trainer.model.eval()
    logits = plain.eval()(**trainer._model_inputs(batch) | {"labels": None}).logits
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
    torch.testing.assert_close(trainer.compute_loss(trainer.model, batch), expected)


def test_only_masked_words_are_filled_in_and_as_a_whole(tmp_path):
    tokenizer, config = masked_language_model("bert-cased")
    rows = packed(TEXT * 4, tokenizer, length=48)
    batch = collate_rows([rows[k] for k in range(len(rows))])
    drawn = batch["labels"] != IGNORED
    for share in (1.0, 0.5):
        trainer = replaced_trainer(config, tmp_path, share)
        inputs = trainer._model_inputs(batch)
        filled = trainer.filled
        assert torch.equal(inputs["input_ids"][~filled], batch["input_ids"][~filled])
        assert torch.equal(inputs["labels"], torch.where(filled, IGNORED, batch["labels"]))
        assert float(filled.sum() / drawn.sum()) == pytest.approx(share, abs=0.12) and not (filled & ~drawn).any()
        touching = drawn[:, 1:] & drawn[:, :-1]
        assert torch.equal(filled[:, 1:][touching], filled[:, :-1][touching])
    trainer.model.eval()
    inputs = trainer._model_inputs(batch)
    assert torch.equal(inputs["input_ids"], batch["input_ids"]) and torch.equal(inputs["labels"], batch["labels"])


def test_the_generator_stays_what_the_model_was(tmp_path):
    _, config = masked_language_model("bert-cased")
    trainer = replaced_trainer(config, tmp_path, 0.5)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(1.0)
    for name, value in trainer.generator.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_the_generator_computes_in_the_precision_of_the_run(tmp_path):
    tokenizer, config = masked_language_model("bert-cased")
    batch = collate_rows([packed(TEXT, tokenizer, length=48)[0]])
    model = transformers.AutoModelForMaskedLM.from_config(config, attn_implementation="eager")
    trainer = ReplacedTrainer(model, 0.5, transformers.TrainingArguments(str(tmp_path), use_cpu=True, bf16=True))
    types = []
    trainer.generator.get_output_embeddings().register_forward_hook(lambda *call: types.append(call[-1].dtype))
    trainer.model.train()
    trainer._model_inputs(batch)
    assert types == [torch.bfloat16]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "x", "--replaced_share", "1.5"], "--replaced_share 1.5: give a share from 0 up to 1"),
        (["--model", "x", "--replaced_share", "1"], "--replaced_share 1.0: give a share from 0 up to 1"),
        (["--replaced_share", "0.75"], "--replaced_share 0.75: scratch cannot fill words in yet"),
    ],
)
def test_shares_that_cannot_be_are_refused(flags, message):
    with pytest.raises(InputError) as caught:
        pretrain.parse(["--text", "a", "--output_dir", "x", "--max_steps", "1", *flags])
    assert message in str(caught.value)


def test_a_run_resumes_to_the_same_bytes_and_stays_a_masked_language_model(trained, text_file, tmp_path):  # noqa: F811
    flags = ["--text", text_file, "--model", trained[0] / "whole", "--max_steps", 30, "--save_steps", 10]
    flags += ["--replaced_share", 0.75, "--save_total_limit", 9, "--learning_rate", "1e-2", *SHAPE[-4:]]
    code, out, err = start(*flags, "--output_dir", tmp_path / "whole")
    assert code == 0, err
    facts = json.loads((tmp_path / "whole" / "pretraining.json").read_text())
    first = json.loads((trained[0] / "whole" / "pretraining.json").read_text())
    assert facts["replaced_share"] == 0.75 and first["replaced_share"] == 0 and len(facts["before"]) == 1
    assert facts["held_out_loss"] < first["held_out_loss"] + 0.2  # it can still guess
    assert "for 75% of the masked words, replaced-token\ndetection" in (tmp_path / "whole" / "README.md").read_text()
    model, loading = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "whole", output_loading_info=True)
    assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys"))

    (tmp_path / "resumed").mkdir()
    (tmp_path / "whole" / "checkpoint-10").rename(tmp_path / "resumed" / "checkpoint-10")
    code, out, err = start(*flags, "--output_dir", tmp_path / "resumed", "--resume_from_checkpoint")
    assert code == 0, err
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "resumed")]
    assert weights[0] == weights[1]
    at = flags.index("--replaced_share")
    without = [*flags[:at], *flags[at + 2 :], "--output_dir", tmp_path / "resumed", "--resume_from_checkpoint"]
    code, out, err = start(*without)
    assert code == 2 and "of a run with --replaced_share 0.75" in err and "Traceback" not in err


def test_an_encoder_without_its_head_is_refused(bert_dir, text_file, tmp_path):  # noqa: F811
    model = transformers.AutoModel.from_pretrained(bert_dir)
    model.save_pretrained(tmp_path / "bare")
    transformers.AutoTokenizer.from_pretrained(bert_dir).save_pretrained(tmp_path / "bare")
    flags = ["--text", text_file, "--model", tmp_path / "bare", "--max_steps", 1, "--output_dir", tmp_path / "run"]
    code, out, err = start(*flags, "--replaced_share", 0.5)
    assert code == 2 and "cannot fill words in yet, it has no cls." in err and "Traceback" not in err


def test_two_processes_fill_in_and_resume_to_the_same_bytes(trained, text_file, tmp_path):  # noqa: F811
    flags = ["--text", text_file, "--model", trained[0] / "whole", "--replaced_share", 0.5, "--max_steps", 6]
    flags += ["--per_device_train_batch_size", 16, "--gradient_accumulation_steps", 2, "--save_steps", 3]
    flags += ["--save_total_limit", 9, "--bf16", "false", "--use_cpu", "true", "--max_length", 32]
    code, out, err = start(*flags, "--output_dir", tmp_path / "whole", launch=TWO_PROCESSES)
    assert code == 0, err
    (tmp_path / "resumed").mkdir()
    (tmp_path / "whole" / "checkpoint-3").rename(tmp_path / "resumed" / "checkpoint-3")
    code, out, err = start(
        *flags, "--output_dir", tmp_path / "resumed", "--resume_from_checkpoint", launch=TWO_PROCESSES
    )
    assert code == 0, err
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "resumed")]
    assert weights[0] == weights[1]
