"""The `evaluate` module behind every headline figure: seqeval in strict IOB2 mode, without the Hub.

    evaluate.load("ner_eval/seqeval_metric.py").compute(predictions=[["B-per", "O"]], references=[["B-per", "O"]])

An entity counts as found when its type and both of its ends are right; an `I-` without a `B-` begins nothing.
"""

# ruff: noqa: I001  evaluate.load reads the imports as text and wants `evaluate` before `datasets`
import evaluate
import datasets
from seqeval.metrics import accuracy_score, classification_report
from seqeval.scheme import IOB2


class StrictSeqeval(evaluate.Metric):
    """Strict entity-level precision, recall and F1 of tag sequences (Nakayama 2018, seqeval 1.2.2, mode="strict")."""

    def _info(self):
        tags = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=__doc__,
            citation="Nakayama, H. (2018). seqeval: A Python framework for sequence labeling evaluation.",
            inputs_description="predictions, references: a list of tags per sentence, `O`, `B-type` or `I-type`",
            features=datasets.Features({"predictions": tags, "references": tags}),
        )

    def _build_data_dir(self):
        """Nothing is written where all stays in memory, so the library's cache need not be one that can be written."""
        return self._data_dir_root if self.keep_in_memory else super()._build_data_dir()

    def _compute(self, predictions, references):
        """`precision`, `recall`, `f1` (micro), `macro_*`, `accuracy` of words, `per_type` with `support`.

        0 where there is nothing to divide by: no entity in the gold tags, or none predicted.
        """
        scores = {"accuracy": float(accuracy_score(references, predictions)) if any(references) else 0.0}
        sequences = [*references, *predictions]
        if all(tag == "O" for sequence in sequences for tag in sequence):
            report = {}  # seqeval's report fails without entities
        else:
            report = classification_report(
                references, predictions, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
            )
        for average, prefix in (("micro avg", ""), ("macro avg", "macro_")):
            figures = report.pop(average, {})
            for name, key in (("precision", "precision"), ("recall", "recall"), ("f1-score", "f1")):
                scores[prefix + key] = float(figures.get(name, 0.0))
        report.pop("weighted avg", None)
        scores["per_type"] = {
            str(type_): {
                "precision": float(figures["precision"]),
                "recall": float(figures["recall"]),
                "f1": float(figures["f1-score"]),
                "support": int(figures["support"]),
            }
            for type_, figures in report.items()
        }
        return scores
