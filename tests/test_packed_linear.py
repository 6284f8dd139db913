"""Packed weights: the numbers of the plain layers, for every family, and a model that is afterwards what it was."""

import pytest
import torch
import transformers
from families import FAMILIES

from ner_model import packed_linear
from ner_model.packed_linear import PackedLinear, can_pack, linear_layers, pack, packed

TYPES = [
    pytest.param(dtype, marks=pytest.mark.skipif(not can_pack(dtype), reason=f"this CPU does not pack {dtype}"))
    for dtype in (torch.bfloat16, torch.float32)
]
BATCH = {"input_ids": torch.arange(5, 41).view(3, 12), "attention_mask": torch.ones(3, 12, dtype=torch.long)}


def classifier(family):
    config = FAMILIES[family][1](vocab_size=100, num_labels=5, pad_token_id=0)
    torch.manual_seed(0)
    return transformers.AutoModelForTokenClassification.from_config(config).eval()


def logits(model, dtype):
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        return model(**BATCH).logits


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_gives_the_same_numbers_with_packed_weights(family, dtype):
    """In bf16 the same bits where products go the same way, which is for torch to say; so within its rounding."""
    model = classifier(family)
    plain, state = logits(model, dtype), {key: value.clone() for key, value in model.state_dict().items()}
    near = {"rtol": 0.02, "atol": 0.02} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    calls = []
    with packed(model, dtype):
        assert all(linear.forward.__self__.packed.is_mkldnn for _, linear in linear_layers(model))
        model.classifier.register_forward_hook(lambda *given: calls.append(given))
        torch.testing.assert_close(logits(model, dtype), plain, **near)
        assert calls and model.state_dict().keys() == state.keys()
    assert torch.equal(logits(model, dtype), plain)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())

    pack(model, dtype)
    assert not linear_layers(model)
    torch.testing.assert_close(logits(model, dtype), plain, **near)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(3, 7, 24), (24,), (0, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_stands_for_a_linear_one(dtype, shape, bias):
    torch.manual_seed(0)
    linear = torch.nn.Linear(24, 10, bias=bias)
    hidden = torch.randn(shape)
    expected = linear.to(dtype)(hidden.to(dtype)).detach()
    layer = PackedLinear(linear, dtype)
    assert torch.equal(layer.weight, linear.weight) and (layer.in_features, layer.out_features) == (24, 10)
    assert layer(hidden).dtype == dtype
    torch.testing.assert_close(layer(hidden), expected, rtol=0.01 if dtype == torch.bfloat16 else 1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", TYPES)
def test_layers_compute_with_their_own_weights_again_after_an_error(dtype):
    model = classifier("bert-cased")
    with pytest.raises(KeyboardInterrupt), packed(model, dtype):
        raise KeyboardInterrupt
    assert not any("forward" in vars(linear) for _, linear in linear_layers(model))


def test_where_there_is_no_room_for_copies_nothing_is_packed(monkeypatch):
    def fail(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes")

    monkeypatch.setattr(packed_linear, "can_pack", lambda dtype: True)
    monkeypatch.setattr(packed_linear, "PackedLinear", fail)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4))
    with packed(model, torch.float32):
        assert model(torch.ones(1, 4)).shape == (1, 4)


def test_a_subclass_of_a_linear_layer_stays_as_it_is(monkeypatch):
    class Other(torch.nn.Linear):
        pass

    monkeypatch.setattr(packed_linear, "can_pack", lambda dtype: True)
    model = torch.nn.Sequential(Other(4, 4))
    pack(model, torch.float32)
    with packed(model, torch.float32):
        assert type(model[0]) is Other and "forward" not in vars(model[0])


@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="torch is built without oneDNN")
@pytest.mark.parametrize(
    ("machine", "cpu", "mkldnn", "dtype"),
    [
        ("arm64", "Apple M3", True, torch.float32),
        ("x86_64", "AMD EPYC", False, torch.float32),
        ("x86_64", "Intel(R) Xeon(R)", True, torch.float32),
        ("x86_64", "AMD EPYC", True, torch.float16),
    ],
)
def test_weights_are_packed_only_where_that_pays(monkeypatch, machine, cpu, mkldnn, dtype):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": "AMD EPYC"})
    assert can_pack(torch.float32)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: mkldnn)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": cpu})
    assert not can_pack(dtype)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4))
    pack(model, dtype)
    with packed(model, dtype):
        assert type(model[0]) is torch.nn.Linear and "forward" not in vars(model[0])
