"""Scores of labelled positions only: the plain ones, with the same loss and gradients, where the model allows it."""

import pytest
import torch
import transformers
from families import FAMILIES, SHAPE

from ner_data.labels import IGNORED
from ner_model import labelled_only as module
from ner_model.labelled_only import labelled_only, last_layer

KIN = {
    "BertLayer": transformers.BertConfig,
    "RobertaLayer": transformers.RobertaConfig,
    "XLMRobertaLayer": transformers.XLMRobertaConfig,
    "CamembertLayer": transformers.CamembertConfig,
    "ElectraLayer": transformers.ElectraConfig,
}
QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}


def batch():
    torch.manual_seed(1)
    ids = torch.randint(5, 100, (3, 12))
    mask = torch.ones_like(ids)
    mask[2, 7:] = 0
    labels = torch.where(torch.rand(ids.shape) < 0.6, torch.randint(0, 5, ids.shape), IGNORED)
    labels[mask == 0] = IGNORED
    return {"input_ids": ids, "attention_mask": mask}, labels


def make(kind):
    torch.manual_seed(0)
    config = kind(vocab_size=100, num_labels=5, pad_token_id=0, **SHAPE, **QUIET)
    return transformers.AutoModelForTokenClassification.from_config(config)


def loss_and_gradients(logits, labels, model):
    model.zero_grad()
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, 5), labels.flatten(), ignore_index=IGNORED)
    loss.backward()
    return loss.detach(), [p.grad for p in model.parameters() if p.grad is not None]


def test_every_known_layer_is_tried():
    assert set(KIN) == set(module.LAYERS)


@pytest.mark.parametrize("name", KIN)
@pytest.mark.parametrize("chunk", [0, 1])
def test_scores_loss_and_gradients_are_the_plain_ones(name, chunk):
    model = make(KIN[name]).train()
    assert type(last_layer(model)).__name__ == name and last_layer(model) is model.base_model.encoder.layer[-1]
    for layer in model.base_model.encoder.layer:
        layer.chunk_size_feed_forward = chunk
    inputs, labels = batch()
    with labelled_only(model, labels) as labelled:
        few = model(**inputs).logits
    assert labelled.tolist() == labels[labels != IGNORED].tolist() and few.shape == (1, len(labelled), 5)
    loss, gradients = loss_and_gradients(few, labelled, model)
    all_of_them = model(**inputs).logits  # the hook is gone
    assert all_of_them.shape == (3, 12, 5)
    torch.testing.assert_close(few[0], all_of_them[labels != IGNORED], rtol=1e-4, atol=1e-5)
    expected_loss, expected = loss_and_gradients(all_of_them, labels, model)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-5, atol=0)
    assert len(gradients) == len(expected) > 20
    for mine, oracle in zip(gradients, expected, strict=True):
        torch.testing.assert_close(mine, oracle, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", ["distilbert", "modernbert", "deberta-v3"])
def test_other_models_are_left_alone(family):
    model = transformers.AutoModelForTokenClassification.from_config(
        FAMILIES[family][1](vocab_size=100, num_labels=5, pad_token_id=0)
    )
    inputs, labels = batch()
    with labelled_only(model, labels) as same:
        assert same is labels and model(**inputs).logits.shape == (3, 12, 5)


def test_without_a_label_with_checkpointing_or_with_code_of_its_own_all_scores_are_given():
    model = make(transformers.BertConfig)
    inputs, labels = batch()
    none = torch.full_like(labels, IGNORED)
    with labelled_only(model, none) as same:
        assert same is none and model(**inputs).logits.shape == (3, 12, 5)
    layer = model.base_model.encoder.layer[-1]
    layer.gradient_checkpointing = True  # what model.activation_checkpointing_enable() does
    with labelled_only(model, labels) as same:
        assert same is labels
    layer.gradient_checkpointing = False
    layer.__class__ = type("BertLayer", (type(layer),), {"__module__": "transformers_modules.somebody.model"})
    assert last_layer(model) is None


def test_the_hook_goes_also_where_the_model_fails():
    model = make(transformers.BertConfig)
    inputs, labels = batch()
    with pytest.raises(RuntimeError, match="too long"), labelled_only(model, labels):
        raise RuntimeError("too long")
    assert model(**inputs).logits.shape == (3, 12, 5)
