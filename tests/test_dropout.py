"""Quick dropout: the distribution of torch's, the same attention, and nothing left behind."""

from types import SimpleNamespace

import pytest
import torch
import transformers
from families import FAMILIES

from ner_model import dropout
from ner_model.dropout import (
    ATTENTION,
    QuickDropout,
    attention_with_quick_dropout,
    drop,
    keep,
    pack,
    quick_dropout,
    unpack,
)
from ner_model.interruptions import Interruptible
from ner_model.trainer import NerTrainer


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_and_the_scale_of_a_mask(p):
    torch.manual_seed(0)
    mask = drop(torch.ones(1000, 999), p)
    level = round(p * 65536) / 65536
    assert mask.unique().tolist() == [0.0, pytest.approx(1 / (1 - level))]
    error = 4 * (p * (1 - p) / mask.numel()) ** 0.5
    assert abs(float((mask == 0).float().mean()) - level) < error
    for lane in range(4):  # the four elements of one random number are alike, and do not go together
        zero = (mask.flatten()[lane : 4 * (mask.numel() // 4) : 4] == 0).float()
        following = (mask.flatten()[lane + 1 : 4 * (mask.numel() // 4) : 4] == 0).float()
        assert abs(float(zero.mean()) - level) < 2 * error
        assert abs(float((zero[: len(following)] * following).mean()) - level**2) < 2 * error


def test_a_mask_is_repeated_by_its_seed():
    torch.manual_seed(3)
    first = keep(torch.Size([7, 5]), 0.3)
    second = keep(torch.Size([7, 5]), 0.3)
    torch.manual_seed(3)
    assert torch.equal(keep(torch.Size([7, 5]), 0.3), first)
    assert not torch.equal(first, second)


def test_the_gradient_goes_where_the_mask_let_through():
    module = QuickDropout(0.4)
    hidden = torch.ones(50, 40, requires_grad=True)
    out = module(hidden)
    out.sum().backward()
    assert torch.equal(hidden.grad, out.detach())
    assert 0.3 < float((out == 0).float().mean()) < 0.5
    module.eval()
    assert module(hidden) is hidden


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_a_packed_mask_is_the_same_mask_in_a_sixteenth_of_its_room(p):
    torch.manual_seed(1)
    mask = keep(torch.Size([6, 8, 5]), p)
    packed = pack(mask)
    assert (packed.dtype, packed.shape) == (torch.int16, (15,))
    assert torch.equal(unpack(packed, mask.shape), mask)


@pytest.mark.parametrize("shape, kept", [((6, 8, 5), (15,)), ((3, 5), (3, 5))])  # 15 elements are no sixteens
def test_large_masks_are_kept_packed_and_the_gradient_is_the_same(shape, kept, monkeypatch):
    def gradient(large):
        monkeypatch.setattr(dropout, "LARGE", large)
        torch.manual_seed(2)
        hidden = torch.randn(shape, requires_grad=True)
        out = drop(hidden, 0.3)
        stays = out.grad_fn.saved_tensors[0].shape
        (out * torch.randn(shape)).sum().backward()
        return hidden.grad, stays

    packed, plain = gradient(large=8), gradient(large=2**19)
    assert (packed[1], plain[1]) == (kept, shape)
    assert torch.equal(packed[0], plain[0])


def test_attention_is_sdpa_but_for_the_mask(monkeypatch):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 9, 8).unbind()
    mask = torch.ones(2, 1, 9, 9, dtype=torch.bool)
    mask[1, :, :, 6:] = False
    module = torch.nn.Module()
    module.is_causal = False
    for allowed in (None, mask):
        expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, allowed).transpose(1, 2)
        torch.testing.assert_close(attention_with_quick_dropout(module, query, key, value, allowed)[0], expected)
        monkeypatch.setattr(dropout, "drop", lambda hidden, p: hidden)
        out, _ = attention_with_quick_dropout(module, query, key, value, allowed, dropout=0.1)
        torch.testing.assert_close(out, expected)
        monkeypatch.undo()
        dropped, _ = attention_with_quick_dropout(module, query, key, value, allowed, dropout=0.5)
        assert not torch.allclose(dropped, expected)


def test_a_mask_that_is_added_is_sdpas_own(monkeypatch):
    torch.manual_seed(0)
    model = transformers.AutoModelForTokenClassification.from_config(
        transformers.LayoutLMConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, **SHAPE)
    )
    ids = torch.randint(5, 100, (3, 12))
    mask = torch.ones_like(ids)
    mask[2, 7:] = 0
    with quick_dropout(model):
        assert model.train()(input_ids=ids, attention_mask=mask).logits.isfinite().all()


SHAPE = {"vocab_size": 100, "num_labels": 5, "pad_token_id": 0}
OTHERS = {  # causal, and with relative positions
    "gpt2": lambda: transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, **SHAPE),
    "t5": lambda: transformers.T5Config(d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, **SHAPE),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("padding", [0, 5])
def test_decoders_and_relative_positions_keep_their_attention(kind, padding, monkeypatch):
    sdpa = dropout.sdpa_attention_forward
    monkeypatch.setattr(dropout, "drop", lambda hidden, p: hidden)
    monkeypatch.setattr(
        dropout, "sdpa_attention_forward", lambda *args, **more: sdpa(*args[:5], 0.0, *args[6:], **more)
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForTokenClassification.from_config(OTHERS[kind]())
    ids = torch.randint(5, 100, (3, 12))
    mask = torch.ones_like(ids)
    mask[2, 12 - padding :] = 0
    with quick_dropout(model):
        ours = model.train()(input_ids=ids, attention_mask=mask).logits[mask.bool()]
    assert model.config._attn_implementation == "sdpa"
    torch.testing.assert_close(ours, model.eval()(input_ids=ids, attention_mask=mask).logits[mask.bool()])


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_the_plain_ones_but_for_the_masks(family, monkeypatch):
    """Where everything is let through, training is what it is without dropout, for every family."""
    monkeypatch.setattr(dropout, "drop", lambda hidden, p: hidden)
    torch.manual_seed(0)
    config = FAMILIES[family][1](vocab_size=100, num_labels=5, pad_token_id=0)
    model = transformers.AutoModelForTokenClassification.from_config(config)
    for module in model.modules():  # families differ in which of their probabilities are 0
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
    plain = transformers.AutoModelForTokenClassification.from_config(config)
    plain.load_state_dict(model.state_dict())
    for module in plain.modules():
        for name in ("p", "dropout_prob", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    ids = torch.randint(5, 100, (3, 12))
    mask = torch.ones_like(ids)
    mask[2, 7:] = 0
    with quick_dropout(model):
        ours = model.train()(input_ids=ids, attention_mask=mask).logits[mask.bool()]
        ours.square().sum().backward()
    theirs = plain.train()(input_ids=ids, attention_mask=mask).logits[mask.bool()]
    theirs.square().sum().backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    gradients = dict(plain.named_parameters())
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, gradients[name].grad, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_it_goes_by_where_the_training_is_not_by_where_the_model_still_is(device, monkeypatch):
    """With FSDP the model is on the CPU when `train` begins, and then moves."""
    model = transformers.AutoModelForTokenClassification.from_config(FAMILIES["bert-cased"][1](vocab_size=100))
    seen = []
    monkeypatch.setattr(Interruptible, "train", lambda trainer: seen.append(trainer.model.config._attn_implementation))
    trainer = object.__new__(NerTrainer)
    trainer.model, trainer.args = model, SimpleNamespace(device=torch.device(device))
    trainer.train()
    assert seen == [ATTENTION if device == "cpu" else "sdpa"]


def test_nothing_is_left_behind(tmp_path):
    config = FAMILIES["bert-cased"][1](vocab_size=100, pad_token_id=0)
    model = transformers.AutoModelForTokenClassification.from_config(config)
    with quick_dropout(model):
        assert model.config._attn_implementation == ATTENTION
        assert any(type(module) is QuickDropout for module in model.modules())
        model.save_pretrained(tmp_path / "during")  # as a checkpoint does
    assert model.config._attn_implementation == "sdpa"
    assert not any(isinstance(module, QuickDropout) for module in model.modules())
    model.save_pretrained(tmp_path / "after")
    configs = [(tmp_path / name / "config.json").read_text() for name in ("during", "after")]
    assert configs[0] == configs[1] and ATTENTION not in configs[0]
