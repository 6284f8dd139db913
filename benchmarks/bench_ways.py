"""Ways to train on one corpus: strict F1, that of the rarest entity types, time and memory, as a Markdown table.

    python -m benchmarks.bench_ways --model MODEL --train_file words.csv --seeds 42 43 44 [flags of run_ner.py]
    python -m benchmarks.bench_ways --model MODEL --way "full=--learning_rate 5e-4" --way "LoRA=--lora"

Each way is a run of run_ner.py for every seed, the ways taking turns; flags that are not this script's own are handed
on to all of them. Figures are means over the seeds with the least and the greatest. F1 is that of the test split, as
in metrics.json; so are the seconds, of training with the evaluation after each epoch. Memory is the greatest resident
memory of the whole run (VmHWM, Linux), imports and scoring included; that of a GPU is not in it.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = Path(__file__).parent.parent / "run_ner.py"
WAYS = {
    "full": [],
    "full, balanced class weights": ["--class_weights", "balanced"],
    "head only": ["--train_head_only"],
    "LoRA": ["--lora"],
}
RAREST = 3  # entity types


def run(flags, output_dir):
    """Run the recipe once.

    Args:
        flags: list of str.
        output_dir: where its output goes.

    Returns:
        its metrics.json as a dict, with `peak`: its greatest resident memory in bytes, None where the system does not
        tell.

    Raises:
        RuntimeError: it failed; the message is the last line of its stderr.
    """
    output_dir.mkdir(parents=True)
    with open(output_dir / "stderr.log", "w+", encoding="utf-8") as log:
        command = [sys.executable, str(RECIPE), *flags, "--output_dir", str(output_dir), "--overwrite_output_dir"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        peak = None
        while process.poll() is None:
            peak = resident_peak(process.pid) or peak
            time.sleep(0.02)
        log.seek(0)
        if process.returncode:
            raise RuntimeError(f"{shlex.join(command)}: {(log.read().strip() or 'no message').splitlines()[-1]}")
    return json.loads((output_dir / "metrics.json").read_text(encoding="utf-8")) | {"peak": peak}


def resident_peak(pid):
    """The greatest resident memory of a running process so far, in bytes; None if nobody tells."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # no Linux, or it has just ended
        return None


def markdown(runs_by_way):
    """The table.

    Args:
        runs_by_way: {way: [what `run` returned, one per seed]}.
    """
    tests = [one["test"] for runs in runs_by_way.values() for one in runs]
    support = {name: f["support"] for name, f in tests[0]["per_type"].items() if f["support"]}
    rarest = sorted(support, key=lambda name: (support[name], name))[:RAREST]
    columns = ["strict F1", "macro F1", *(f"{name} ({support[name]})" for name in rarest), "seconds", "peak MiB"]
    lines = [f"| way | {' | '.join(columns)} |", f"| :--- |{' ---: |' * len(columns)}"]
    for way, runs in runs_by_way.items():
        cells = [spread([one["test"][key] for one in runs], 4) for key in ("f1", "macro_f1")]
        cells += [spread([one["test"]["per_type"][name]["f1"] for one in runs], 4) for name in rarest]
        cells.append(spread([one["training"]["seconds"] for one in runs], 0))
        peaks = [one["peak"] for one in runs]
        cells.append("–" if None in peaks else spread([peak / 2**20 for peak in peaks], 0))
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values, decimals):
    """`mean (least to greatest)`, of one value the value alone."""
    mean, *ends = (f"{value:,.{decimals}f}" for value in (statistics.fmean(values), min(values), max(values)))
    return mean if len(values) == 1 else f"{mean} ({' to '.join(ends)})"


def main(argv=None):
    """The command line. Returns the exit code."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.bench_ways", description=__doc__, formatter_class=formatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44], help="default: 42 43 44")
    parser.add_argument("--way", action="append", metavar="NAME=FLAGS", help=f"may be repeated; default: {list(WAYS)}")
    args, flags = parser.parse_known_args(argv)
    named = dict(way.split("=", 1) for way in args.way or [])
    ways = {name: shlex.split(own) for name, own in named.items()} or WAYS
    runs_by_way = {way: [] for way in ways}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as directory:
        for seed in args.seeds:
            for number, (way, own) in enumerate(ways.items()):
                one = run([*flags, *own, "--seed", str(seed)], Path(directory) / f"{seed}-{number}")
                print(f"seed {seed}, {way}: F1 {one['test']['f1']:.4f}", file=sys.stderr)
                runs_by_way[way].append(one)
    print(markdown(runs_by_way))
    training, words = one["training"], one["words"]
    print(
        f"\n{one['model']}, {one['dataset']}: {words['train']:,} training and {words['test']:,} test words;"
        f" {training['epochs_trained']:g} epochs, batch size {training.get('batch_size')}, {training['precision']},"
        f" {training['hardware']}; seeds {', '.join(map(str, args.seeds))}; load of the machine {load:.1f} before"
    )
    for way, own in ways.items():
        rate = runs_by_way[way][0]["training"]["learning_rate"]
        print(f"- {way}: `{shlex.join([*own]) or 'no flag'}`, learning rate {rate:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
