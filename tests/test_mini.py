"""The bundled encoder: what it is, what its card says, and that it has learnt English."""

import json
import re
from pathlib import Path

import pytest
import torch
import transformers

from ner_data.bundled import model_path
from ner_model.load import load_model, load_tokenizer, read_config
from ner_model.masked_lm import load_masked_lm

MINI = Path(model_path("mini"))
CARD = (MINI / "README.md").read_text(encoding="utf-8")
FACTS = json.loads((MINI / "pretraining.json").read_text(encoding="utf-8"))
SOURCES = ("current_events", "factbook", "inaugural", "masc", "state_union", "wikitext", "ebooks")


def test_it_is_found_from_everywhere_and_other_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert MINI.is_absolute() and MINI.is_dir()
    assert read_config("mini")["architectures"] == ["ModernBertForMaskedLM"]
    assert model_path("./mini") == "./mini" and model_path("bert-base-cased") == "bert-base-cased"


def test_it_is_small_and_plain():
    files = {path.name: path.stat().st_size for path in MINI.iterdir()}
    assert sum(files.values()) < 15_000_000
    assert [name for name in files if name.endswith((".bin", ".pt", ".py", ".pkl"))] == []
    assert "auto_map" not in (MINI / "config.json").read_text(encoding="utf-8")
    encoder, loading = transformers.AutoModel.from_pretrained(MINI, dtype=torch.float32, output_loading_info=True)
    assert type(encoder).__name__ == "ModernBertModel" and not loading["mismatched_keys"]
    assert not loading["missing_keys"]
    assert all(torch.isfinite(weight).all() for weight in encoder.state_dict().values())


def test_the_card_tells_how_it_was_made():
    assert FACTS["command"] in CARD and f"seed {FACTS['seed']}" in CARD
    assert f"{FACTS['tokens']:,}" in CARD and f"perplexity {FACTS['held_out_perplexity']:.2f}" in CARD
    named = set(re.findall(r"text/(\w+)\.txt\.xz", FACTS["command"]))
    assert named == set(SOURCES)
    rows = [line for line in CARD.splitlines() if line.startswith("| `")]
    assert {name for name in SOURCES if any(f"`{name}.txt.xz`" in row for row in rows)} == set(SOURCES)
    model = transformers.AutoModelForMaskedLM.from_pretrained(MINI)
    assert FACTS["parameters"] == model.num_parameters()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("He was elected President of the United [MASK] .", "States"),
        ("The meeting lasted from Monday [MASK] Friday .", "to"),
        ("She lives in New [MASK] City .", "York"),
    ],
)
def test_it_fills_masks(text, word):
    tokenizer = load_tokenizer("mini", ())
    model = load_masked_lm("mini", tokenizer, None).eval()
    inputs = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        scores = model(**inputs).logits[inputs["input_ids"] == tokenizer.mask_token_id][0]
    assert word in tokenizer.convert_ids_to_tokens(scores.topk(5).indices.tolist())


def test_a_token_classifier_begins_with_its_weights():
    tokenizer = load_tokenizer("mini", ())
    model = load_model("mini", tokenizer, ["O", "B-geo", "I-geo"], False)
    encoder = transformers.AutoModel.from_pretrained(MINI, dtype=torch.float32).state_dict()
    assert model.dtype == torch.float32 and model.config.id2label == {0: "O", 1: "B-geo", 2: "I-geo"}
    ours = model.base_model.state_dict()
    assert ours.keys() == encoder.keys()
    assert all(torch.equal(ours[name], weight) for name, weight in encoder.items())
