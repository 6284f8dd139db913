"""Precision, recall and F1 of what the model says about a split. One way for every epoch and for the end."""

from dataclasses import dataclass

import numpy as np

from ner_data.windows import join_windows
from ner_eval.decode import argmax, tag_sentences
from ner_eval.seqeval_metric import StrictSeqeval


@dataclass(frozen=True)
class Scored:
    """A split as the model sees it: `scores` as in metrics.json, and a list of tags per sentence, gold and predicted."""

    scores: dict
    gold: list
    predicted: list


def score(prediction, names):
    """Score what `NerTrainer` returned for a split.

    Args:
        prediction: `predictions` and `label_ids` as `NerTrainer` describes them.
        names: label names.

    Returns:
        `Scored`. `scores` holds strict micro `precision`, `recall`, `f1`, the same with `macro_`, `per_type`, word
        `accuracy`, `loss` (cross-entropy per word, in nats), `sentences`, `words`.
    """
    rows, gold, offsets = join_windows(prediction.predictions, *zip(*prediction.label_ids, strict=True))
    gold_tags = tag_sentences(gold, offsets, names)
    predicted_tags = tag_sentences(argmax(rows), offsets, names)
    scores = StrictSeqeval(keep_in_memory=True).compute(predictions=predicted_tags, references=gold_tags)
    scores["loss"] = float(-rows[np.arange(len(gold)), gold].mean(dtype=np.float64))
    scores["sentences"], scores["words"] = len(gold_tags), len(gold)
    return Scored(scores, gold_tags, predicted_tags)


class ComputeMetrics:
    """For `Trainer(compute_metrics=...)`: the flat figures of `score`.

    Args:
        names: label names.
    """

    def __init__(self, names):
        self.names = names

    def __call__(self, prediction):
        return {name: value for name, value in score(prediction, self.names).scores.items() if name != "per_type"}


def table(scores):
    """The figures of a split as text: a row per entity type, then micro and macro averages.

    Args:
        scores: as `score` returns them.
    """
    width = max([len("entity type"), *map(len, scores["per_type"])])
    lines = [f"{'entity type':{width}}  precision  recall      F1  support"]
    for type_, row in scores["per_type"].items():
        lines.append(
            f"{type_:{width}}  {row['precision']:9.4f}  {row['recall']:6.4f}  {row['f1']:6.4f}  {row['support']:7d}"
        )
    support = sum(row["support"] for row in scores["per_type"].values())
    for name, prefix in (("micro", ""), ("macro", "macro_")):
        figures = (scores[f"{prefix}{key}"] for key in ("precision", "recall", "f1"))
        lines.append(f"{name:{width}}  {next(figures):9.4f}  {next(figures):6.4f}  {next(figures):6.4f}  {support:7d}")
    lines.append(
        f"{scores['words']} words in {scores['sentences']} sentences: "
        f"accuracy {scores['accuracy']:.4f}, loss {scores['loss']:.4f} a word"
    )
    return "\n".join(lines)
