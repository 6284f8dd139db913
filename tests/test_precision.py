"""bf16 between the products: what it changes, where it does not, and that losses and gradients stay what they were."""

import pytest
import torch
import transformers
from families import FAMILIES

from ner_model.precision import bf16_between_products


def token_classifier(family):
    config = FAMILIES[family][1](vocab_size=100, num_labels=5, pad_token_id=0)
    torch.manual_seed(0)
    return transformers.AutoModelForTokenClassification.from_config(config).eval()


def types_of_sums(model):
    """The types that the encoder's norms, all but that of the embeddings, give in a forward pass."""
    seen = []
    embeddings = next(module for name, module in model.named_modules() if name.endswith("embeddings"))
    for module in set(model.base_model.modules()) - set(embeddings.modules()):
        if isinstance(module, torch.nn.LayerNorm):
            module.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    ids = torch.arange(5, 17).view(2, 6)
    model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return set(seen)


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_fp32_within_the_rounding_of_autocast(family):
    """As close as autocast alone comes to them, within a factor of three, for every family."""
    ids, mask = torch.arange(5, 41).view(3, 12), torch.ones(3, 12, dtype=torch.long)
    mask[2, 7:] = 0
    loss, gradients = {}, {}
    for way in ("fp32", "autocast", "ours"):
        model = token_classifier(family)
        if way == "ours":
            bf16_between_products(model)
        with torch.autocast("cpu", torch.bfloat16, enabled=way != "fp32"):
            logits = model(input_ids=ids, attention_mask=mask).logits[mask.bool()].float()
        value = torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 5)
        value.backward()
        loss[way] = value.item()
        gradients[way] = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    far = {way: float((g - gradients["fp32"]).norm() / gradients["fp32"].norm()) for way, g in gradients.items()}
    assert 0 < far["ours"] < 3 * far["autocast"] < 0.06
    assert loss["ours"] == pytest.approx(loss["fp32"], rel=2e-3)


def test_embeddings_that_give_more_than_one_tensor_stay_as_they_are():
    shape = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.LiltConfig(vocab_size=100, max_position_embeddings=64, **shape)
    model = transformers.AutoModelForTokenClassification.from_config(config).eval()
    ids = torch.arange(5, 17).view(2, 6)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        before = model(input_ids=ids).logits
        bf16_between_products(model)
        assert torch.equal(model(input_ids=ids).logits, before)


def test_sums_are_bf16_under_autocast_alone_and_in_narrow_encoders_alone():
    model = token_classifier("bert-cased")
    bf16_between_products(model, widest=model.config.hidden_size - 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert types_of_sums(model) == {torch.float32}
    bf16_between_products(model, widest=model.config.hidden_size)
    with torch.autocast("cpu", torch.bfloat16):
        assert types_of_sums(model) == {torch.bfloat16}
    with torch.autocast("cpu", torch.float16):
        assert types_of_sums(model) == {torch.float32}
    assert types_of_sums(model) == {torch.float32}
