"""What a run leaves behind beside the model: scores, split, predictions, report and model card."""

import importlib.metadata
import json
import os
import pathlib
import platform

from ner_data.bundled import MINI
from ner_data.labels import flat
from ner_data.read import data_set_name
from ner_data.split import SPLITS, write_split
from ner_eval.card import write_card
from ner_eval.onnx_runtime import remove_stale_onnx
from ner_eval.report import write_report
from ner_eval.score import table
from ner_model.checkpoints import UNFINISHED, full_disk
from ner_model.load import SCRATCH
from ner_model.trainer import training_facts

PACKAGES = ("transformers", "datasets", "evaluate", "seqeval", "accelerate", "torch", "pandas", "tokenizers")


def _model_name(model):
    """What was fine-tuned, for others: of a directory its last part, told apart from what the recipe calls so."""
    if model in (MINI, SCRATCH) or not os.path.isdir(model):
        return model
    name = os.path.basename(os.path.abspath(model))
    return f"{name} (a directory)" if name in (MINI, SCRATCH) else name


def save_results(
    output_dir,
    *,
    tables,
    scored,
    names,
    model,
    hub_model_id,
    dataset,
    dataset_config,
    files,
    seed,
    audit,
    trainer,
    way,
    say=print,
):
    """Print the scores, then write metrics.json, split.jsonl, the predictions of each split, report.html, errors.csv
    and README.md. A `model.onnx` of an earlier run in the directory goes.

    Args:
        output_dir: an existing directory, which the model is saved in.
        tables: sentence tables by split.
        scored: `ner_eval.score.Scored` by split (validation, and test if there is one).
        names: label names.
        model: what was fine-tuned, as given to `--model`.
        hub_model_id: the address for the model card, or None.
        dataset, dataset_config: the data set's name and configuration, or the training file and None.
        files: path by split; None where a split was split off the training file.
        seed: int.
        audit: facts about the corpus, a list of lines.
        trainer: the `NerTrainer` after training.
        way: which weights learnt and with which loss, in words.
        say: called with the tables and the address of the directory.

    Raises:
        TrainingStopped: the disk is full.
    """
    chooses, figure = trainer.is_chosen, trainer.args.metric_for_best_model
    metrics = {
        "model": _model_name(model),
        "dataset": data_set_name(dataset, files),
        "dataset_config": dataset_config,
        "files": {split: os.path.basename(path) for split, path in files.items() if path},
        "seed": seed,
        "model_chosen_by": f"validation {figure.removeprefix('eval_')}" if chooses else None,
        "sentences": {split: len(part) for split, part in tables.items()},
        "words": {split: len(flat(part["tokens"])) for split, part in tables.items()},
        "labels": names,
        "training": {"way": way} | training_facts(trainer),
        "versions": {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in PACKAGES},
        "audit": audit,
        "history": trainer.state.log_history,
        "validation": scored["validation"].scores,
        "test": scored["test"].scores if "test" in scored else None,
    }
    _say_scores(scored, chooses, say)
    what = f"the results in {output_dir} (the model is saved there, the scores are printed above)"
    with full_disk(what, os.path.join(output_dir, UNFINISHED), getattr(trainer, "_newest", None)):
        remove_stale_onnx(output_dir, say)
        write_split(os.path.join(output_dir, "split.jsonl"), tables)
        sentences = {}
        for split in set(SPLITS) - set(scored):  # those of an earlier run in this directory
            pathlib.Path(output_dir, f"{split}_predictions.jsonl").unlink(missing_ok=True)
        for split, part in scored.items():
            rows = zip(tables[split].to_pylist(), part.predicted, part.confidence, strict=True)
            sentences[split] = [row | {"predicted": tags, "confidence": sure} for row, tags, sure in rows]
            lines = (json.dumps(sentence, ensure_ascii=False) for sentence in sentences[split])
            _write(os.path.join(output_dir, f"{split}_predictions.jsonl"), lines)
        write_report(output_dir, metrics, sentences, history=trainer.state.log_history, audit=audit)
        write_card(
            output_dir,
            metrics,
            model_name=os.path.basename(hub_model_id or os.path.abspath(output_dir)),
            hub_model_id=hub_model_id,
            base_model=model,
            dataset_name=metrics["dataset"],
        )
        _write(os.path.join(output_dir, "metrics.json"), [json.dumps(metrics, indent=1, ensure_ascii=False)])
    say(f"\nsaved in {output_dir}: model, tokenizer, README.md, metrics.json, predictions, report.html")


def _say_scores(scored, chooses, say):
    """The tables of scores. chooses: whether the epoch was chosen on validation."""
    for split, part in scored.items():
        chosen = ["the epoch"] * chooses + ["the decoding"] * (part.scores.get("decoding") != "argmax")
        chosen = " and ".join(chosen) or "nothing"
        used = "used once, by the chosen model" if chooses else "used once, after training"
        note = f"it chose {chosen}" if split == "validation" else used
        say(f"\n{split}, strict entity scores ({note})\n{table(part.scores)}")
    if "test" not in scored:
        flatter = "" if chosen == "nothing" else ", so its figures flatter"
        say(f"\nno test split: validation chose {chosen} and judges the model too{flatter}")


def _write(path, lines):
    """Write lines to a file at once: a reader sees the old file or the new one, never half of it."""
    with open(f"{path}.part", "w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)
    os.replace(f"{path}.part", path)
