"""The table of results in GitHub Markdown, from what runs and baselines wrote; no number is typed by hand.

    python -m benchmarks.results runs/a runs/b my_baselines.json

One row for each system on each data set, the best F1 first. Runs that differ in nothing but their seed share a row:
mean ± sample standard deviation over the seeds. Where one model was trained in several ways, its rows say how.
"""

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from ner_data import InputError
from ner_data.text_file import counted

PROGRAM = "python -m benchmarks.results"
FIGURES = {
    "strict F1": "f1",
    "macro F1": "macro_f1",
    "precision": "precision",
    "recall": "recall",
    "word accuracy": "accuracy",
}
NUMBERS = (*FIGURES, "training seconds", "seeds")
COLUMNS = ("data set", "system", *NUMBERS, "judged on")
# of metrics.json's "training", the last of its scores
SETTINGS = ("way", "epochs", "learning_rate", "label_smoothing", "batch_size", "precision", "hardware", "decoding")


@dataclass(frozen=True)
class Result:
    """One system, trained once and judged once."""

    path: str  # the file it was read from
    dataset: str
    judged_on: str  # such as "test, 700 sentences"
    system: str  # the model, or the name of the baseline
    settings: tuple  # of the training, one for each of SETTINGS
    seed: int
    scores: dict  # as `StrictSeqeval` returns them
    seconds: float | None  # of training


def read_results(path):
    """The results of a run directory (its metrics.json), or of a JSON file that `benchmarks.baselines` wrote.

    Returns:
        A list of `Result`: one for a run, one per baseline for baselines.

    Raises:
        InputError: no such file, not JSON, or not with what a `Result` needs.
    """
    file = Path(path)
    if file.is_dir():
        file /= "metrics.json"
        if not file.is_file():
            raise InputError(f"{path}: no metrics.json in it, give the directory of a finished run")
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), give a run directory or a JSON file") from None
    except ValueError as error:
        raise InputError(f"{file}: not JSON ({error}), give the metrics.json of a run or baselines") from None
    try:
        return _results(str(file), written)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise InputError(f"{file}: neither the metrics of a run nor baselines ({reason})") from None


def _results(path, written):
    """What `read_results` returns. Raises KeyError, TypeError, ValueError or AttributeError for anything else."""
    if "baselines" in written:
        split, training = written["judged_on"], {}
        systems = {name: (scores, scores["seconds"]) for name, scores in written["baselines"].items()}
    else:
        split, training = "test" if written["test"] else "validation", written["training"]
        seconds = None if training.get("resumed_at") else training["seconds"]  # those of its last part
        systems = {written["model"]: (written[split], seconds)}
    files = written["files"]  # empty for a data set of the Hub, and then nobody knows whether it has its own test part
    part = ", split off by seed" if files and split not in files else ""
    return [
        Result(
            path=path,
            dataset=", ".join(str(name) for name in (written["dataset"], written.get("dataset_config")) if name),
            judged_on=f"{split}, {counted(scores['sentences'], 'sentence')}{part}",
            system=system,
            settings=tuple((training | {"decoding": scores.get("decoding")}).get(name) for name in SETTINGS),
            seed=int(written["seed"]),
            scores={key: float(scores[key]) for key in FIGURES.values()},
            seconds=None if seconds is None else float(seconds),
        )
        for system, (scores, seconds) in systems.items()
    ]


def markdown(results):
    """The table as text.

    Args:
        results: list of `Result`; data sets keep their order, and a data set's rows are sorted by mean F1.

    Raises:
        InputError: two results that share everything, their seed too.
    """
    groups = {}
    for result in results:
        data = groups.setdefault((result.dataset, result.judged_on), {})
        data.setdefault((result.system, result.settings), []).append(result)
    rows = [COLUMNS, [":---" if column not in NUMBERS else "---:" for column in COLUMNS]]
    for data in groups.values():
        for runs in sorted(data.values(), key=lambda runs: -statistics.fmean(run.scores["f1"] for run in runs)):
            rows.append(_row(runs, [settings for system, settings in data if system == runs[0].system]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(runs, all_settings):
    """The cells of runs that differ in nothing but their seed.

    Args:
        runs: list of `Result`.
        all_settings: the settings of every row of the same system; where they differ, the row says what its own are.
    """
    seeds = {}
    for run in runs:
        if run.seed in seeds:
            raise InputError(f"{run.path}: same system, data set and seed as {seeds[run.seed]}, give one of the two")
        seeds[run.seed] = run.path
    own = zip(SETTINGS, runs[0].settings, zip(*all_settings, strict=True), strict=True)
    differing = [f"{name} {value}" for name, value, values in own if len(set(values)) > 1]
    system = f"{runs[0].system} ({', '.join(differing)})" if differing else runs[0].system
    return [
        _text(runs[0].dataset),
        _text(system),
        *(_mean([run.scores[key] for run in runs], 4) for key in FIGURES.values()),
        _mean([run.seconds for run in runs], 1),
        str(len(seeds)),
        _text(runs[0].judged_on),
    ]


def _mean(values, decimals):
    """`0.8123`, or of several values `0.8123 ± 0.0041` (sample standard deviation); a dash where one is missing."""
    if None in values:
        return "–"
    mean = f"{statistics.fmean(values):,.{decimals}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):,.{decimals}f}"


def _text(value):
    """A name from the data as the text of a cell."""
    return " ".join(value.split()).replace("\\", "\\\\").replace("|", "\\|")


def main(argv=None):
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.error = raise_input_error
    parser.add_argument("paths", nargs="+", metavar="PATH", help="directory of a run, or a JSON file of baselines")
    try:
        paths = parser.parse_args(argv).paths
        print(markdown([result for path in paths for result in read_results(path)]))
    except InputError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    return 0


def raise_input_error(message):
    raise InputError(message)


if __name__ == "__main__":
    sys.exit(main())
