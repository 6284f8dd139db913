"""The report of a run: `report.html`, one file that loads nothing from anywhere, and `errors.csv` for spreadsheets.

    python -m ner_eval.report runs/bert        # write both again for a finished run

The page shows the figures of metrics.json and has a browser of the test sentences, or of the validation sentences
where there is no test split. Its looks are in report.css, its behaviour in report.js; both are put into the page. A
policy in the page allows that script by its hash and nothing else, so no word of a corpus can become code.
"""

import argparse
import base64
import hashlib
import itertools
import json
import math
import os
import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ner_data import InputError, raise_input_error
from ner_data.text_file import counted, read_text, shown
from ner_eval.entity_errors import errors_csv, find_entities
from ner_eval.report_plots import SIDE, curves, reliability
from ner_eval.span_matching import KINDS

FOLDER = Path(__file__).parent
MOST_DATA = 2_300_000  # bytes of sentences in the page, so that it stays under 3 MB whatever the corpus
NAMES = {"hub_model_id": "Hub name", "model_chosen_by": "model chosen by", "seconds": "training time"}
SHOWN_APART = {"validation", "test", "sentences", "words", "versions", "training", "labels", "history", "audit"}
EXPLAINED = {
    "missed": "gold entity without a prediction on its words, or with one that another entity is paired with",
    "spurious": "predicted where gold has no entity, or beside another prediction for it",
    "boundary": "right type, wrong first or last word",
    "type": "right words, wrong type",
    "both": "overlap with wrong words and wrong type",
}
MEASURES = {
    "strict": "SemEval-2013 strict: words and type",
    "exact": "SemEval-2013 exact: words, any type",
    "partial": "SemEval-2013 partial: half a point for overlap",
    "type": "SemEval-2013 type: type, with any overlap",
}
SEEN = {
    "same_type": ("seen", "in training with this type"),
    "other_type": ("other type", "an entity in training, but never of this type"),
    "never": ("unseen", "never an entity in training"),
}


def write_report(output_dir, metrics, sentences, *, history=(), audit=()):
    """Write `report.html` and `errors.csv`, each at once: a reader sees the old file or the new one.

    Args:
        output_dir: an existing directory.
        metrics: the content of metrics.json; only the scores of the shown split must be there.
        sentences: {split: iterable of dicts} for validation, test or both: `tokens`, `tags` and `predicted`, and where
            they are known `confidence` (the probability of each predicted tag), `row` and `file`.
        history: `trainer.state.log_history`, a list of dicts.
        audit: facts about the corpus, a list of lines.

    Returns:
        The path of `report.html`.

    Raises:
        ValueError: no split with both scores and sentences; `find_entities`.
    """
    splits = [split for split in ("test", "validation") if metrics.get(split) and split in sentences]
    if not splits:
        raise ValueError("no scores with sentences: give those of the test or of the validation split")
    found = {}
    for split, rows in sentences.items():
        rows = [_with_file(row, split, metrics) for row in rows]
        found[split] = rows, find_entities(rows, (metrics.get(split) or {}).get("reading", "strict"))
    page = _page(metrics, splits[0], found[splits[0]], list(history), list(audit))
    path = Path(output_dir) / "report.html"
    _write(path, page.encode("utf-8", "replace"))
    _write(path.with_name("errors.csv"), errors_csv(found).encode("utf-8-sig", "replace"))  # the mark is for Excel
    return path


def _with_file(sentence, split, metrics):
    """A sentence with the name of its file: its own, or that of its split, or that which its split was taken from."""
    files = metrics.get("files") or {}
    return sentence | {"file": sentence.get("file") or files.get(split) or files.get("train")}


def _write(path, data):
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def _page(metrics, split, found, history, audit):
    """The page as text. `found`: the sentences of the shown split and their entities."""
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"rate": _rate, "count": _count, "duration": _duration}
    script = (FOLDER / "report.js").read_text(encoding="utf-8")
    scores, training = metrics[split], metrics.get("training") or {}
    hues = _hues(scores, found[1])
    data, left_out = browser_data(*found, hues)
    calibrated = scores.get("calibration") or {}
    text = environment.get_template("report.html.j2").render(
        metrics=metrics,
        split=split,
        scores=scores,
        training=training,
        hues=hues,
        headline=_headline(scores),
        measures=_measures(scores),
        kinds=_kinds(scores),
        seen=[(*SEEN[name], row) for name, row in (scores.get("seen") or {}).items()],
        plots=curves(history, training.get("best_epoch")),
        is_whole=_is_whole(history),
        reliability=reliability(calibrated["bins"]) if calibrated.get("entities") else None,
        side=SIDE,
        audit=audit,
        facts=_facts(metrics),
        throughput=_throughput(metrics, history),
        sentences=len(found[0]),
        left_out=left_out,
        data=Markup(data),
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return text.strip() + "\n"


def _hues(scores, entities):
    """A hue in degrees for each entity type, far from each other: {type: hue}, sorted by type."""
    types = {span.type for found in entities for one in found for span in (one.gold, one.predicted) if span}
    types = sorted({*types, *(scores.get("per_type") or {})})
    return {type_: round(25 + 360 * place / len(types)) % 360 for place, type_ in enumerate(types)}


def browser_data(sentences, entities, hues):
    """The sentences of the browser as JSON that may stand in a script element.

    A sentence is [words, file, row, entities]: its words as one string where none holds a space, the place of its file
    in `files`. An entity is [kind, confidence in thousandths or null, gold, predicted], a span is [type, begin, end]
    or null, and of a correct entity only one is written.

    Args:
        sentences, entities: as `find_entities` takes and returns them.
        hues: {type: degrees}, of all entity types.

    Returns:
        The text, every `<` in it escaped, so that no word ends the element; the number of sentences left out, errorless
        ones first, where there are more than `MOST_DATA` bytes of them.
    """
    files = {file: place for place, file in enumerate(dict.fromkeys(s.get("file") for s in sentences))}
    type_ids = {type_: place for place, type_ in enumerate(hues)}
    records = [
        _dump(_record(sentence, found, files, type_ids)) for sentence, found in zip(sentences, entities, strict=True)
    ]
    is_wrong = [any(one.kind != "correct" for one in found) for found in entities]
    order = sorted(range(len(records)), key=lambda place: not is_wrong[place])
    sizes = itertools.accumulate(len(records[place].encode("utf-8", "replace")) + 1 for place in order)
    kept = sorted(place for place, size in zip(order, sizes, strict=True) if size <= MOST_DATA)
    head = _dump({"types": list(hues), "hues": list(hues.values()), "kinds": KINDS, "files": list(files)})
    text = f'{head[:-1]},"sentences":[{",".join(records[place] for place in kept)}]}}'
    return text, len(records) - len(kept)


def _dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _record(sentence, entities, files, type_ids):
    def span(one):
        return one and [type_ids[one.type], one.begin, one.end]

    words = " ".join(sentence["tokens"])
    rows = [
        [KINDS.index(one.kind), None if one.confidence is None else round(one.confidence * 1000), span(one.gold)]
        + [span(one.predicted)] * (one.kind != "correct")
        for one in entities
    ]
    is_plain = words.split(" ") == sentence["tokens"]
    return [words if is_plain else sentence["tokens"], files[sentence.get("file")], sentence.get("row"), rows]


def _headline(scores):
    """The first figures: (name, value, [lower, upper] or None)."""
    names = {"f1": "F1", "precision": "Precision", "recall": "Recall", "macro_f1": "Macro F1", "accuracy": "Accuracy"}
    intervals = scores.get("intervals") or {}
    return [(name, scores[key], intervals.get(key)) for key, name in names.items() if key in scores]


def _measures(scores):
    """Rows of the table of other ways to count: (name, figures, number of gold spans)."""
    rows = []
    if scores.get("lenient"):
        support = sum(row["support"] for row in scores["lenient"].get("per_type", {}).values())
        rows.append(("conlleval reading: an I- may begin an entity", scores["lenient"], support))
    for name, row in (scores.get("semeval") or {}).items():
        gold = sum(row[key] for key in ("correct", "incorrect", "partial", "missed"))
        rows.append((MEASURES.get(name, name), row, gold))
    if scores.get("surface"):
        rows.append(("WNUT-17: unique surfaces", scores["surface"], scores["surface"].get("gold")))
    return rows


def _kinds(scores):
    """Kinds of error, most frequent first: (kind, what it is, count, share of all errors, share of the largest)."""
    counts = {kind: scores["errors"].get(kind, 0) for kind in EXPLAINED} if scores.get("errors") else {}
    total, most = sum(counts.values()) or 1, max(counts.values(), default=0) or 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return [(kind, EXPLAINED[kind], count, count / total, count / most) for kind, count in ranked]


def _facts(metrics):
    """What is known about the run beside its scores: (name, text) of all plain values, nested ones by their keys."""
    rows = [row for key, value in metrics.items() if key not in SHOWN_APART for row in _flatten(key, value)]
    types = {name[2:] for name in metrics.get("labels") or () if name != "O"}
    rows += [("entity types", f"{len(types):,}")] if types else []
    scores = metrics.get("test") or metrics.get("validation") or {}
    rows += [
        (key.replace("_", " "), scores[key]) for key in ("decoding", "transition_weight", "reading") if key in scores
    ]
    if "words_changed" in scores:
        rows.append(("words changed by decoding", _count(scores["words_changed"])))
    return rows + [row for key, value in (metrics.get("training") or {}).items() for row in _flatten(key, value)]


def _flatten(key, value):
    name = NAMES.get(key, str(key).replace("_", " "))
    if isinstance(value, dict):
        return [(f"{name}: {part}", text) for inner, one in value.items() for part, text in _flatten(inner, one)]
    if value is None or value == []:
        return []
    if isinstance(value, list):
        return [(name, ", ".join(map(str, value)))]
    if key == "seconds":
        return [(name, _duration(value))]
    if isinstance(value, float):
        return [(name, f"{value:.6g}")]
    return [(name, f"{value:,}" if type(value) is int and key != "seed" else str(value))]


def _throughput(metrics, history):
    """Words of the training split per second of training, over all epochs; None where it is not known.

    Of a resumed run only the seconds of its last part are, and of one that learnt from copies not their words.
    """
    training, words = metrics.get("training") or {}, (metrics.get("words") or {}).get("train")
    epochs = history[-1].get("epoch") if _is_whole(history) else training.get("epochs")
    has_copies = "with other entities" in (training.get("way") or "")
    if not (words and epochs and training.get("seconds")) or training.get("resumed_at") or has_copies:
        return None
    return words * epochs / training["seconds"]


def _is_whole(history):
    """Whether the training had ended when the history was taken; that of a checkpoint ends with it."""
    return any("train_runtime" in entry for entry in history)


def _rate(value):
    """A score to three digits."""
    return f"{value:.3f}" if isinstance(value, int | float) and math.isfinite(value) else "–"


def _count(value):
    """A whole number with its thousands apart."""
    return f"{value:,.0f}" if isinstance(value, int | float) and math.isfinite(value) else "–"


def _duration(seconds):
    """Seconds as `8.5 s`, `4 min 19 s` or `2 h 05 min`."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def read_run(run_dir):
    """What a finished run has left behind.

    Args:
        run_dir: its output directory, with metrics.json and *_predictions.jsonl in it.

    Returns:
        The arguments of `write_report`: metrics, sentences by split, history (of metrics.json or of the newest
        checkpoint; empty where there is none) and audit.

    Raises:
        InputError: a file is missing or damaged.
    """
    folder = Path(run_dir)
    metrics = _read_object(folder / "metrics.json")
    paths = {split: folder / f"{split}_predictions.jsonl" for split in ("validation", "test")}
    sentences = {
        split: _read_predictions(path)
        for split, path in paths.items()
        if path.exists() and isinstance(metrics.get(split), dict) and metrics[split]
    }
    for split, found in sentences.items():
        count = metrics[split].get("sentences")
        if isinstance(count, int) and count != len(found):
            what = f"{counted(len(found), 'sentence')} where metrics.json tells of {count:,}"
            raise InputError(f"{paths[split]}: {what}, give the files of one run")
    if not sentences:
        what = "no predictions with scores, test_predictions.jsonl or validation_predictions.jsonl"
        raise InputError(f"{run_dir}: {what}, give the output directory of a finished run")
    states = sorted(folder.glob("checkpoint-*/trainer_state.json"), key=lambda path: _step(path.parent.name))
    history = metrics.get("history") or (_read_object(states[-1]).get("log_history") if states else None)
    return metrics, sentences, history or [], metrics.get("audit") or []


def _step(name):
    step = name.removeprefix("checkpoint-")
    return int(step) if step.isdecimal() else -1


def _read_object(path):
    """The JSON object in a file."""
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not JSON ({error}), write it again with the recipe") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: not a JSON object, {shown(value)}, write it again with the recipe")
    return value


def _read_predictions(path):
    """The sentences of a `*_predictions.jsonl`."""
    sentences = []
    for line, text in enumerate(read_text(path).split(b"\n"), start=1):
        if text.strip():
            sentences.append(_sentence(f"{path}:{line}", text))
    return sentences


def _sentence(place, text):
    """A line of predictions, checked."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not JSON ({error}), write the predictions again") from None
    if not isinstance(record, dict) or not isinstance(record.get("tokens"), list):
        raise InputError(f"{place}: not a sentence with `tokens`, {shown(record)}, write the predictions again")
    words = len(record["tokens"])
    for key, kind in (("tokens", str), ("tags", str), ("predicted", str), ("confidence", int | float)):
        values = record.get(key)
        if key == "confidence" and values is None:
            continue
        if not isinstance(values, list) or len(values) != words or not all(isinstance(v, kind) for v in values):
            what = f"`{key}` is not a list with a value for each word"
            raise InputError(f"{place}: {what}, {shown(values)}, write the predictions again")
    for tag in record["tags"] + record["predicted"]:
        if tag != "O" and (tag[:2] not in ("B-", "I-") or not tag[2:]):
            raise InputError(f"{place}: tag {shown(tag)} is neither O, nor B- or I- and a type, write it in BIO")
    return record


def main(argv=None):
    """The command line. Returns the exit code."""
    try:
        run_dir = _parse(argv).run_dir
        metrics, sentences, history, audit = read_run(run_dir)
        path = write_report(run_dir, metrics, sentences, history=history, audit=audit)
    except InputError as error:
        print(f"ner_eval.report: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        what = f"cannot be written ({error.strerror}), check its permissions and the disk"
        print(f"ner_eval.report: {run_dir}: {what}", file=sys.stderr)
        return 2
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB) and {path.with_name('errors.csv')}")
    return 0


def _parse(argv):
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m ner_eval.report", description=__doc__, formatter_class=formatter)
    parser.add_argument("run_dir", metavar="RUN_DIR", help="a finished run, with metrics.json and *_predictions.jsonl")
    parser.error = raise_input_error
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
