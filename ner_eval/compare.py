"""Is run A better than run B? A paired bootstrap over the test sentences that both of them have tagged.

    python -m ner_eval.compare runs/a runs/b
    python -m ner_eval.compare --side_a runs/a1 runs/a2 runs/a3 --side_b runs/b1 runs/b2 runs/b3

A run is a directory with `test_predictions.jsonl` in it, or such a file. Several runs on a side differ in their seed:
the sides' mean scores are compared then.
"""

import argparse
import json
import os
import sys

import numpy as np
import pyarrow.compute as pc

from ner_data import InputError, raise_input_error
from ner_data.text_file import counted, shown
from ner_eval.bootstrap import LEVEL, percentiles, resample, sentence_counts
from ner_eval.score import print_to_pipe
from ner_eval.scored_files import is_run_file, read_tagged
from ner_eval.span_counts import coded, find_spans, label_parts, rates

RESAMPLES, SEED = 10_000, 42
FEW = 6  # sentences in which runs differ: with 5, no exact test of signs can have p < 0.05


def compare_runs(side_a, side_b, *, resamples=RESAMPLES, seed=SEED, say=print):
    """Compare the strict micro F1 of runs over the same test sentences.

    In every resample all runs are scored on the same drawn sentences, and the difference is that of the sides' means.
    The p-value is the two-sided one that goes with the percentile interval: twice the share of resamples in which the
    difference is 0 or of the other sign (Efron and Tibshirani 1993; in NLP: Koehn 2004, Berg-Kirkpatrick, Burkett and
    Klein 2012). Interval and p-value are about the choice of test sentences; that of seeds shows in the deviations.

    Args:
        side_a, side_b: paths of runs, one or more on each side.
        resamples, seed: as in `bootstrap.resample`.
        say: called with each line to be shown to the user.

    Returns:
        `a` and `b`: `runs`, `f1` of each run, their `mean` and sample standard `deviation` (None for a single run);
        `difference` of the means, a - b; its `interval` and `p`, None where all resamples have one that is not 0;
        `level`, `resamples`, `seed`, `sentences`; `differing`, how many of these have not the same counts in all runs.

    Raises:
        InputError: a run has no predictions, or other sentences or gold tags than the first one.
    """
    paths = [*side_a, *side_b]
    runs = [_read_run(path, say) for path in paths]
    for other in runs[1:]:
        _check_same_sentences(runs[0], other)
    counts = np.stack([_counts(run) for run in runs], axis=1)  # (sentences, runs, 3)
    observed = _f1(counts.sum(axis=0))
    sums = resample(counts.reshape(len(counts), -1), resamples, seed).reshape(resamples, len(runs), 3)
    size = len(side_a)
    differences = _difference(_f1(sums), size)
    is_certain = differences.min() == differences.max() != 0
    return {
        "a": _side(paths[:size], observed[:size]),
        "b": _side(paths[size:], observed[size:]),
        "difference": float(_difference(observed, size)),
        "interval": None if is_certain else percentiles(differences),
        "p": None if is_certain else p_value(differences),
        "level": LEVEL,
        "resamples": resamples,
        "seed": seed,
        "sentences": len(counts),
        "differing": int((counts != counts[:, :1]).any(axis=(1, 2)).sum()),
    }


def p_value(differences):
    """The two-sided p-value of resampled differences; never 0, because there were only so many resamples.

    Args:
        differences: float array (resamples,).

    Returns:
        min(1, 2 (1 + n) / (1 + resamples)), where n counts the differences on the rarer side of 0, those of 0 on both.
    """
    rarer = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (1 + rarer) / (1 + len(differences))))


def _read_run(path, say):
    """The `Tagged` of a run."""
    file = os.path.join(path, "test_predictions.jsonl") if os.path.isdir(path) else path
    if not os.path.exists(file):
        raise InputError(f"{file}: no such file, give the directory of a finished run that has a test split")
    if not is_run_file(file):
        raise InputError(f"{file}: not the predictions of a run, give its directory or its test_predictions.jsonl")
    return read_tagged(file, say=lambda line: None if "tag scheme BIO" in line else say(line))


def _check_same_sentences(first, other):
    """Raise InputError for the first sentence with other words, other gold tags, or another end."""
    size = min(len(first.tokens), len(other.tokens))
    differs = np.zeros(size, bool)
    for field in ("tokens", "gold"):
        mine, theirs = getattr(first, field)[:size], getattr(other, field)[:size]
        differs |= pc.not_equal(mine, theirs).to_numpy(zero_copy_only=False)
    ends = np.setxor1d(first.offsets, other.offsets)  # ends of sentences that only one of them has
    words = np.append(np.flatnonzero(differs)[:1], np.maximum(ends[:1] - 1, 0))
    if len(words):
        places, texts = zip(*(_sentence(run, int(words.min())) for run in (first, other)), strict=True)
        sizes = (f"{len(run.tokens):,} words in {len(run.offsets) - 1:,} sentences" for run in (first, other))
        what = f"different test sentences ({' and '.join(sizes)}), {' and '.join(texts)}"
        raise InputError(f"{' and '.join(places)}: {what}, compare runs on the same test file")


def _sentence(run, word):
    """The place of the sentence with a word, and its words and gold tags in short."""
    word = min(word, len(run.tokens) - 1)
    sentence = int(np.searchsorted(run.offsets, word, side="right")) - 1
    begin, end = run.offsets[sentence : sentence + 2]
    pairs = zip(run.tokens[begin:end].to_pylist(), run.gold[begin:end].to_pylist(), strict=True)
    text = " ".join(token if tag == "O" else f"{token}/{tag}" for token, tag in pairs)
    return f"{run.path}:{run.lines[begin]}", shown(text, 120)


def _counts(run):
    """Correct, gold and predicted spans of each sentence: int64 array (sentences, 3)."""
    gold, predicted, names = coded(run.gold, run.predicted)
    parts = label_parts(names)
    spans = (find_spans(ids, run.offsets, parts) for ids in (gold, predicted))
    return sentence_counts(*spans, run.offsets, len(parts.names)).sum(axis=2)


def _f1(counts):
    """F1 of counts (..., runs, 3): float array (..., runs)."""
    return rates(*np.moveaxis(counts, -1, 0))[2]


def _difference(scores, size):
    """Mean of the first `size` runs minus mean of the others, over the last axis."""
    return scores[..., :size].mean(axis=-1) - scores[..., size:].mean(axis=-1)


def _side(paths, scores):
    return {
        "runs": [str(path) for path in paths],
        "f1": scores.tolist(),
        "mean": float(scores.mean()),
        "deviation": float(scores.std(ddof=1)) if len(scores) > 1 else None,
    }


def text(result):
    """What `compare_runs` found, as lines for a terminal."""
    lines = []
    for side in ("a", "b"):
        part = result[side]
        lines += [f"{side.upper()}  F1 {score:.4f}  {run}" for run, score in zip(part["runs"], part["f1"], strict=True)]
        if part["deviation"] is not None:
            lines.append(f"{side.upper()}  mean {part['mean']:.4f}, standard deviation {part['deviation']:.4f}")
    difference, differing = f"A - B {result['difference']:+.4f}", counted(result["differing"], "sentence")
    if result["interval"] is None:
        lines.append(f"{difference}; no interval and no p, since every resample has the same difference")
    else:
        lower, upper = result["interval"]
        lines.append(f"{difference}, {result['level']:.0%} interval {lower:+.4f} to {upper:+.4f}")
        lines.append(
            f"p {result['p']:.4f}: two-sided paired bootstrap, {result['resamples']:,} resamples of "
            f"{result['sentences']:,} sentences, seed {result['seed']}"
        )
    if 0 < result["differing"] < FEW:
        lines.append(f"the runs differ in {differing} only: too few for a test of this kind, whatever p says")
    return "\n".join(lines)


def main(argv=None):
    """The command line. Returns the exit code."""
    notes = []
    try:
        args = _parse(argv)
        result = compare_runs(args.side_a, args.side_b, resamples=args.resamples, seed=args.seed, say=notes.append)
    except InputError as error:
        print(f"ner_eval.compare: {error}", file=sys.stderr)
        return 2
    for note in notes:
        print(note, file=sys.stderr)
    return print_to_pipe(json.dumps(result, indent=1, ensure_ascii=False) if args.format == "json" else text(result))


def _parse(argv):
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m ner_eval.compare", description=__doc__, formatter_class=formatter)
    parser.add_argument("runs", metavar="RUN", nargs="*", help="two runs, A and B")
    parser.add_argument("--side_a", metavar="RUN", nargs="+", default=[], help="several runs, instead of A")
    parser.add_argument("--side_b", metavar="RUN", nargs="+", default=[], help="several runs, instead of B")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--resamples", type=int, default=RESAMPLES, help=f"default: {RESAMPLES:,}")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the resamples; default: {SEED}")
    parser.error = raise_input_error
    args = parser.parse_args(argv)
    if len(args.runs) == 2 and not args.side_a + args.side_b:
        args.side_a, args.side_b = args.runs[:1], args.runs[1:]
    elif args.runs and args.side_a + args.side_b:
        raise InputError(f"{args.runs[0]}: given beside --side_a or --side_b; give two runs, or these two flags")
    elif args.runs or not args.side_a or not args.side_b:
        raise InputError(
            f"{counted(len(args.runs), 'run')}: give two, or --side_a with its runs and --side_b with its runs"
        )
    for flag, least in (("resamples", 1), ("seed", 0)):
        if getattr(args, flag) < least:
            raise InputError(f"--{flag} {getattr(args, flag)}: give {least} or more")
    return args


if __name__ == "__main__":
    sys.exit(main())
