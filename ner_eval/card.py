"""The model card: README.md of a saved model, written from its metrics.json.

The front matter goes through huggingface_hub's own classes, so that the Hub can read its `model-index`; the body says
what the model is, how to use it in four lines, how well it does and how that was found out. All names that come from
the data (entity types, file names) are escaped: for YAML by the YAML writer, for Markdown and HTML by `_text`.
"""

import html
import json
import re
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1", "accuracy": "Accuracy"}

# The first words of the card's code; `address_card` finds the model's address by them.
CALL = 'pipeline("token-classification", model='

BODY = """
# {title}

A named-entity recogniser for running text: it marks {types}. {origin} {headline}

## Use

```python
from transformers import pipeline

ner = {call}{address}, aggregation_strategy="simple")
for entity in ner("Angela Merkel visited Paris on Monday."):
    print(entity["entity_group"], entity["word"], round(float(entity["score"]), 2))
```

## Scores by entity type

Strict scores on the {split} split{size}; support is the number of entities there.

{per_type}

## Overall

{overall}

Micro counts every entity once, macro every type once; accuracy is the share of words with the right label; loss is
cross-entropy per word.

## How it was evaluated

An entity is right only if its type and both its boundaries are: [seqeval](https://github.com/chakki-works/seqeval) in
strict mode, IOB2 scheme, one label per word. {judged}

## Training

{training}
"""


def write_card(
    directory: str | Path,
    metrics: dict,
    *,
    model_name: str,
    hub_model_id: str | None = None,
    base_model: str | None = None,
    dataset_name: str | None,
    language: str | list[str] | None = None,
) -> Path:
    """Write README.md into the directory of a saved model and return its path.

    metrics:      the content of metrics.json; "test" (or, without a test split, "validation") holds the scores, all
                  other keys may be absent
    model_name:   the title, and the name in the `model-index`
    hub_model_id: the address in the card's code; without it the directory's own name, and `publish` puts the right one
    base_model:   what was fine-tuned; enters the front matter only if it is a Hub name (no directory, not `scratch`)
    dataset_name: of a path only the last part is told
    language:     ISO 639 code(s)

    Raises ValueError if `metrics` has scores of neither split.
    """
    directory = Path(directory)
    split = "test" if metrics.get("test") else "validation"
    scores = metrics.get(split)
    if not scores:
        raise ValueError("a model card needs scores: metrics has neither 'test' nor 'validation'")
    base_model = base_model if _is_hub_name(base_model) else None
    dataset = _base_name(dataset_name or metrics.get("dataset") or "") or "unnamed data set"
    per_type = scores.get("per_type") or {}

    data = ModelCardData(
        language=language,
        library_name="transformers",
        pipeline_tag="token-classification",
        tags=["token-classification", "named-entity-recognition", "ner"],
        base_model=base_model,
        metrics=list(METRICS),
        model_name=_line(model_name),
        eval_results=_eval_results(scores, per_type, dataset, split),
    )
    body = BODY.format(
        title=_text(model_name),
        types=_listing([_text(name) for name in per_type]),
        origin=_origin(metrics, base_model, dataset),
        headline=f"Strict F1 on the {split} split: {_score(scores.get('f1'))}.",
        call=CALL,
        address=_literal(hub_model_id or directory.resolve().name),
        split=split,
        size=_size(scores),
        per_type=_table(
            ["Entity type", "Precision", "Recall", "F1", "Support"],
            [
                [_text(name), *(_score(s.get(key)) for key in ("precision", "recall", "f1")), _count(s.get("support"))]
                for name, s in per_type.items()
            ],
        ),
        overall=_overall(metrics),
        judged=_judged(metrics, split),
        training=_training(metrics, base_model, dataset),
    )
    path = directory / "README.md"
    path.write_text(f"---\n{data.to_yaml()}\n---\n{body}", encoding="utf-8")
    ModelCard(path.read_text(encoding="utf-8"))  # huggingface_hub reads it back, or says what is wrong
    return path


def address_card(text: str, hub_model_id: str) -> str:
    """The card `text` with `hub_model_id` as the model's address in its code; nothing else changes."""
    pattern = re.escape(CALL) + r'"(?:[^"\\\n]|\\.)*"'
    return re.sub(pattern, lambda match: CALL + _literal(hub_model_id), text, count=1)


def _eval_results(scores: dict, per_type: dict, dataset: str, split: str) -> list[EvalResult]:
    """The figures for the `model-index`: the overall ones, then F1 by entity type."""
    figures = [(key, name, scores.get(key)) for key, name in METRICS.items()]
    figures += [("f1", f"F1 ({_line(name)})", figure.get("f1")) for name, figure in per_type.items()]
    return [
        EvalResult(
            task_type="token-classification",
            task_name="Named-entity recognition",
            dataset_type=re.sub(r"[^\w.-]+", "-", dataset, flags=re.ASCII).strip("-.") or "data",
            dataset_name=dataset,
            dataset_split=split,
            metric_type=key,
            metric_name=name,
            metric_value=float(value),
        )
        for key, name, value in figures
        if value is not None
    ]


def _origin(metrics: dict, base_model: str | None, dataset: str) -> str:
    if base_model:
        start = f"[{_text(base_model)}](https://huggingface.co/{base_model}) fine-tuned"
    elif metrics.get("model") == "scratch":
        start = "A small BERT trained from scratch"
    else:
        start = "Fine-tuned"
    sentences, words = (metrics.get(key, {}).get("train") for key in ("sentences", "words"))
    size = f" ({sentences:,} sentences, {words:,} words)" if sentences and words else ""
    return f"{start} on {_text(dataset)}{size}."


def _overall(metrics: dict) -> str:
    """The table of both splits; what a split lacks is left out."""
    columns = {
        "Precision": "precision",
        "Recall": "recall",
        "F1": "f1",
        "Macro precision": "macro_precision",
        "Macro recall": "macro_recall",
        "Macro F1": "macro_f1",
        "Accuracy": "accuracy",
        "Loss": "loss",
    }
    splits = [split for split in ("test", "validation") if metrics.get(split)]
    rows = [[name, *(_score(metrics[split].get(key)) for split in splits)] for name, key in columns.items()]
    return _table(["Micro average, unless macro", *(split.capitalize() for split in splits)], rows)


def _judged(metrics: dict, split: str) -> str:
    chosen_by = _text(metrics.get("model_chosen_by", "validation f1"))
    if split == "test":
        return (
            f"The epoch was chosen by {chosen_by}{_size(metrics.get('validation') or {})}; the test split"
            f"{_size(metrics['test'])} was used once, after training."
        )
    return (
        f"There was no test split: all figures here are validation figures, and the same split chose the epoch "
        f"(by {chosen_by}), so expect somewhat lower ones on new text."
    )


def _training(metrics: dict, base_model: str | None, dataset: str) -> str:
    training = metrics.get("training") or {}
    labels, seconds = metrics.get("labels"), training.get("seconds")
    versions = ", ".join(f"{name} {version}" for name, version in (metrics.get("versions") or {}).items())
    facts = {
        "Started from": base_model or ("random weights" if metrics.get("model") == "scratch" else None),
        "Data": dataset,
        "Labels": ", ".join(map(str, labels)) if labels else None,
        "Epochs": training.get("epochs"),
        "Learning rate": training.get("learning_rate"),
        "Batch size": training.get("batch_size"),
        "Precision of the arithmetic": training.get("precision"),
        "Seed": metrics.get("seed"),
        "Hardware": training.get("hardware"),
        "Time": f"{seconds:,.0f} s" if seconds is not None else None,
        "Versions": versions or None,
    }
    return "\n".join(f"- {name}: {_text(value)}" for name, value in facts.items() if value is not None)


def _is_hub_name(name: str | None) -> bool:
    """Whether the Hub may know the base model by this name: no local directory, not `scratch`."""
    if not name or name == "scratch" or Path(name).exists():
        return False
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _base_name(name: str) -> str:
    return re.split(r"[/\\]", _line(name).rstrip("/\\"))[-1]


def _line(name: object) -> str:
    """A name on one line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(name)).split())


def _text(name: object) -> str:
    """A name that Markdown and HTML show as it is, in a paragraph or in a table's cell."""
    return re.sub(r"([\\`*_\[\]|~#$!])", r"\\\1", html.escape(_line(name), quote=False))


def _literal(name: str) -> str:
    """A Python string literal that cannot end the card's code block."""
    return json.dumps(name, ensure_ascii=False).replace("`", "\\x60")


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _size(scores: dict) -> str:
    if scores.get("sentences") is None or scores.get("words") is None:
        return ""
    return f" ({scores['sentences']:,} sentences, {scores['words']:,} words)"


def _listing(names: list[str]) -> str:
    if len(names) < 2:
        return names[0] if names else "no entity type"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
