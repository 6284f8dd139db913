"""Precision, recall and F1 of tags, with intervals and breakdowns. At the end of a run they are seqeval's; after each
epoch, and of files, those of `ner_eval.span_counts`, which are the same to the last digit (`score` warns of others) in
a hundredth of the time. The transitions of tags count at the end alone: their weight is chosen when training is over.

    python -m ner_eval.score runs/bert/test_predictions.jsonl          # a run's predictions
    python -m ner_eval.score gold.conll predicted.conll --lenient      # two files, the conlleval reading
    python -m ner_eval.score gold.csv predicted.jsonl --train_file train.csv --format json

Files are of any format that `ner_data.read` knows, with the same words. Nothing here imports torch by itself.
"""

import argparse
import itertools
import json
import os
import sys
import warnings
from dataclasses import dataclass

import numpy as np

from ner_data import InputError, raise_input_error, schemes
from ner_data.formats.word_csv import Columns
from ner_data.labels import flat
from ner_data.windows import join_windows
from ner_eval.bootstrap import intervals, sentence_counts
from ner_eval.calibration import calibration, entity_confidence
from ner_eval.decode import argmax, decode, tag_sentences
from ner_eval.score_table import markdown, table
from ner_eval.scored_files import read_tagged, read_training
from ner_eval.span_counts import coded, find_spans, label_parts, same_span, span_scores
from ner_eval.span_matching import confusion, count_errors, semeval
from ner_eval.surfaces import seen_scores, surface_scores, training_surfaces

RESAMPLES, SEED = 1000, 42
FORMATS = {
    "table": table,
    "markdown": markdown,
    "json": lambda scores: json.dumps(scores, indent=1, ensure_ascii=False),
}


@dataclass(frozen=True)
class Scored:
    """A split as the model sees it.

    Attributes:
        scores: as in metrics.json.
        gold, predicted: a list of tags per sentence.
        confidence: a list per sentence, the probability of each predicted tag, to six digits; or None.
    """

    scores: dict
    gold: list
    predicted: list
    confidence: list | None = None


def score(
    prediction,
    names,
    decoding="argmax",
    *,
    transitions=None,
    sentences=None,
    training=None,
    resamples=RESAMPLES,
    seed=SEED,
):
    """Score what `NerTrainer` returned for a split.

    Args:
        prediction: `predictions` and `label_ids` as `NerTrainer` describes them.
        names: label names.
        decoding: one of `ner_eval.decode.DECODINGS`.
        transitions: `ner_eval.transitions.Transitions` for "viterbi", or None.
        sentences: the split's sentence table; with it come the `further_scores` that need the words.
        training: the training sentences' table, for the scores of seen and unseen surfaces.
        resamples, seed: of the intervals.

    Returns:
        `Scored`. `scores` holds strict micro `precision`, `recall`, `f1`, the same with `macro_`, `per_type`, word
        `accuracy`, `loss` (cross-entropy per word, in nats), `sentences`, `words`; with `sentences` also
        `further_scores`, `decoding`, `transition_weight` and `words_changed`, the number of words whose label is not
        that of `argmax`.

    Raises:
        ValueError: `sentences` are not as many words as were predicted; there is no such decoding.
    """
    from ner_eval.seqeval_metric import StrictSeqeval  # `evaluate` imports torch, and the command line goes without

    rows, gold, ids, offsets = _decoded(prediction, names, decoding, transitions)
    gold_tags, predicted_tags = tag_sentences(gold, offsets, names), tag_sentences(ids, offsets, names)
    scores = StrictSeqeval(keep_in_memory=True).compute(predictions=predicted_tags, references=gold_tags)
    counted = span_scores(gold, ids, offsets, names)
    if different := [key for key in scores if not _are_same(scores[key], counted[key])]:
        warnings.warn(f"seqeval and span_counts differ in {', '.join(different)}: please report", stacklevel=2)
    scores["loss"] = _loss(rows, gold)
    scores["sentences"], scores["words"] = len(gold_tags), len(gold)
    word, confidence = np.arange(len(gold)), None
    if sentences is not None:
        probabilities = np.exp(rows[word, ids].astype(np.float64)).round(6)
        confidence = [probabilities[begin:end].tolist() for begin, end in itertools.pairwise(offsets)]
        scores |= further_scores(
            flat(sentences["tokens"]).to_pylist(),
            gold,
            ids,
            offsets,
            names,
            training=training,
            probabilities=probabilities,
            joins=beside_joins(prediction.label_ids, offsets),
            resamples=resamples,
            seed=seed,
        )
        scores["decoding"], scores["words_changed"] = decoding, int((ids != argmax(rows)).sum())
        scores["transition_weight"] = transitions.weight if transitions else 0.0
    return Scored(scores, gold_tags, predicted_tags, confidence)


def _decoded(prediction, names, decoding, transitions=None):
    """What `NerTrainer` returned -> log-probabilities (words, labels), gold and predicted ids (words,), offsets."""
    rows, gold, offsets = join_windows(prediction.predictions, *zip(*prediction.label_ids, strict=True))
    return rows, gold, decode(rows, offsets, names, decoding, transitions), offsets


def _are_same(one, other):
    """Whether two figures, or dicts of figures, are the same, but for the last digits of a machine's arithmetic."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_are_same(one[key], other[key]) for key in one)
    return abs(one - other) < 1e-9


def _loss(rows, gold):
    return float(-rows[np.arange(len(gold)), gold].mean(dtype=np.float64))


def further_scores(
    tokens,
    gold,
    predicted,
    offsets,
    names,
    *,
    reading="strict",
    training=None,
    probabilities=None,
    joins=None,
    resamples=RESAMPLES,
    seed=SEED,
):
    """What one F1 does not say.

    Args:
        tokens: list of words (words,).
        gold, predicted: int arrays (words,), label ids.
        offsets: int array (sentences + 1,), where each sentence begins among the words.
        names: label names.
        reading: of tags that are not legal BIO, one of `span_counts.READINGS`; `lenient` is always conlleval's.
        training: sentence table, or None.
        probabilities: float array (words,), of the predicted labels, or None.
        joins: bool array (words,), the words beside a join between windows, or None.
        resamples, seed: of the intervals; 0 resamples: no intervals.

    Returns:
        `reading`; `lenient`, the micro, macro and per-type figures of the conlleval reading; `semeval`; `errors`
        (`span_matching.count_errors`); `confusion`; `surface`; `intervals`; `seen` with `training`; `calibration` with
        `probabilities`; `joins` with `joins`: `beside` and `elsewhere`, each `words` and their `accuracy`.

    Raises:
        ValueError: the number of tokens is not that of the labels.
    """
    if len(tokens) != len(gold):
        raise ValueError(f"{len(tokens)} tokens, but {len(gold)} labels")
    parts = label_parts(names)
    spans = [find_spans(ids, offsets, parts, reading) for ids in (gold, predicted)]
    lenient = span_scores(gold, predicted, offsets, names, "conlleval")
    scores = {
        "reading": reading,
        "lenient": {key: lenient[key] for key in lenient if key not in ("accuracy", "sentences", "words")},
        "semeval": semeval(*spans),
        "errors": count_errors(*spans),
        "confusion": confusion(*spans, parts.names),
        "surface": surface_scores(tokens, *spans),
    }
    if resamples:
        scores["intervals"] = intervals(
            sentence_counts(*spans, offsets, len(parts.names)), resamples, seed, parts.names
        )
    if training is not None:
        scores["seen"] = seen_scores(tokens, *spans, parts.names, training_surfaces(training))
    if probabilities is not None:
        scores["calibration"] = calibration(entity_confidence(probabilities, spans[1]), same_span(*spans) >= 0)
    if joins is not None:
        is_right = gold == predicted
        scores["joins"] = {"beside": _accuracy(is_right[joins]), "elsewhere": _accuracy(is_right[~joins])}
    return scores


def beside_joins(label_ids, offsets):
    """The words on both sides of a join between two windows of one sentence: bool array (words,).

    Args:
        label_ids: `label_ids` as `NerTrainer` describes them.
        offsets: int array (sentences + 1,).
    """
    _, sentence, first_word = (
        np.concatenate([np.ravel(part) for part in parts]) for parts in zip(*label_ids, strict=True)
    )
    place = np.searchsorted(np.unique(sentence), sentence)
    beside = np.zeros(offsets[-1], bool)
    for own in np.flatnonzero(first_word > 0):
        join = offsets[place[own]] + first_word[own]
        beside[join - 1 : join + 1] = True
    return beside


def _accuracy(is_right):
    return {"words": len(is_right), "accuracy": int(is_right.sum()) / len(is_right) if len(is_right) else None}


class ComputeMetrics:
    """For `Trainer(compute_metrics=...)`: the flat figures of `score`, counted by `span_counts`.

    Args:
        names: label names.
        decoding: one of `ner_eval.decode.DECODINGS`.
    """

    def __init__(self, names, decoding="argmax"):
        self.names = names
        self.decoding = decoding

    def __call__(self, prediction):
        rows, gold, ids, offsets = _decoded(prediction, self.names, self.decoding)
        scores = span_scores(gold, ids, offsets, self.names) | {"loss": _loss(rows, gold)}
        return {name: value for name, value in scores.items() if name != "per_type"}


def score_files(
    gold_path,
    predicted_path=None,
    *,
    reading="strict",
    train_file=None,
    columns=Columns(),  # noqa: B008
    repair=False,
    resamples=RESAMPLES,
    seed=SEED,
    say=print,
    tag_scheme=None,
):
    """Score a file of predicted tags against a file of gold tags.

    Args:
        gold_path, predicted_path, columns, repair, say, tag_scheme: as in `scored_files.read_tagged`.
        reading, resamples, seed: as in `further_scores`.
        train_file: the training sentences, a file of any format, or None.

    Returns:
        The `scores` of `score` without `loss`, `joins` and what tells of the decoding; with `reading` "conlleval" the
        headline figures and all others are of that reading.

    Raises:
        InputError: what `read_tagged` and `read_sentences` refuse.
    """
    others = () if train_file is None else (train_file,)
    tagged = read_tagged(gold_path, predicted_path, columns, repair, say, tag_scheme, others)
    training = None
    if train_file is not None:
        training = read_training(train_file, columns, repair, say, tag_scheme)
    gold, predicted, names = coded(tagged.gold, tagged.predicted)
    further = further_scores(
        tagged.tokens.to_pylist(),
        gold,
        predicted,
        tagged.offsets,
        names,
        reading=reading,
        training=training,
        probabilities=tagged.probabilities,
        resamples=resamples,
        seed=seed,
    )
    return span_scores(gold, predicted, tagged.offsets, names, reading) | further


def main(argv=None):
    """The command line. Returns the exit code."""
    notes = []
    try:
        args = _parse(argv)
        scores = score_files(
            args.gold,
            args.predicted,
            reading="conlleval" if args.lenient else "strict",
            train_file=args.train_file,
            columns=Columns(args.sentence_column, args.word_column, args.tag_column),
            repair=args.repair,
            resamples=args.resamples,
            seed=args.seed,
            say=notes.append,
            tag_scheme=args.tag_scheme,
        )
    except InputError as error:
        print(f"ner_eval.score: {error}", file=sys.stderr)
        return 2
    for note in notes:
        print(note, file=sys.stderr)
    return print_to_pipe(FORMATS[args.format](scores))


def print_to_pipe(text):
    """Print to a standard output that may be closed early, as by `| head`. Returns the exit code."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def _parse(argv):
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m ner_eval.score", description=__doc__, formatter_class=formatter)
    parser.add_argument("gold", metavar="GOLD", help="gold tags, or a run's *_predictions.jsonl, which holds both")
    parser.add_argument("predicted", metavar="PRED", nargs="?", help="predicted tags for the same words")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: table")
    parser.add_argument("--lenient", action="store_true", help="conlleval: an I- without a B- begins an entity")
    parser.add_argument("--train_file", help="training sentences: scores of seen and of unseen surfaces")
    parser.add_argument(
        "--resamples", type=int, default=RESAMPLES, help=f"for intervals; default: {RESAMPLES}, 0: none"
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the resamples; default: {SEED}")
    parser.add_argument("--repair", action="store_true", help="read illegal gold tags as conlleval does")
    parser.add_argument("--tag_scheme", choices=schemes.LETTERS, help="of the gold tags; found out if not given")
    for field in ("sentence", "word", "tag"):
        name = getattr(Columns(), field)
        what = "of word CSV files" + ", or its number in CoNLL columns" * (field in ("word", "tag"))
        parser.add_argument(f"--{field}_column", default=name, help=f"{what}; default: {name}")
    parser.error = raise_input_error
    args = parser.parse_args(argv)
    for flag in ("resamples", "seed"):
        if getattr(args, flag) < 0:
            raise InputError(f"--{flag} {getattr(args, flag)}: give 0 or more")
    return args


if __name__ == "__main__":
    sys.exit(main())
