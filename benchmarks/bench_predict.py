"""Words per second of our predictor against transformers' pipeline: the same model, the same sentences, in turns.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_predict --model runs/my-run
    python -m benchmarks.bench_predict --model runs/my-run --file words.csv --words 20000 --runs 5

Prints a Markdown table: medians, and ratios of neighbouring runs with their range. The sentences go to both as running
text, words joined by single spaces; the pipeline is called as its users call it, with batch_size=32. Loading and a
first small batch are not counted. With onnxruntime installed and a `model.onnx` in the directory it takes part too.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import time

from ner_data import InputError
from ner_data.bundled import bundled_corpus
from ner_data.read import read_sentences
from ner_eval.onnx_runtime import MODEL
from ner_eval.predict import blocks
from ner_eval.recognizer import Recognizer, read_settings
from ner_eval.records import Record
from ner_eval.word_rules import words_of

BATCH_SIZE = 32


def sentences_of(path, words):
    """Texts with at least so many words in all: the file's sentences, from the start again where it is too short."""
    tokens = read_sentences(path, say=lambda line: None)["tokens"].to_pylist()
    texts, count = [], 0
    while count < words:
        sentence = tokens[len(texts) % len(tokens)]
        texts.append(" ".join(sentence))
        count += len(sentence)
    return texts, count


def pipeline_runner(model, bf16):
    """Called with texts, it runs transformers' pipeline over all of them."""
    import torch
    from transformers import pipeline

    dtype = torch.bfloat16 if bf16 else torch.float32
    serve = pipeline("token-classification", model=model, dtype=dtype, aggregation_strategy="simple")

    def run(texts):
        for _ in serve(texts, batch_size=BATCH_SIZE):
            pass

    return run


def our_runner(model, runtime, no_bf16):
    """Called with texts, it does what `python -m ner_eval.predict` does between reading and writing."""
    recognizer = Recognizer(model, runtime, no_bf16)

    def run(texts):
        rule = recognizer.settings.rule
        records = (Record(line, text, words_of(text, rule)) for line, text in enumerate(texts))
        for block in blocks(records):
            recognizer.label([record.tokens for _, record in block])

    run.recognizer = recognizer
    return run


def runners(model):
    """{name: runner}; the first is what the others are compared with."""
    found = {
        f"pipeline, batch_size={BATCH_SIZE}, fp32": pipeline_runner(model, False),
        f"pipeline, batch_size={BATCH_SIZE}, bf16": pipeline_runner(model, True),
        "ours, fp32": our_runner(model, "torch", True),
    }
    served = our_runner(model, "torch", False)
    if served.recognizer.model.bf16:
        found["ours, bf16"] = served
    if importlib.util.find_spec("onnxruntime") and os.path.isfile(os.path.join(model, MODEL)):
        onnx = our_runner(model, "onnx", False)
        found[f"ours, ONNX {onnx.recognizer.precision.split(',')[0]}"] = onnx
    return found


def measure(run_by_name, texts, words, runs):
    """Words per second: {name: [one per round]}. Every round runs all of them, in turning order."""
    names = list(run_by_name)
    for run in run_by_name.values():
        run(texts[:BATCH_SIZE])
    speeds = {name: [] for name in names}
    for number in range(runs):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            begin = time.perf_counter()
            run_by_name[name](texts)
            speeds[name].append(words / (time.perf_counter() - begin))
    return speeds


def table(speeds):
    """The speeds as a Markdown table; ratios are of runs of the same round."""
    base, base_bf16 = list(speeds)[:2]
    lines = ["| | words per second | against fp32 pipeline | against bf16 pipeline |", "|:--|--:|--:|--:|"]
    for name, of_runs in speeds.items():
        cells = [f"{statistics.median(of_runs):,.0f} ({min(of_runs):,.0f} to {max(of_runs):,.0f})"]
        for other in (base, base_bf16):
            ratios = [mine / theirs for mine, theirs in zip(of_runs, speeds[other], strict=True)]
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv=None):
    """The command line. Returns the exit code."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m benchmarks.bench_predict", description=__doc__, formatter_class=formatter
    )
    parser.add_argument("--model", required=True, help="directory of a saved model")
    parser.add_argument("--file", help="words in any format; the bundled test sentences if not given")
    parser.add_argument("--words", type=int, default=10_000, help="at least; default: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="of each; default: %(default)s")
    args = parser.parse_args(argv)
    try:
        bundled = bundled_corpus(dict.fromkeys(("train", "validation", "test")), 0.1)["test"]
        texts, words = sentences_of(args.file or bundled, args.words)
        read_settings(args.model)  # the pipeline would answer a wrong directory with a traceback
        run_by_name = runners(args.model)
    except InputError as error:
        print(f"bench_predict: {error}", file=sys.stderr)
        return 2
    load = os.getloadavg()[0]
    speeds = measure(run_by_name, texts, words, args.runs)
    print(table(speeds))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(f"\n{words:,} words in {len(texts):,} sentences, {args.runs} runs of each, {threads} threads; ", end="")
    print(f"load of the machine {load:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main())
