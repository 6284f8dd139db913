"""Strict test F1 against the number of training sentences: models, `scratch` and the CRF, several seeds; a picture.

    python -m benchmarks.learning_curves --train_file ner_dataset.csv --models mini scratch --sizes 100 500 2000 all
    python -m benchmarks.learning_curves --picture learning_curves.png --output curves.jsonl     # from finished figures

One split for all (that of run_ner.py with seed 42): the same validation and test sentences everywhere; the first N of
the shuffled training sentences, another shuffle for each seed. Every row of --output is one finished run, and a run
that is in it is not made again; runs of another file or with other --flags go into another one.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median

import numpy as np

from benchmarks.baselines import learn_crf, raise_input_error, score
from ner_data import InputError
from ner_data.read import read_corpus

PROGRAM = "python -m benchmarks.learning_curves"
ROOT = Path(__file__).parent.parent
CRF = "CRF"


def parse(argv):
    """The words of the command line -> a namespace of the flags. Raises InputError for a flag that cannot be read."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.error = raise_input_error
    for split in ("train", "validation", "test"):
        parser.add_argument(f"--{split}_file")
    parser.add_argument("--models", nargs="*", default=["mini", "scratch"], help="values of run_ner.py --model")
    parser.add_argument("--sizes", nargs="+", default=["100", "500", "2000", "all"], help="training sentences")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--flags", default="", help="more flags for run_ner.py, in one word")
    parser.add_argument("--output", required=True, help="a JSON line for each run")
    parser.add_argument("--picture", help="write the curves as an image")
    return parser.parse_args(argv)


def write_sentences(path, sentences):
    """A JSON-lines file of words and tags."""
    with open(path, "w", encoding="utf-8") as file:
        for tokens, tags in zip(sentences["tokens"].to_pylist(), sentences["tags"].to_pylist(), strict=True):
            file.write(json.dumps({"tokens": tokens, "ner_tags": tags}) + "\n")


def measure(system, train, tables, seed, flags, directory):
    """One run: {"f1", "macro_f1", "seconds" of the whole command (the CRF: of learning)}; models: "validation_f1" too,
    by which defaults can be chosen."""
    if system == CRF:
        scores = score(learn_crf, train, tables["test"])
        return {"f1": scores["f1"], "macro_f1": scores["macro_f1"], "seconds": scores["seconds"]}
    files = {"train": train, "validation": tables["validation"], "test": tables["test"]}
    command = [sys.executable, str(ROOT / "run_ner.py"), "--model", system, "--seed", str(seed), *flags.split()]
    for split, table in files.items():
        write_sentences(f"{directory}/{split}.jsonl", table)
        command += [f"--{split}_file", f"{directory}/{split}.jsonl"]
    output_dir = f"{directory}/run"
    begin = time.perf_counter()
    run = subprocess.run([*command, "--output_dir", output_dir], capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if run.returncode:
        raise InputError(f"run_ner.py --model {system} failed: {run.stderr.strip().splitlines()[-1]}")
    metrics = json.loads(Path(output_dir, "metrics.json").read_text(encoding="utf-8"))
    test, validation = metrics["test"], metrics["validation"]
    scores = {"f1": test["f1"], "macro_f1": test["macro_f1"], "validation_f1": validation["f1"]}
    return scores | {"seconds": seconds}


def table_of(rows):
    """The figures as a Markdown table: mean F1 over seeds (lowest to highest), and median seconds, by system and size.

    Seconds are those of the whole command, for the CRF of learning alone.
    """
    sizes = sorted({row["sentences"] for row in rows})
    systems = list(dict.fromkeys(row["system"] for row in rows))
    lines = [
        "| training sentences | " + " | ".join(systems) + " |",
        "| ---: |" + " ---: |" * len(systems),
    ]
    for size in sizes:
        cells = []
        for system in systems:
            runs = [row for row in rows if (row["system"], row["sentences"]) == (system, size)]
            f1, seconds = ([run[key] for run in runs] for key in ("f1", "seconds"))
            spread = f" ({min(f1):.4f} to {max(f1):.4f})" if len(f1) > 1 else ""
            cells.append(f"{mean(f1):.4f}{spread}, {median(seconds):.0f} s" if f1 else "")
        lines.append(f"| {size:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(rows, path):
    """The curves as an image: mean over seeds, and the range as a band."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4), layout="constrained")
    for system in dict.fromkeys(row["system"] for row in rows):
        sizes = sorted({row["sentences"] for row in rows if row["system"] == system})
        f1 = [[row["f1"] for row in rows if (row["system"], row["sentences"]) == (system, n)] for n in sizes]
        (line,) = axes.plot(sizes, [mean(values) for values in f1], marker="o", label=system)
        axes.fill_between(sizes, [min(v) for v in f1], [max(v) for v in f1], color=line.get_color(), alpha=0.2)
    axes.set_xscale("log")
    ticks = sorted({row["sentences"] for row in rows})
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.minorticks_off()
    axes.set(xlabel="training sentences", ylabel="strict F1, test", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def main(argv=None):
    """The command line; returns the exit code."""
    try:
        flags = parse(argv)
        lines = Path(flags.output).read_text(encoding="utf-8").splitlines() if os.path.exists(flags.output) else []
        rows = [json.loads(line) for line in lines]
        needed = {"pycrfsuite": flags.train_file, "matplotlib": flags.picture}
        for module in (name for name, is_needed in needed.items() if is_needed):
            if importlib.util.find_spec(module) is None:
                raise InputError(f"{module} is not installed: make .venv/.benchmarks")
        if flags.train_file:
            settings = {"file": os.path.basename(flags.train_file), "flags": flags.flags}
            if any({**settings, **row}[name] != value for row in rows for name, value in settings.items()):
                raise InputError(
                    f"--output {flags.output}: holds runs of another file or with other --flags; give another"
                )
            quiet = lambda line: None  # noqa: E731
            tables = read_corpus(flags.train_file, flags.validation_file, flags.test_file, say=quiet)
            done = {(row["system"], row["sentences"], row["seed"]) for row in rows}
            for size in flags.sizes:
                count = len(tables["train"]) if size == "all" else int(size)
                for seed in flags.seeds:
                    order = np.random.default_rng(seed).permutation(len(tables["train"]))[:count]
                    train = tables["train"].take(np.sort(order))
                    for system in [*flags.models, CRF]:
                        # the CRF has no seed of its own, and all sentences are all sentences
                        again = system == CRF and size == "all" and seed != flags.seeds[0]
                        if again or (system, count, seed) in done:
                            continue
                        with tempfile.TemporaryDirectory() as directory:
                            figures = measure(system, train, tables, seed, flags.flags, directory)
                        rows.append({"system": system, "sentences": count, "seed": seed, **settings, **figures})
                        print(f"{system}, {count:,} sentences, seed {seed}: F1 {figures['f1']:.4f}", flush=True)
                        with open(flags.output, "a", encoding="utf-8") as file:
                            file.write(json.dumps(rows[-1]) + "\n")
        if not rows:
            raise InputError("--train_file: not given, and --output holds no figures yet")
        print(table_of(rows))
        if flags.picture:
            draw(rows, flags.picture)
            print(f"written to {flags.picture}")
    except InputError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
