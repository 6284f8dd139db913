"""Pre-training: rows, masks, no attention between pieces, budgets, resuming, and the command line."""

import gzip
import json
import lzma
import math
import os
import shutil
import subprocess
import sys
import types
import zlib
from dataclasses import fields
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
import transformers
from families import FAMILIES, TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

import run_ner
from ner_data import InputError
from ner_data.labels import IGNORED
from ner_data.read import read_corpus
from ner_data.text_file import read_paragraphs
from ner_model import pretrain
from ner_model.checkpoints import TrainingStopped, fault_of
from ner_model.load import learn_wordpiece
from ner_model.masked_lm import DROPOUTS, MaskedTrainer, ScoredInChunks, load_masked_lm
from ner_model.muon import MuonAdamW
from ner_model.packed_text import SCORED_BY, PackedRows, RowBatches, collate_rows, encode_paragraphs, scored_places
from ner_model.pretraining_run import (
    MOST_MEASURED,
    BudgetSchedule,
    dropouts_of,
    hold_out,
    load_and_pack,
    pretraining_arguments,
    trainings_of,
)
from ner_model.pretraining_run import pretrain as run_pretraining

ROOT = Path(__file__).parent.parent
WORDPIECE = learn_wordpiece([word for text in TEXT for word in text.split()], 200)
WORDS = sorted({word for text in TEXT for word in text.split()})


def packed(paragraphs, tokenizer=WORDPIECE, length=24, share=0.3, seed=1):
    return PackedRows(encode_paragraphs(tokenizer, paragraphs), tokenizer, length, share, seed)


def restored(item):
    """An item with its masked subwords put back: (ids, segment)."""
    ids, segment, target = item
    return np.where(target == IGNORED, ids, target), segment


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40), min_size=1, max_size=12), st.integers(0, 3))
def test_rows_hold_every_subword_once(sentences, epoch):
    rows = packed([" ".join(words) for words in sentences])
    pieces = []
    positions = 0
    for k in range(len(rows)):
        ids, segment = restored(rows[epoch * len(rows) + k])
        assert len(ids) == 24
        positions += int((segment == 0).sum())
        assert (ids[segment == 0] == WORDPIECE.pad_token_id).all()
        for number in range(1, segment.max() + 1):
            piece = ids[segment == number].tolist()
            assert piece[0] == WORDPIECE.cls_token_id and piece[-1] == WORDPIECE.sep_token_id
            pieces.append(tuple(piece[1:-1]))
    whole = [WORDPIECE(" ".join(words), add_special_tokens=False)["input_ids"] for words in sentences]
    assert sorted(i for piece in pieces for i in piece) == sorted(i for ids in whole for i in ids)
    assert sorted(pieces) == sorted(tuple(part) for ids in whole for part in cut(ids, 22))
    assert rows.padding() == pytest.approx(positions / (24 * len(rows)))


def cut(ids, room):
    """Pieces of at most `room` subwords that end between words: the slow way."""
    tokens = WORDPIECE.convert_ids_to_tokens(ids)
    piece = []
    begin = 0
    while begin < len(ids):
        end = min(begin + room, len(ids))
        while end < len(ids) and tokens[end].startswith("##"):
            end -= 1
        piece.append(ids[begin:end])
        begin = end
    return piece


def test_words_are_masked_as_a_whole_and_anew_in_every_epoch():
    rows = packed(TEXT * 40)
    masked = whole = replaced = kept = words = 0
    for k in range(len(rows)):
        ids, segment, target = rows[k]
        original, _ = restored(rows[k])
        tokens = WORDPIECE.convert_ids_to_tokens(original.tolist())
        special = np.isin(original, WORDPIECE.all_special_ids)
        assert (target[special | (segment == 0)] == IGNORED).all()
        for i, token in enumerate(tokens):
            if special[i]:
                continue
            words += not token.startswith("##")
            if token.startswith("##"):
                assert (target[i] != IGNORED) == (target[i - 1] != IGNORED), tokens
            elif target[i] != IGNORED:
                whole += 1
                masked += ids[i] == WORDPIECE.mask_token_id
                kept += ids[i] == original[i]
                replaced += ids[i] not in (WORDPIECE.mask_token_id, original[i])
    assert abs(whole / words - 0.3) < 0.02
    assert abs(masked / whole - 0.8) < 0.02 and abs(replaced / whole - 0.1) < 0.02 and abs(kept / whole - 0.1) < 0.02
    assert np.array_equal(rows[3][0], rows[3][0])
    assert not np.array_equal(rows[3][2], rows[3 + len(rows)][2])
    assert np.array_equal(restored(rows[3])[0], restored(rows[3 + len(rows)])[0])


@pytest.mark.parametrize("family", ["bert-cased", "xlm-roberta"])
def test_of_a_word_of_more_than_16_subwords_each_is_masked_for_itself(family):
    """A tokenizer that splits at spaces alone takes a sentence of a language without them for one word."""
    tokenizer = FAMILIES[family][0]()
    grown = ["oise" * (n // 4) + "oise"[: n % 4] for n in range(1, 80)]
    sixteen = next(w for w in grown if len(encode_paragraphs(tokenizer, [[w]]).ids) == 16)
    word = encode_paragraphs(tokenizer, [f"New {sixteen} {sixteen}eoeo met", f"New {sixteen} met"]).word
    texts = (["New"], [sixteen], [sixteen + "eoeo"], ["met"])
    new, short, long, met = (len(encode_paragraphs(tokenizer, [text]).ids) for text in texts)
    assert short == 16 < long
    after = list(range(2, 2 + long))
    assert word.tolist() == [
        *[0] * new, *[1] * short, *after, *[2 + long] * met, *[0] * new, *[1] * short, *[2] * met,
    ]  # fmt: skip


def test_a_row_without_a_drawn_word_gets_one_and_the_others_stay_as_they_were():
    rows = packed(TEXT * 4, share=1e-12)
    for k in range(3 * len(rows)):
        ids, segment = restored(rows[k])
        place = np.flatnonzero(rows[k][2] != IGNORED)
        assert not np.isin(ids[place], WORDPIECE.all_special_ids).any()
        assert (np.diff(place) == 1).all() and place[-1] + 1 < len(ids)
        starts = [not token.startswith("##") for token in WORDPIECE.convert_ids_to_tokens(ids[place[0] :].tolist())]
        assert starts[: len(place) + 1] == [True, *[False] * (len(place) - 1), True]  # one word, the whole of it
        assert all(map(np.array_equal, rows[k], rows[k]))
    rows = packed(TEXT * 4)
    nothing_drawn = {1, 28, 29, 49, 63, 66, 92, 94}
    assert all((rows[k][2] != IGNORED).any() for k in nothing_drawn)
    others = [rows[k] for k in range(len(rows)) if k not in nothing_drawn]
    assert zlib.crc32(b"".join(column.tobytes() for item in others for column in item)) == 3269530140


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("rows", [3, 8, 9, 11, 16])
def test_every_row_once_per_epoch_in_a_new_order(rows, processes):
    """9 rows in batches of 8 leave one for the last batch: too few for all processes, so the batch before takes it."""
    whole = RowBatches(rows, 8, seed=0)
    dealt = [RowBatches(rows, 8, 0, process, processes) for process in range(processes)]
    seen = []
    for epoch in (0, 1, 2):
        for batches in (whole, *dealt):
            batches.set_epoch(epoch)
        steps = [sum(parts, []) for parts in zip(*dealt, strict=True)]
        assert all(map(all, zip(*dealt, strict=True))) and len(steps) == len(dealt[0])
        assert sum(steps, []) == sum(whole, [])
        assert processes > 1 or steps == [batch[:8] for batch in steps] and len(steps) == -(-rows // 8)
        assert sorted(sum(whole, [])) == list(range(epoch * rows, (epoch + 1) * rows))
        seen.append([k % rows for k in sum(whole, [])])
    assert rows == 3 or seen[0] != seen[1] != seen[2]


def test_a_text_with_fewer_rows_than_processes_is_refused():
    with pytest.raises(InputError, match="2 rows of subwords for 3 processes; give more text"):
        RowBatches(2, 8, 0, 0, 3)


def masked_language_model(family, **more):
    make_tokenizer, make_config = FAMILIES[family]
    tokenizer = make_tokenizer()
    if tokenizer.mask_token is None:
        tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    torch.manual_seed(0)
    config = make_config(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **more)
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
        if hasattr(config, name):
            setattr(config, name, 0.0)
    return tokenizer, config


@pytest.mark.parametrize("family", FAMILIES)
def test_where_a_model_drops_out_is_known(family):
    _, config = masked_language_model(family)
    for name in (*DROPOUTS, "mlp_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout"):
        if hasattr(config, name):
            setattr(config, name, 0.5)
    model = transformers.AutoModelForMaskedLM.from_config(config).train()
    ids = torch.arange(5, 25).view(2, 10)
    assert not torch.equal(model(ids).logits, model(ids).logits)
    for module, name, p in dropouts_of(model):
        assert p == 0.5
        setattr(module, name, 0.0)
    assert torch.equal(model(ids).logits, model(ids).logits)


def trainer_of(config, directory, attention):
    torch.manual_seed(0)
    model = transformers.AutoModelForMaskedLM.from_config(config, attn_implementation=attention)
    args = transformers.TrainingArguments(str(directory), use_cpu=True, max_steps=1, remove_unused_columns=False)
    return MaskedTrainer(model, args)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize(
    ("family", "more"),
    [*((family, {}) for family in FAMILIES if family != "deberta-v3"), ("modernbert", {"local_attention": 4})],
)
def test_a_packed_piece_is_scored_as_if_it_stood_alone(family, more, attention, tmp_path):
    tokenizer, config = masked_language_model(family, **more)
    rows = packed([" ".join(text.split()[:5]) for text in TEXT], tokenizer, length=60)
    batch = collate_rows([rows[k] for k in range(4)])
    trainer = trainer_of(config, tmp_path, attention)
    trainer.model.eval()
    with torch.no_grad():
        inputs = trainer._model_inputs(batch)
        labels = inputs.pop("labels")
        decoder, seen = trainer.model.get_output_embeddings(), []
        decoder.register_forward_pre_hook(lambda module, args: seen.append(args[0][0]))
        summed = trainer.model(**inputs).logits
        wanted = labels[labels != IGNORED]
        assert len(seen[0]) % SCORED_BY == 0 and len(wanted) < len(seen[0]) < len(wanted) + SCORED_BY
        together = torch.nn.functional.linear(seen[0][: len(wanted)], decoder.weight, decoder.bias)
        torch.testing.assert_close(summed, torch.nn.functional.cross_entropy(together, wanted, reduction="sum"))
        plain = transformers.AutoModelForMaskedLM.from_config(config, attn_implementation=attention).eval()
        plain.load_state_dict(trainer.model.state_dict())
        alone = []
        assert batch["segment"].max() > 1
        for row in range(4):
            for number in range(1, int(batch["segment"][row].max()) + 1):
                place = batch["segment"][row] == number
                ids = batch["input_ids"][row, place][None]
                logits = plain(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
                alone.append(logits[labels[row, place] != IGNORED])
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["bert-cased", "roberta", "distilbert", "modernbert"])
def test_scores_of_masked_subwords_alone_give_the_plain_loss_and_gradients(family, tmp_path):
    tokenizer, config = masked_language_model(family)
    rows = packed(TEXT, tokenizer, length=48)
    batch = collate_rows([rows[k] for k in range(4)])
    trainer = trainer_of(config, tmp_path, "eager")
    inputs = trainer._model_inputs(batch)
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    plain = transformers.AutoModelForMaskedLM.from_config(config, attn_implementation="eager").train()
    plain.load_state_dict(trainer.model.state_dict())
    labels = inputs.pop("labels")
    logits = plain(**inputs).logits
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    expected.backward()
    torch.testing.assert_close(loss, expected)
    theirs = dict(plain.named_parameters())
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, rtol=1e-4, atol=1e-7, msg=name)


def test_a_model_that_changes_what_its_output_layer_gives_keeps_its_own_scores(tmp_path):
    tokenizer, config = masked_language_model("bert-cased")
    rows = packed(TEXT, tokenizer, length=48)
    batch = collate_rows([rows[k] for k in range(4)])
    torch.manual_seed(0)
    model = transformers.AutoModelForMaskedLM.from_config(config, attn_implementation="eager")
    model.cls.register_forward_hook(lambda module, args, output: output * 2)
    trainer = MaskedTrainer(model, transformers.TrainingArguments(str(tmp_path), use_cpu=True, max_steps=1))
    assert model.training and "forward" not in vars(model.get_output_embeddings())
    loss = trainer.compute_loss(model, batch)
    inputs, plain = trainer._model_inputs(batch), trainer_of(config, tmp_path, "eager")
    labels = inputs.pop("labels")
    seen = []
    plain.model.get_output_embeddings().register_forward_pre_hook(lambda module, args: seen.append(args[0][0]))
    plain._model_inputs(batch)
    plain.model(**inputs)
    decoder = plain.model.get_output_embeddings()
    wanted = labels[labels != IGNORED]
    scores = 2 * torch.nn.functional.linear(seen[0][: len(wanted)], decoder.weight, decoder.bias)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores, wanted))
    loss.backward()
    # as one of several parts of a step
    part = trainer.compute_loss(model, batch, num_items_in_batch=torch.tensor(3 * len(wanted)))
    torch.testing.assert_close(part, loss / 3)


def test_the_loss_is_divided_by_all_masked_subwords_of_a_step(tmp_path):
    trainer = trainer_of(masked_language_model("bert-cased")[1], tmp_path, "eager")
    labels = torch.tensor([[1, IGNORED, 2], [IGNORED, 4, IGNORED]])
    assert float(trainer._mean_loss({"logits": torch.tensor(12.0)}, labels)) == 4
    assert float(trainer._mean_loss({"logits": torch.tensor(12.0)}, labels, torch.tensor(6))) == 2


@pytest.mark.parametrize("masked", [0, 1, SCORED_BY - 1, SCORED_BY, SCORED_BY + 1, 300])
def test_a_batch_is_scored_at_its_masked_subwords_and_some_places_more(masked):
    target = np.full((3, 100), IGNORED)
    target.ravel()[np.random.default_rng(0).permutation(300)[:masked]] = np.arange(masked)
    scored, wanted = scored_places(target)
    assert scored[:masked].tolist() == np.flatnonzero(target != IGNORED).tolist()
    assert wanted.tolist() == target.ravel()[scored].tolist() and (wanted[masked:] == IGNORED).all()
    assert len(set(scored.tolist())) == len(scored) == min(-(-masked // SCORED_BY) * SCORED_BY, 300)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("masked", [1, ScoredInChunks.ROWS, 2 * ScoredInChunks.ROWS + 3])
def test_scores_in_chunks_are_output_layer_and_cross_entropy(masked, bias):
    torch.manual_seed(0)
    weights = [torch.randn(masked, 8), torch.randn(50, 8), torch.randn(50)][: 3 if bias else 2]
    wanted = torch.randint(50, (masked,))
    wanted[1::3] = IGNORED
    ours, theirs = ([w.clone().requires_grad_() for w in weights] for _ in range(2))
    loss = ScoredInChunks.apply(*ours, *([] if bias else [None]), wanted, True)
    expected = torch.nn.functional.cross_entropy(torch.nn.functional.linear(*theirs), wanted, reduction="sum")
    torch.testing.assert_close(loss, expected)
    (loss / 7).backward()
    (expected / 7).backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
    with torch.no_grad():
        assert float(ScoredInChunks.apply(*ours, *([] if bias else [None]), wanted, False)) == float(loss)


def test_bf16_between_the_products_gives_the_gradients_of_fp32_within_its_rounding(tmp_path):
    """As close as autocast alone comes to them, within a factor."""
    tokenizer, config = masked_language_model("bert-cased")
    rows = packed(TEXT, tokenizer, length=48)
    batch = collate_rows([rows[k] for k in range(4)])
    gradients, losses = {}, {}
    for way in ("fp32", "autocast", "ours"):
        torch.manual_seed(0)
        model = transformers.AutoModelForMaskedLM.from_config(config, attn_implementation="eager")
        flags = {"use_cpu": True, "bf16": way != "fp32", "max_steps": 1, "remove_unused_columns": False}
        trainer = MaskedTrainer(model, transformers.TrainingArguments(str(tmp_path), **flags))
        assert len(model.base_model.embeddings._forward_hooks) == 1
        if way == "autocast":
            model.base_model.embeddings._forward_hooks.clear()
        trainer.model.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=way != "fp32"):
            loss = trainer.compute_loss(trainer.model, batch)
        loss.backward()
        losses[way] = loss.item()
        gradients[way] = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    distance = {way: float((g - gradients["fp32"]).norm() / gradients["fp32"].norm()) for way, g in gradients.items()}
    assert 0 < distance["autocast"] < 0.05 and 0 < distance["ours"] < 0.05
    assert losses["ours"] == pytest.approx(losses["fp32"], rel=5e-3)


def test_a_budget_of_steps():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = BudgetSchedule(optimizer, steps=20, warmup=0.1)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(20):
        optimizer.step()
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[1] == pytest.approx(2 * (0.05 + 1e-3) / 0.1)
    assert rates[2] == pytest.approx(2.0)
    assert rates[11] == pytest.approx(2 * 0.5)
    assert rates[20] == 0.0


def test_a_budget_of_seconds_is_kept_in_checkpoints(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = BudgetSchedule(optimizer, seconds=60, warmup=0.1)
    for _ in range(3):
        now[0] += 10
        optimizer.step()
        schedule.step()
    assert schedule.progress() == pytest.approx(0.5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 / 0.9)
    now[0] += 1000  # the run was away
    resumed = BudgetSchedule(optimizer, seconds=60, warmup=0.1)
    resumed.load_state_dict(schedule.state_dict())
    resumed.step()
    assert resumed.progress() == pytest.approx(0.5)
    now[0] += 15
    resumed.step()
    assert resumed.progress() == pytest.approx(0.75)


def test_muon_takes_the_matrices_of_the_layers(tmp_path):
    _, config = masked_language_model("bert-cased")
    model = trainer_of(config, tmp_path, "eager").model
    args = transformers.TrainingArguments(str(tmp_path), use_cpu=True)
    optimizer = MuonAdamW(model, args)
    names = {id(p): name for name, p in model.named_parameters()}
    muon = {names[id(p)] for group in optimizer.parts[1].param_groups for p in group["params"]}
    assert muon == {f"bert.encoder.layer.{n}.{part}.weight" for n in (0, 1) for part in
                    ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
                     "intermediate.dense", "output.dense")}  # fmt: skip
    decay = args.weight_decay = 0.25
    groups = MuonAdamW(model, args).param_groups
    assert [group["weight_decay"] for group in groups] == [decay, 0.0, decay]
    assert {p.ndim for p in groups[1]["params"]} == {1} and groups[2]["adjust_lr_fn"] == "match_rms_adamw"
    args.weight_decay = 0.0
    every = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(every) == sorted(id(p) for p in model.parameters())
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    other = MuonAdamW(model, args)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0] is other.parts[0].param_groups[0]
    momentum = [part.state[part.param_groups[0]["params"][0]] for part in other.parts]
    assert torch.equal(momentum[0]["exp_avg"], torch.full_like(momentum[0]["exp_avg"], 0.1))
    assert float(momentum[1]["momentum_buffer"].flatten()[0]) == pytest.approx(0.05)


def test_text_files_are_read_as_they_are(tmp_path):
    text = "One paragraph.\r\n\n  Zwei Absätze \n"
    for suffix, opener in (("txt", open), ("txt.gz", gzip.open), ("txt.xz", lzma.open)):
        with opener(tmp_path / f"a.{suffix}", "wb") as file:
            file.write(text.encode("utf-8-sig"))
        assert read_paragraphs(tmp_path / f"a.{suffix}") == ["One paragraph.", "Zwei Absätze"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "no text in it"),
        (b"good\nb\xffd\n", ":2: not UTF-8 (byte 0xFF)"),
        ("good\n".encode("utf-16-le"), ":1: NUL byte"),
    ],
)
def test_a_text_that_cannot_be_read_is_an_error(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_paragraphs(tmp_path / "a.txt")
    assert message in str(caught.value)


def test_a_pattern_stands_for_its_files_and_a_name_for_itself(tmp_path):
    for name in ("a1.txt", "a[1].txt", "b.txt"):
        (tmp_path / name).write_text("words")
    assert pretrain.as_a_shell(f"{tmp_path}/a[1].txt") == [f"{tmp_path}/a[1].txt"]
    assert pretrain.as_a_shell(f"{tmp_path}/[ab]*.txt") == [
        f"{tmp_path}/{name}" for name in ("a1.txt", "a[1].txt", "b.txt")
    ]
    assert pretrain.as_a_shell(f"{tmp_path}/c*.txt") == [f"{tmp_path}/c*.txt"]


def test_a_damaged_archive_is_an_error(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"words " * 1000)[:40])
    (tmp_path / "a.xz").write_bytes(b"not an archive")
    damaged = bytearray(gzip.compress(b"words " * 1000, compresslevel=0))
    damaged[11] ^= 255  # of the length of a stored block
    with pytest.raises(zlib.error):
        gzip.decompress(damaged)
    (tmp_path / "b.gz").write_bytes(damaged)
    for name in ("a.gz", "a.xz", "b.gz"):
        with pytest.raises(InputError, match="cannot be read"):
            read_paragraphs(tmp_path / name)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output_dir", "x", "--max_steps", "1"], "--text: give plain text files"),
        (["--text", "a", "--train_file", "b", "--output_dir", "x", "--max_steps", "1"], "one of the three"),
        (["--train_file", "a", "--dataset_name", "b", "--output_dir", "x", "--max_steps", "1"], "one of the three"),
        (["--text", "a", "--dataset_config_name", "b"], "--dataset_config_name: is for labelled words"),
        (["--text", "a", "--model", "mini", "--layers=9"], "--layers: is for --model scratch, mini has its own"),
        (["--text", "a", "--model", "mini", "--vocab_size", "900"], "--vocab_size: is for --model scratch"),
        (
            ["--text", "a", "--output_dir", "x", "--minutes", "-1"],
            "--minutes -1: give the time to train for, more than",
        ),
        (["--text", "a", "--output_dir", "x", "--max_steps", "1", "--push_to_hub"], "hf upload NAME DIR --exclude"),
        (["--text", "a", "--max_steps", "1"], "--output_dir: give"),
        (["--text", "a", "--output_dir", "x"], "--minutes: give"),
        (["--text", "a", "--output_dir", "x", "--minutes", "1", "--max_steps", "1"], "--minutes: give"),
        (["--text", "a", "--output_dir", "x", "--max_steps", "1", "--hidden_size", "100"], "multiple of 64"),
        (["--text", "a", "--output_dir", "x", "--max_steps", "1", "--masked_share", "1.5"], "between 0 and 1"),
        (["--text", "a", "--output_dir", "x", "--max_steps", "1", "--vocab_size", "3"], "--vocab_size 3"),
        (["--text", "a", "--output_dir", "x", "--max_step", "1"], "did you mean --max_steps"),
        (["--text", "a", "--output_dir", "x", "--max_steps", "1", "--do_train"], "owned by the recipe"),
        (["--text", "a", "--output_dir", "x", "--max_steps", "1", "--optim", "sgd"], "owned by the recipe (Muon"),
        (["--text", "a", "--output_dir", "x", "--minutes", "1", "--num_train_epochs", "3"], "rises and falls"),
        (["--text", "a", "--output_dir", "x", "--minutes", "0"], "--minutes 0: give the time"),
        (["--text", "a", "--output_dir", "x", "--minutes", "inf"], "--minutes inf: give the time"),
        (["--text", "a", "--output_dir", "x", "--minutes", "nan"], "--minutes nan: give the time"),
        (["--text", "a", "--output_dir", "x", "--minutes", "1", "--seed", str(2**32)], "--seed 4294967296: give 429"),
        (["--text", "a", "--validation_file", "b"], "--validation_file: is for labelled words"),
        (["--text", "a", "--test_file=b"], "--test_file: is for labelled words"),
        (["--text", "a", "--split_file", "b"], "--split_file: is for labelled words"),
        (["--text", "a", "--group_column", "b"], "--group_column: is for labelled words"),
        (["--text", "a", "--test_fraction", "0.1"], "--test_fraction: is for labelled words"),
        (["--text", "a", "--word_column", "b"], "--word_column: is for labelled words"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(flags, message):
    with pytest.raises(InputError) as caught:
        pretrain.parse(flags)
    assert message in str(caught.value)


def test_a_token_is_not_taken_and_not_repeated():
    with pytest.raises(InputError, match="^--hub_token: owned by the recipe .it would stand in the card") as caught:
        pretrain.parse(["--text", "a", "--output_dir", "x", "--max_steps", "1", "--hub_token", "hf_secret"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--adam_beta1", "1.5"], "--optim adamw_torch_fused: Invalid beta parameter"),
        (["--use_liger_kernel", "true"], "--use_liger_kernel: liger-kernel is not installed"),
        (["--per_device_train_batch_size", "0"], "--per_device_train_batch_size 0: give 1 or more"),
        (["--per_device_eval_batch_size", "0"], "--per_device_eval_batch_size 0: give 1 or more"),
        (["--save_strategy", "best"], "--save_strategy best: perplexity is measured once"),
    ],
)
def test_training_arguments_that_cannot_be_are_refused(flags, message):
    flags, _, rest = pretrain.parse(["--text", "a", "--output_dir", "x", "--max_steps", "1", *flags])
    with pytest.raises(InputError, match=message):
        pretraining_arguments(flags, rest)


def test_an_engine_that_shards_weights_is_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    flags, _, rest = pretrain.parse(["--text", "a", "--output_dir", "x", "--max_steps", "1"])
    with pytest.raises(InputError, match="pre-training does not shard weights; start it without FSDP"):
        pretraining_arguments(flags, rest)


def test_shares_of_a_number_of_steps_that_is_open_are_refused():
    flags, _, rest = pretrain.parse(["--text", "a", "--output_dir", "x", "--minutes", "1", "--save_steps", "0.1"])
    with pytest.raises(
        InputError, match="--save_steps 0.1: a share of the steps, whose number --minutes leaves open; gi"
    ):
        pretraining_arguments(flags, rest)


@pytest.mark.parametrize(("value", "precision"), [("false", "fp32"), ("true", "bf16")])
def test_the_flags_choose_the_precision_whatever_the_launcher_says(value, precision, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    given = ["--text", "a", "--output_dir", "x", "--max_steps", "1", "--use_cpu", "true", "--bf16", value]
    flags, _, rest = pretrain.parse(given)
    args, words = pretraining_arguments(flags, rest)
    assert words == f"{precision}, as the flags ask" and args.bf16 == (precision == "bf16")
    assert os.environ["ACCELERATE_MIXED_PRECISION"] == args.mixed_precision == {"fp32": "no"}.get(precision, precision)


def test_no_sentence_of_the_other_splits_of_run_ner_is_read(tmp_path):
    usual = [{f.name: f.default for f in fields(kind)} for kind in (run_ner.Recipe, pretrain.Pretraining)]
    assert [usual[0][name] for name in pretrain.SPLITTING] == [usual[1][name] for name in pretrain.SPLITTING]
    rows = [f"{k},{k // 4},w{k},{'B-geo' if k % 2 else 'O'}" for k in range(80)]
    (tmp_path / "words.csv").write_text("\n".join(["Sentence #,doc,Word,Tag", *rows]) + "\n")
    ways = {"group_column": "doc", "validation_fraction": 0.2, "test_fraction": 0.3, "seed": 1}
    given = [f"--{name}={value}" for name, value in ways.items()]
    given += ["--train_file", str(tmp_path / "words.csv"), "--output_dir", "x", "--max_steps", "1"]
    flags, reading, _ = pretrain.parse(given)
    found = pretrain.read_text_of(flags, reading, say=lambda line: None)
    tables = read_corpus(tmp_path / "words.csv", **ways, say=lambda line: None)
    assert found == tables["train"]["tokens"].to_pylist() and len(found) == 40


def test_the_words_of_a_data_set_are_read(tmp_path):
    rows = {"tokens": [[f"word{k}", "x"] for k in range(50)], "ner_tags": [["B-a", "O"]] * 50}
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows)}).save_to_disk(tmp_path / "saved")
    given = ["--dataset_name", str(tmp_path / "saved"), "--output_dir", "x", "--max_steps", "1"]
    flags, reading, _ = pretrain.parse(given)
    found = pretrain.read_text_of(flags, reading, lambda line: None)
    tables = read_corpus(dataset_name=str(tmp_path / "saved"), say=lambda line: None)
    assert found == tables["train"]["tokens"].to_pylist() and len(found) == 40


def test_a_fault_on_the_second_machine_is_told_there(tmp_path, monkeypatch):
    flags = ["--text", tmp_path / "missing.txt", "--output_dir", tmp_path / "x", "--max_steps", 1]
    for rank, local_rank, told in ((1, 0, True), (1, 1, False)):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(local_rank))
        code, _, err = start(*flags)
        assert code == 2 and ("missing.txt" in err) == told


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "not JSON", '{"command": "x", "tokens": "many", "steps": 1}', '{"before": [1], "command": "x"}'],
)
def test_a_foreign_pretraining_file_is_passed_over_with_a_line(content, tmp_path):
    (tmp_path / "pretraining.json").write_text(content)
    lines = []
    assert trainings_of(str(tmp_path), lines.append) == []
    assert lines == [
        f"{tmp_path}/pretraining.json: not the figures of a training by this program; the new card does not tell of it"
    ]


def test_what_is_held_out_stays_so_where_text_is_added():
    texts = [f"paragraph {k % 3000}" for k in range(4000)]  # a thousand of them twice
    kept, held = hold_out(texts, 42)
    assert sorted({*kept, *held}) == sorted(set(texts)) and not {*kept} & {*held}
    assert held == sorted(set(held)) and 15 <= len(held) <= 45
    assert kept == [text for text in texts if text not in held]
    more_kept, more_held = hold_out([f"another {k}" for k in range(3000)] + texts[::-1], 42)
    assert set(held) == {text for text in more_held if text.startswith("paragraph")}
    assert not {*more_kept} & {*more_held}
    assert set(hold_out(texts, 43)[1]) != set(held)
    words = hold_out([text.split() for text in texts], 42)  # of labelled sentences, the same ones
    assert words == ([text.split() for text in kept], [text.split() for text in held])


def test_a_share_is_held_out_but_one_at_least_and_no_more_measured_than_are_soon_read(monkeypatch):
    assert len(hold_out(["a", "b"], 42)[1]) == 1
    many = [str(k) for k in range(5000)]
    all_held = hold_out(many, 1)[1]
    monkeypatch.setattr("ner_model.pretraining_run.MOST_MEASURED", 10)
    assert len(all_held) > 10 and MOST_MEASURED == 2000
    kept, few = hold_out(many, 1)
    assert len(few) == 10 and {*few} < {*all_held} and not {*kept} & {*all_held}


@pytest.mark.parametrize(
    ("paragraphs", "message"),
    [
        (["a"], "--text: 1 paragraph; give at least two"),
        ([["a"]], "labelled words: 1 training sentence; give at least two different"),
    ],
)
def test_a_single_paragraph_is_refused(paragraphs, message):
    with pytest.raises(InputError, match=message):
        hold_out(paragraphs, 42)


@pytest.mark.parametrize(
    ("kept", "held", "message"),
    [
        ("a b", "\u200b\u200b", "--seed 42: holds out 1 paragraph without a subword"),
        ("\u200b\u200b", "a b", "1 paragraph to learn from, without a subword"),
    ],
)
def test_paragraphs_without_a_subword_are_refused(kept, held, message, tmp_path, monkeypatch):
    monkeypatch.setattr("ner_model.pretraining_run.hold_out", lambda paragraphs, seed: ([kept], [held]))
    given = ["--text", "a", "--output_dir", str(tmp_path / "x"), "--max_steps", "1", "--use_cpu", "true"]
    flags, _, rest = pretrain.parse([*given, "--layers", "1", "--hidden_size", "64"])
    with pytest.raises(InputError, match=message):
        run_pretraining(flags, rest, [kept, held], None, "", lambda line: None)


def test_memory_that_runs_out_while_perplexity_is_measured_is_told_in_a_line(tmp_path, monkeypatch):
    tokenizer, config = masked_language_model("modernbert")
    trainer = trainer_of(config, tmp_path, "eager")

    def full(**_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(trainer.model, "forward", full)
    with pytest.raises(TrainingStopped, match="lower --per_device_eval_batch_size .now 8."):
        trainer.held_out_loss(packed(TEXT, tokenizer, length=48))


def test_characters_take_a_quarter_of_the_vocabulary_at_most_and_every_word_a_position():
    counts = {chr(0xAC00 + k): 500 - k // 2 for k in range(400)}  # two of each frequency
    words = [character for character, times in counts.items() for _ in range(times)] + ["x각", "y각"]
    lines = []
    tokenizer = learn_wordpiece(words, 1200, say=lines.append)
    assert sorted(c for c in tokenizer.get_vocab() if len(c) == 1) == [chr(0xAC00 + k) for k in range(150)]
    assert lines == [
        "vocabulary: 1,200 subwords leave room for the 150 most frequent of 402 characters; a word with one of the"
        " others is [UNK]"
    ]
    encoded = tokenizer(["각", "x각", chr(0xAC00 + 150)], is_split_into_words=True)
    assert encoded.tokens() == ["[CLS]", "각", "[UNK]", "[UNK]", "[SEP]"]
    assert encoded.word_ids() == [None, 0, 1, 2, None]
    assert learn_wordpiece(WORDS * 2, 200, say=lines.append) and len(lines) == 1


def test_the_flags_choose_shape_vocabulary_rows_and_masks():
    flags = {"model": "scratch", "seed": 7, "vocab_size": 400, "layers": 3, "hidden_size": 128, "max_length": 32}
    model, tokenizer, train, held_out = load_and_pack(
        types.SimpleNamespace(masked_share=0.5, **flags),
        [f"{' '.join(WORDS)} {k}" for k in range(40)],
        lambda line: None,
    )
    shape = model.config
    assert (shape.num_hidden_layers, shape.num_attention_heads, shape.intermediate_size) == (3, 2, 320)
    assert (shape.hidden_size, shape.max_position_embeddings) == (128, 32) and len(tokenizer) <= 400
    assert [(rows.share, rows.seed, rows.length) for rows in (train, held_out)] == [(0.5, 7, 32), (0.15, 7, 32)]


def start(*arguments, launch=()):
    command = [sys.executable, *launch, "-m", "ner_model.pretrain", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TQDM_DISABLE": "1"}, cwd=ROOT)
    return run.returncode, run.stdout, run.stderr


TWO_PROCESSES = (
    *("-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2"),
    *("--main_process_port", "0"),
)
SHAPE = "--layers 1 --hidden_size 64 --vocab_size 400 --max_length 32 --per_device_train_batch_size 8".split()


@pytest.fixture(scope="module")
def text_file(tmp_path_factory):
    """The bundled sentences as text, one a line."""
    from ner_data.read import read_sentences

    tokens = read_sentences(ROOT / "ner_data" / "sample.csv", say=lambda line: None)["tokens"].to_pylist()
    path = tmp_path_factory.mktemp("text") / "text.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(" ".join(words) + "\n" for words in tokens[:600])
    return path


@pytest.fixture(scope="module")
def trained(text_file, tmp_path_factory):
    """A run from the command line, in `whole`: (the directory of runs, its flags, what it printed)."""
    runs = tmp_path_factory.mktemp("pretrained")
    flags = ["--text", text_file, *SHAPE, "--max_steps", 30, "--save_steps", 10, "--save_total_limit", 9, "--half"]
    flags += ["--learning_rate", "1e-2"]
    code, out, err = start(*flags, "--output_dir", runs / "whole", "--logging_steps", 10)
    assert code == 0, err
    return runs, flags, out


def test_what_is_written_loads_and_its_perplexity_is_what_was_printed(trained, text_file):
    runs, _, out = trained
    facts = json.loads((runs / "whole" / "pretraining.json").read_text())
    assert f"held out: loss {facts['held_out_loss']:.4f}" in out
    assert facts["steps"] == 30
    tokenizer = transformers.AutoTokenizer.from_pretrained(runs / "whole")
    model = transformers.AutoModelForMaskedLM.from_pretrained(runs / "whole", dtype=torch.float32).eval()
    assert type(transformers.AutoModel.from_pretrained(runs / "whole")).__name__ == "ModernBertModel"
    assert {getattr(model.config, name) for name in DROPOUTS} == {0.1}  # for those who fine-tune it
    assert model.config.mlp_dropout == 0.0
    assert model.config.max_position_embeddings == 32 and set(model.config.layer_types) == {"full_attention"}
    assert os.path.getsize(runs / "whole" / "model.safetensors") < 2.2 * model.num_parameters()
    # the same held-out paragraphs, scored by the library alone
    texts = list(dict.fromkeys(read_paragraphs(text_file)))
    remaining, held = hold_out(read_paragraphs(text_file), 42)
    assert set(texts) == {*remaining, *held} and len(held) >= 1
    kept = packed(remaining, tokenizer, 32, 0.15, seed=42)
    seen = [k for batch in list(RowBatches(len(kept), 8, 42))[:30] for k in batch]
    assert len(seen) == 240 and facts["tokens"] == pytest.approx(sum((kept[k][1] > 0).sum() for k in seen), rel=0.01)
    assert facts["tokens"] == round(30 / -(-len(kept) // 8) * sum((kept[k][1] > 0).sum() for k in range(len(kept))))
    rows = packed(held, tokenizer, length=32, share=0.15, seed=42)
    total = count = 0
    for k in range(len(rows)):
        ids, segment, target = map(torch.from_numpy, rows[k])
        for number in range(1, int(segment.max()) + 1):
            place = segment == number
            with torch.no_grad():
                logits = model(input_ids=ids[place][None]).logits[0]
            loss = torch.nn.functional.cross_entropy(logits, target[place], ignore_index=IGNORED, reduction="sum")
            total, count = total + float(loss), count + int((target[place] != IGNORED).sum())
    assert facts["held_out_loss"] == pytest.approx(total / count, rel=0.01)  # bf16 where the hardware has it
    assert facts["held_out_perplexity"] == pytest.approx(math.exp(facts["held_out_loss"]))
    assert total / count < math.log(400) - 0.2, "nothing was learnt"


def test_a_resumed_run_ends_with_the_same_bytes(trained):
    runs, flags, _ = trained
    os.makedirs(runs / "broken")
    os.rename(runs / "whole" / "checkpoint-10", runs / "broken" / "checkpoint-10")
    code, out, err = start(*flags, "--output_dir", runs / "broken", "--resume_from_checkpoint", "true")
    assert code == 0, err
    assert "going on from" in out and "saved by" not in out
    assert (runs / "broken" / "model.safetensors").read_bytes() == (runs / "whole" / "model.safetensors").read_bytes()


def test_another_text_and_other_masks_are_not_gone_on_with(trained, text_file, tmp_path):
    runs, flags, _ = trained
    shutil.copytree(runs / "whole" / "checkpoint-20", tmp_path / "run" / "checkpoint-20")
    changed = tmp_path / "changed.txt"
    texts = read_paragraphs(text_file)
    changed.write_text("\n".join([*texts[:-1], " ".join(texts[-1].split()[::-1])]) + "\n")  # as many subwords, likely
    of_run = ["--output_dir", tmp_path / "run", "--resume_from_checkpoint"]
    manifest = tmp_path / "run" / "checkpoint-20" / "manifest.json"
    facts = json.loads(manifest.read_text())
    del facts["run"]["--masked_share"]
    shutil.copytree(tmp_path / "run", tmp_path / "old")
    (tmp_path / "old" / "checkpoint-20" / "manifest.json").write_text(json.dumps(facts))
    code, _, err = start(*flags, "--output_dir", tmp_path / "old", "--resume_from_checkpoint")
    assert code == 2 and "checkpoint-20: of an earlier version; start a new run" in err
    for more, message in (
        (["--masked_share", 0.3], "of a run with --masked_share 0.15, this one has 0.3"),
        (["--text", changed], "of a run with text whose checksum is "),
    ):
        code, _, err = start(*flags, *more, *of_run)
        assert code == 2 and message in err and "Traceback" not in err, err


def test_two_processes_go_on_in_mid_epoch_to_the_same_bytes(text_file, tmp_path):
    """In the second epoch, where order and masks are others than in the first; and one process gets there too."""
    flags = ["--text", text_file, *SHAPE, "--save_steps", 5, "--logging_steps", 1, "--save_total_limit", 9]
    flags += ["--bf16", "false", "--use_cpu", "true", "--per_device_train_batch_size"]
    code, out, err = start(*flags, 256, "--max_steps", 8, "--output_dir", tmp_path / "alone")
    assert code == 0, err
    flags += [128]
    code, out, err = start(*flags, "--max_steps", 8, "--output_dir", tmp_path / "whole", launch=TWO_PROCESSES)
    assert code == 0, err
    models = [transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / name) for name in ("alone", "whole")]
    alone, whole = (torch.cat([p.detach().flatten() for p in model.parameters()]) for model in models)
    assert (whole - alone).norm() < 1e-3 * alone.norm()
    facts = [json.loads((tmp_path / name / "pretraining.json").read_text()) for name in ("alone", "whole")]
    assert facts[0]["tokens"] == facts[1]["tokens"]
    assert facts[0]["held_out_loss"] == pytest.approx(facts[1]["held_out_loss"], rel=1e-4)
    state = json.loads((tmp_path / "whole" / "checkpoint-5" / "trainer_state.json").read_text())
    assert 1 < state["epoch"] < 2
    (tmp_path / "resumed").mkdir()
    os.rename(tmp_path / "whole" / "checkpoint-5", tmp_path / "resumed" / "checkpoint-5")
    flags += ["--max_steps", 8, "--output_dir", tmp_path / "resumed", "--resume_from_checkpoint"]
    code, out, err = start(*flags, launch=TWO_PROCESSES)
    assert code == 0, err
    assert out.count("going on from") == 1
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "resumed")]
    assert weights[0] == weights[1]


def test_a_fault_of_a_flag_leaves_what_the_directory_holds(trained, text_file, tmp_path):
    checkpoint = shutil.copytree(trained[0] / "whole" / "checkpoint-20", tmp_path / "run" / "checkpoint-20")
    flags = ["--text", text_file, *SHAPE, "--output_dir", tmp_path / "run", "--overwrite_output_dir"]
    for fault, message in (
        (["--max_steps", 0], "--max_steps 0: give 1 or more"),
        (["--max_steps", 1, "--report_to", "nobody"], "--report_to nobody: give one of"),
    ):
        code, out, err = start(*flags, *fault)
        assert code == 2 and message in err and "Traceback" not in err
        assert fault_of(checkpoint) is None


def test_rows_are_no_longer_than_the_model_reads(trained, tmp_path):
    runs, _, _ = trained
    flags = ["--model", runs / "whole", "--train_file", ROOT / "ner_data" / "sample_test.csv", "--max_length", 64]
    code, out, err = start(*flags, "--output_dir", tmp_path / "adapted", "--max_steps", 1)
    assert code == 0, err
    assert "--max_length 64: the model reads 32 subwords at most; 32 is used" in out and "rows of 32," in out
    modes = [(tmp_path / "adapted" / name).stat().st_mode for name in ("model.safetensors", "config.json")]
    assert modes[0] == modes[1]


def test_an_encoder_is_adapted_to_the_training_sentences_of_a_corpus(trained, tmp_path):
    runs, _, _ = trained
    flags = ["--model", runs / "whole", "--train_file", ROOT / "ner_data" / "sample_test.csv", "--max_length", 32]
    flags += ["--minutes", "0.05", "--save_strategy", "no"]
    code, out, err = start(*flags, "--output_dir", tmp_path / "adapted")
    assert code == 0, err
    assert not list((tmp_path / "adapted").glob("checkpoint-*"))
    facts = json.loads((tmp_path / "adapted" / "pretraining.json").read_text())
    assert f"held out: loss {facts['held_out_loss']:.4f} a masked subword" in out
    assert facts["hours"] >= 3.0 / 3600 and facts["steps"] >= 1
    first = json.loads((runs / "whole" / "pretraining.json").read_text())
    assert first.pop("before") == [] and facts["before"] == [first]
    card = (tmp_path / "adapted" / "README.md").read_text()
    earlier = f"{first['command']}    # {first['tokens']:,} subwords in 30 steps"
    assert card.index(earlier) < card.index(facts["command"])
    assert facts["paragraphs"] < 700  # a fifth of the sentences is not for training
    tokenizers = [(path / "tokenizer.json").read_text() for path in (runs / "whole", tmp_path / "adapted")]
    assert tokenizers[0] == tokenizers[1]


def test_run_ner_begins_with_the_encoder_that_was_written(trained, tmp_path):
    flags = ["--model", trained[0] / "whole", "--train_file", ROOT / "ner_data" / "sample_test.csv", "--augment", 0]
    flags += ["--max_steps", 1, "--learning_rate", 0, "--bf16", "false", "--output_dir", tmp_path / "tagger"]
    run_ner.main(list(map(str, flags)))
    begun, fine_tuned = (
        transformers.AutoModelForTokenClassification.from_pretrained(path, dtype=torch.float32).base_model.state_dict()
        for path in (trained[0] / "whole", tmp_path / "tagger")
    )
    assert begun.keys() == fine_tuned.keys() and all(torch.equal(begun[name], fine_tuned[name]) for name in begun)


def test_a_model_whose_attention_takes_no_mask_of_pairs_is_refused(tmp_path):
    tokenizer, config = masked_language_model("deberta-v3")
    transformers.AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="cannot keep a row.s paragraphs apart"):
        load_masked_lm(str(tmp_path), tokenizer, None)


SHORT = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 64, "max_position_embeddings": 64}


@pytest.mark.parametrize(
    ("kind", "more", "reason"),
    [
        ("mobilebert", {"intra_bottleneck_size": 32}, "The size of tensor"),
        ("esm", {"mask_token_id": 4, "token_dropout": False}, "The size of tensor"),
        ("bart", SHORT, "the scores of one depend on the others"),
        ("mbart", SHORT, "the scores of one depend on the others"),
    ],
)
def test_a_model_that_cannot_keep_the_pieces_of_a_row_apart_is_refused(kind, more, reason, tmp_path):
    shape = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.AutoConfig.for_model(kind, vocab_size=50, embedding_size=64, pad_token_id=0, **shape, **more)
    with pytest.raises(InputError, match=rf"For\w+ cannot keep a row's paragraphs apart \({reason}"):
        trainer_of(config, tmp_path, "eager")


def test_a_model_without_a_mask_is_refused(bert_dir, text_file, tmp_path):
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert_dir)
    model = transformers.AutoModel.from_pretrained(bert_dir)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(tmp_path / "maskless")
    model.save_pretrained(tmp_path / "maskless")
    code, out, err = start(
        "--model", tmp_path / "maskless", "--text", text_file, "--output_dir", tmp_path / "x", "--max_steps", 1
    )
    assert code == 2 and "no mask token" in err and "Traceback" not in err
