"""The model card: README.md of a saved model, written from its metrics.json.

The front matter goes through huggingface_hub's own classes, so that the Hub can read its `model-index`; the body says
what the model is, how to use it in four lines, how well it does and how that was found out, and where it is weak: every
sentence on that is made of figures in metrics.json, and left out where they are missing. All names that come from the
data (entity types, file names, lines of the audit) are escaped: for YAML by the YAML writer, for Markdown and HTML by
`_text`.
"""

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1", "accuracy": "Accuracy"}

YAML_WORDS = "y n yes no on off true false null".split()  # no strings in YAML unless they are quoted

# The first words of the card's code; `address_card` finds the model's address by them.
CALL = 'pipeline("token-classification", model='

# Shown by the Hub beside the card, to be tried with a click.
WIDGET = (
    "Angela Merkel visited Paris on Monday.",
    "The United Nations opened an office in Geneva in 1946.",
    "Heavy rain is expected in southern Japan this week.",
)

# What the settings in config.json mean (`ner_eval.word_rules.RULES`, `ner_eval.decode.DECODINGS`).
WORDS = {
    "plain": "a run of letters, digits and underscores is a word, and so is each other character but white space, and "
    "each letter of a script without spaces (Chinese, Thai)",
    "treebank": "as in the Penn Treebank, abbreviations, numbers and hyphenated words are whole; all other "
    "punctuation, 's and n't stand apart",
}
DECODING = {
    "argmax": "each word gets its own best label",
    "viterbi": "the labels of a sentence are the best sequence that is legal BIO",
}

SEEN = {
    "same_type": "as an entity of this type",
    "other_type": "as an entity of other types only",
    "never": "never as an entity",
}
OWNERS = ("license", "license_name", "license_link", "language", "datasets")  # of the front matter, what an owner adds
WEAKEST = 3  # entity types that the limits name

BODY = """
# {title}

A named-entity recogniser for running text: it marks {types}. {origin} {headline}

## Use

With transformers 5 or newer:

```python
from transformers import pipeline

ner = {call}{address}, aggregation_strategy="first")
for entity in ner("Angela Merkel visited Paris on Monday."):
    print(entity["entity_group"], entity["word"], round(float(entity["score"]), 2))
```

Exactly what was evaluated, with its words, its decoding and windows for long text, comes from the recipe that trained
the model; two lines more, in a checkout of it:

~~~python
from ner_eval.recognizer import Recognizer
print(Recognizer(ner.model.name_or_path)("Angela Merkel visited Paris on Monday.")["spans"])
~~~

The pipeline comes nearest when it is called on the words of a sentence: `ner(words, is_split_into_words=True)[0]`.
{differs}
{reads}
## Labels

{labels}

## Scores by entity type

Strict scores on the {split} split{size}; support is the number of entities there.

{per_type}

## Overall

{overall}

Micro counts every entity once, macro every type once; accuracy is the share of words with the right label; loss is
cross-entropy per word.{resampled}
{seen}
## How it was evaluated

An entity is right only if its type and both its boundaries are: [seqeval](https://github.com/chakki-works/seqeval) in
strict mode, IOB2 scheme, one label per word. {judged}
{limits}{corpus}
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
) -> Path:
    """Write README.md into the directory of a saved model and return its path.

    directory:    its config.json, if there is one, says how the model reads text
    metrics:      the content of metrics.json; "test" (or, without a test split, "validation") holds the scores, all
                  other keys may be absent
    model_name:   the title, and the name in the `model-index`
    hub_model_id: the address in the card's code; without it the directory's own name, and `publish` puts the right one
    base_model:   what was fine-tuned; enters the front matter only if it is a Hub name (no directory, not `scratch`)
    dataset_name: of a path only the last part is told, a data set of the Hub (`metrics` has no "files") keeps its name;
                  "dataset_config" of `metrics` is its configuration

    Raises ValueError if `metrics` has scores of neither split.
    """
    directory = Path(directory)
    split = "test" if metrics.get("test") else "validation"
    if not (scores := metrics.get(split)):
        raise ValueError("a model card needs scores: metrics has neither 'test' nor 'validation'")
    base_model = base_model if _is_hub_name(base_model) else None
    dataset = dataset_name or metrics.get("dataset") or ""
    dataset = (_line(dataset) if metrics.get("files") == {} else _base_name(dataset)) or "unnamed data set"
    per_type = scores.get("per_type") or {}
    file = _file_of(metrics, split)
    judged_on = (file, None) if file else (dataset, metrics.get("dataset_config"))

    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="token-classification",
        tags=["token-classification", "named-entity-recognition", "ner"],
        base_model=base_model,
        metrics=list(METRICS),
        widget=[{"text": text} for text in WIDGET],
        model_name=_line(model_name),
        eval_results=_eval_results(scores, per_type, *judged_on, split),
    )
    title, address = _text(model_name), hub_model_id or directory.resolve().name
    named = ", ".join(filter(None, (dataset, _line(metrics.get("dataset_config") or ""))))
    parts = _parts(metrics, split, _settings(directory), base_model, named)
    body = BODY.format(title=title, call=CALL, address=_literal(address), split=split, **parts)
    path = directory / "README.md"
    path.write_text(f"---\n{data.to_yaml()}\n---\n{body}", encoding="utf-8")
    ModelCard(path.read_text(encoding="utf-8"))  # huggingface_hub reads it back, or says what is wrong
    return path


def address_card(text: str, hub_model_id: str) -> str:
    """The card `text` with `hub_model_id` as the model's address in its code, and with its last part as the title where
    that is still the name in the card's model index; nothing else changes."""
    pattern = re.escape(CALL) + r'"(?:[^"\\\n]|\\.)*"'
    text = re.sub(pattern, lambda match: CALL + _literal(hub_model_id), text, count=1)
    name, new = re.search(r"(?m)^model-index:\n- name: (\S.*)$", text), hub_model_id.rpartition("/")[2]
    title = f"\n# {_text(name[1].strip(chr(34) + chr(39)))}\n" if name else None
    if name is None or title not in text:
        return text
    text = text.replace(title, f"\n# {_text(new)}\n", 1)
    is_plain = re.fullmatch(r"[A-Za-z][\w.-]*", new) and new.lower() not in YAML_WORDS
    own = new if is_plain else json.dumps(new)
    return text.replace(name[0], f"model-index:\n- name: {own}", 1)


def keep_facts(text: str, theirs: dict) -> str:
    """The card `text` with those of `OWNERS` that it lacks from another card's front matter; else as it is."""
    if not text.startswith("---") or not any(theirs.get(name) for name in OWNERS):
        return text
    try:
        card = ModelCard(text)
    except Exception:  # of YAML and of the library: a card of another hand, which the Hub judges
        return text
    missing = {name: theirs[name] for name in OWNERS if theirs.get(name) and not card.data.get(name)}
    if card.data.get("license"):
        missing = {name: value for name, value in missing.items() if not name.startswith("license")}
    if not missing:
        return text
    for name, value in missing.items():
        card.data[name] = value
    return str(card)


def _parts(metrics: dict, split: str, settings: dict, base_model: str | None, dataset: str) -> dict[str, str]:
    """The parts of the body that are made of figures, by their names in `BODY`."""
    scores = metrics[split]
    per_type = scores.get("per_type") or {}
    of_type = (scores.get("intervals") or {}).get("per_type") or {}
    types = [
        [
            _text(name),
            *(_score(s.get(key)) for key in ("precision", "recall")),
            _with_interval(s | {"intervals": {"f1": of_type.get(name)}}, "f1"),
            _count(s.get("support")),
        ]
        for name, s in per_type.items()
    ]
    interval = _interval(scores, "f1")
    interval = f" ({_level(scores)} interval {interval})" if interval else ""
    return {
        "types": _listing([_text(name) for name in _types(metrics.get("labels"), per_type)]),
        "origin": _origin(metrics, base_model, dataset),
        "headline": f"Strict F1 on the {split} split: {_score(scores.get('f1'))}{interval}.",
        "differs": _differs(settings),
        "reads": _section("How it reads text", _reads(scores, split, settings)),
        "labels": _labels(metrics.get("labels"), per_type, split),
        "size": (f", {_text(file)}" if (file := _file_of(metrics, split)) else "") + _size(scores),
        "per_type": _table(["Entity type", "Precision", "Recall", "F1", "Support"], types),
        "overall": _overall(metrics),
        "resampled": _resampled(scores),
        "seen": _seen(scores, split),
        "judged": _judged(metrics, split),
        "limits": _section("Limits", _limits(metrics, split, dataset)),
        "corpus": _section("The corpus, as audited before training", map(_text, metrics.get("audit") or [])),
        "training": _training(metrics, base_model, dataset),
    }


def _settings(directory: Path) -> dict:
    """What config.json says on reading text (`ner_words` and so on); nothing if there is none."""
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _differs(settings: dict) -> str:
    """Why the pipeline may say something else, as far as the settings tell."""
    causes = [
        *(["it takes the best label word by word"] if settings.get("ner_decoding", "argmax") != "argmax" else []),
        "it cuts text at the model's limit",
        "it joins entities by its own rule",
        "it may compute in another precision",
    ]
    return (
        f"It may still differ: {', '.join(causes[:-1])}, and {causes[-1]}; on running text it also finds its own words."
    )


def _reads(scores: dict, split: str, settings: dict) -> list[str]:
    rule, decoding = settings.get("ner_words"), settings.get("ner_decoding")
    length, stride = settings.get("ner_max_length"), settings.get("ner_stride")
    changed = scores.get("words_changed") if decoding != "argmax" else None
    lines = []
    if rule is not None:
        lines.append(f"Words ({_text(rule)}){_after(WORDS.get(str(rule)))}.")
    if decoding is not None:
        effect = f" Against argmax, this changed {changed:,} words of the {split} split." if changed is not None else ""
        if weight := scores.get("transition_weight"):
            effect = f" Which tag followed which in training has the weight {weight}, chosen on validation.{effect}"
        lines.append(f"Decoding ({_text(decoding)}){_after(DECODING.get(str(decoding)))}.{effect}")
    if length is not None:
        context = f", with {_text(stride)} words of context on each side of a join" if stride is not None else ""
        lines.append(f"Windows: of at most {_text(length)} subwords{context}; longer text is read in several.")
    return lines


def _labels(labels: list[str] | None, per_type: dict, split: str) -> str:
    """The label scheme and, for each type, in how many entities of the split it occurs."""
    types = _types(labels, per_type)
    none = 0 if per_type else None  # a type without scores is in no entity; without any scores, nobody knows
    counted = [f"{_text(name)} ({_count((per_type.get(name) or {}).get('support', none))})" for name in types]
    number = f", {len(labels)} labels" if labels else ""
    return (
        f"BIO (IOB2){number}: O outside of entities, B- on the first word of an entity and I- on its other words. "
        f"Types, with their entities in the {split} split: {_listing(counted)}."
    )


def _types(labels: list[str] | None, per_type: dict) -> list[str]:
    """The entity types of the labels, those that have scores first."""
    return list(dict.fromkeys([*per_type, *(label[2:] for label in labels or [] if label != "O")]))


def _resampled(scores: dict) -> str:
    intervals = scores.get("intervals") or {}
    of_type = (intervals.get("per_type") or {}).values()
    if not any([intervals.get("f1"), intervals.get("macro_f1"), *of_type]):
        return ""
    draws = f" ({intervals['resamples']:,} resamples)" if intervals.get("resamples") else ""
    return f" In brackets: {_level(scores)} intervals of the bootstrap over sentences{draws}."


def _seen(scores: dict, split: str) -> str:
    """The table of entities that training has shown, and of those it has not."""
    rows = [
        [name, *(_score(part.get(key)) for key in ("precision", "recall", "f1")), _count(part.get("gold"))]
        for key, name in SEEN.items()
        if (part := (scores.get("seen") or {}).get(key))
    ]
    if not rows:
        return ""
    table = _table(["In the training data", "Precision", "Recall", "F1", "Support"], rows)
    return f"""
## Seen and unseen entities

Strict scores on the {split} split, apart by whether the same words, case kept, occur in the training data:

{table}
"""


def _limits(metrics: dict, split: str, dataset: str) -> list[str]:
    """What the figures say about where the model is weak."""
    scores, sentences = metrics[split], (metrics.get("sentences") or {}).get("train")
    lines = []
    if sentences:
        judged = f" and judged on the {scores['sentences']:,} of the {split} split" if scores.get("sentences") else ""
        lines.append(f"Trained on {sentences:,} sentences of {_text(dataset)}{judged}.")
    seen = scores.get("seen") or {}
    new, known = (seen.get(key) or {} for key in ("never", "same_type"))
    if new.get("gold") and known.get("gold"):
        lines.append(
            f"Recall is {_score(new.get('recall'))} on the {new['gold']:,} entities whose words training never "
            f"shows as an entity, {_score(known.get('recall'))} on the {known['gold']:,} that it shows with the same "
            "type."
        )
    ranked = [
        (s["f1"], f"{_text(name)} {_score(s['f1'])} (support {s['support']:,})")
        for name, s in (scores.get("per_type") or {}).items()
        if s.get("support") and s.get("f1") is not None
    ]
    if len(ranked) > 1:
        ranked = sorted(ranked, key=lambda pair: pair[0])[: min(WEAKEST, len(ranked) - 1)]
        lines.append(f"Lowest F1 by type: {_listing([told for _, told in ranked])}.")
    return lines + _errors(scores, split)


def _errors(scores: dict, split: str) -> list[str]:
    """The limits, continued: what goes wrong, and how far a score can be believed."""
    lines = []
    errors = scores.get("errors") or {}
    names = {
        "missed": "missed",
        "spurious": "spurious",
        "type": "of the wrong type",
        "boundary": "with wrong boundaries",
    }
    told = [f"{errors[key]:,} {name}" for key, name in (names | {"both": "wrong in both"}).items() if errors.get(key)]
    if told:
        lines.append(f"Errors in entities of the {split} split: {_listing(told)}.")
    sure = scores.get("calibration") or {}
    if sure.get("entities") and sure.get("ece") is not None:
        lines.append(
            f"Expected calibration error {_score(sure['ece'])}: the {sure['entities']:,} predicted entities have a "
            f"mean confidence of {_score(sure.get('confidence'))} and a precision of {_score(sure.get('precision'))}."
        )
    beside, elsewhere = ((scores.get("joins") or {}).get(key) or {} for key in ("beside", "elsewhere"))
    if beside.get("words") and elsewhere.get("words"):
        lines.append(
            f"Long sentences: accuracy {_score(beside.get('accuracy'))} on the {beside['words']:,} words beside a join "
            f"of two windows, {_score(elsewhere.get('accuracy'))} elsewhere."
        )
    return lines


def _eval_results(scores: dict, per_type: dict, dataset: str, config: str | None, split: str) -> list[EvalResult]:
    """The figures for the `model-index`: the overall ones, then F1 by entity type."""
    figures = [(key, name, scores.get(key)) for key, name in METRICS.items()]
    figures += [("f1", f"F1 ({_line(name)})", figure.get("f1")) for name, figure in per_type.items()]
    return [
        EvalResult(
            task_type="token-classification",
            task_name="Named-entity recognition",
            dataset_type=re.sub(r"[^\w./-]+", "-", dataset, flags=re.ASCII).strip("-./") or "data",
            dataset_name=dataset,
            dataset_config=config,
            dataset_split=split,
            metric_type=key,
            metric_name=name,
            metric_value=float(value),
        )
        for key, name, value in figures
        if value is not None
    ]


def _file_of(metrics: dict, split: str) -> str | None:
    """The name of the file that the split was read from, None where it was split off another."""
    file = (metrics.get("files") or {}).get(split)
    return _base_name(file) if file else None


def _origin(metrics: dict, base_model: str | None, dataset: str) -> str:
    if base_model:
        start = f"[{_text(base_model)}](https://huggingface.co/{base_model}) fine-tuned"
    elif metrics.get("model") == "scratch":
        start = "A small BERT trained from scratch"
    elif metrics.get("model") == "mini":
        start = "The recipe's bundled encoder `mini` fine-tuned"
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
    rows = [[name, *(_with_interval(metrics[split], key) for split in splits)] for name, key in columns.items()]
    return _table(["Micro average, unless macro", *(split.capitalize() for split in splits)], rows)


def _judged(metrics: dict, split: str) -> str:
    chosen_by = metrics.get("model_chosen_by", "validation f1")
    weighed = metrics[split].get("decoding") != "argmax"
    if split == "test":
        size = _size(metrics.get("validation") or {})
        chosen = f"The epoch was chosen by {_text(chosen_by)}{size}; the" if chosen_by else ""
        chosen = chosen or (f"Validation chose the decoding{size}; the" if weighed else "The")
        return f"{chosen} test split{_size(metrics['test'])} was used once, after training."
    chosen = f"the epoch (by {_text(chosen_by)})" if chosen_by else "the decoding" if weighed else ""
    chosen = chosen and f", and the same split chose {chosen}, so expect somewhat lower ones on new text"
    return f"There was no test split: all figures here are validation figures{chosen}."


def _training(metrics: dict, base_model: str | None, dataset: str) -> str:
    training = metrics.get("training") or {}
    labels, seconds = metrics.get("labels"), training.get("seconds")
    since = f", after it was resumed at step {training['resumed_at']:,}" if training.get("resumed_at") else ""
    versions = ", ".join(f"{name} {version}" for name, version in (metrics.get("versions") or {}).items())
    facts = {
        "Started from": base_model
        or {"scratch": "random weights", "mini": "mini, the recipe's bundled encoder"}.get(metrics.get("model")),
        "Data": dataset,
        "Validation": _file_of(metrics, "validation"),
        "Test": _file_of(metrics, "test"),
        "Labels": ", ".join(map(str, labels)) if labels else None,
        "Way of training": training.get("way"),
        "Epochs": training.get("epochs_trained", training.get("epochs")),
        "Learning rate": training.get("learning_rate"),
        "Label smoothing": training.get("label_smoothing"),
        "Batch size": training.get("batch_size"),
        "Precision of the arithmetic": training.get("precision"),
        "Seed": metrics.get("seed"),
        "Hardware": training.get("hardware"),
        "Time": f"{seconds:,.0f} s{since}" if seconds is not None else None,
        "Versions": versions or None,
    }
    return "\n".join(f"- {name}: {_text(value)}" for name, value in facts.items() if value is not None)


def _is_hub_name(name: str | None) -> bool:
    """Whether the Hub may know the base model by this name: no local directory, not `scratch` or `mini`."""
    if not name or name in ("scratch", "mini") or Path(name).exists():
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


def _interval(scores: dict, key: str) -> str:
    bounds = (scores.get("intervals") or {}).get(key)
    return "–".join(map(_score, bounds)) if bounds else ""


def _with_interval(scores: dict, key: str) -> str:
    interval = _interval(scores, key)
    return _score(scores.get(key)) + (f" ({interval})" if interval else "")


def _level(scores: dict) -> str:
    return f"{scores['intervals'].get('level', 0.95):.0%}"


def _after(explanation: str | None) -> str:
    return f": {explanation}" if explanation else ""


def _section(title: str, lines: Iterable[str]) -> str:
    """A section with a list; without lines, none."""
    points = "\n".join(f"- {line}" for line in lines)
    return f"\n## {title}\n\n{points}\n" if points else ""


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
