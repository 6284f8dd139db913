"""Training and evaluation beside what people do today, as Markdown tables.

    python -m benchmarks.bench_train steps --train_file ner_dataset.csv      # 50 steps at BERT-base's size
    python -m benchmarks.bench_train train --train_file ner_dataset.csv      # 4 x 256: 3 epochs, evaluation, F1
    python -m benchmarks.bench_train evaluate --train_file ner_dataset.csv   # 4 x 256: 100,000 words, logits to metrics
    python -m benchmarks.bench_train floors --train_file ner_dataset.csv     # a step beside what the machine allows
    python -m benchmarks.bench_train profile --train_file ner_dataset.csv    # where the time of a step goes
    python -m benchmarks.bench_train fixed                                   # what a run costs beside training
    python -m benchmarks.bench_train show figures.jsonl                      # the tables of --output again

Without --train_file the bundled corpus. A contestant has a process of its own, which loads the same weights (random, or
those of --model), encodes the same sentences, and does all once with one batch of sentences; then the clock starts. The
contestants work by turns, never two at a time: a turn is a part of the steps (steps), a whole training (train) or a
whole evaluation (evaluate). Memory is the peak of the process, on a GPU that of the card. F1 is strict and judged by
one function, on every word of the validation sentences: a word that a contestant cut off counts as O.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import pyarrow as pa

from benchmarks.bench_data import bundled_path, ignore, machine, markdown, ratio
from ner_data import InputError
from ner_data.labels import flat, label_names, sentence_offsets
from ner_data.read import read_corpus, read_sentences
from ner_data.windows import encode
from ner_model.arguments import refuse

BASE, SMALL = (12, 768), (4, 256)  # layers and hidden units; 64 of these in a head, 4 times as many in between
BERT_BASE_VOCABULARY = 28_996  # of bert-base-cased
LEARNING_RATE = {BASE: 3e-5, SMALL: 5e-4}
EPOCHS = 3
PACKAGES = ("torch", "transformers", "accelerate", "datasets")


def write_start(directory, model, shape, sentences, names, seed):
    """Write the model and the tokenizer that all contestants begin with.

    Args:
        directory: where to.
        model: directory of an encoder, or None for random weights in a BERT of `shape`.
        shape: layers, hidden units.
        sentences: sentence table, from whose words the vocabulary is learnt where there is no `model`.
        names: label names.
        seed: of the random weights; with `model`, of those of its new head.

    Returns:
        The model.
    """
    import transformers

    from ner_model.load import learn_wordpiece, load_model, load_tokenizer, read_config, subword_limit

    transformers.set_seed(seed)
    transformers.utils.logging.disable_progress_bar()
    if model:
        read_config(model)
        tokenizer = load_tokenizer(model, [])
        network = load_model(model, tokenizer, names, keep_head=False)
    else:
        layers, hidden = shape
        tokenizer = learn_wordpiece(flat(sentences["tokens"]).to_pylist())
        config = transformers.BertConfig(
            vocab_size=BERT_BASE_VOCABULARY if shape == BASE else len(tokenizer),
            num_hidden_layers=layers,
            hidden_size=hidden,
            num_attention_heads=hidden // 64,
            intermediate_size=4 * hidden,
            id2label=dict(enumerate(names)),
            label2id={name: label for label, name in enumerate(names)},
        )
        network = transformers.AutoModelForTokenClassification.from_config(config)
    subword_limit(tokenizer, network)
    network.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return network


def draw(table, sentences, seed):
    """So many sentences of a table by chance: in a random order, from its beginning again where it is too short."""
    order = np.random.default_rng(seed).permutation(len(table))
    return table.take(np.resize(order, sentences)).combine_chunks()


def of_words(table, words):
    """The first sentences that hold at least so many words, and those after them; where the words are too few, the
    table again and again, and all of it."""
    size = words_in(table)
    repeated = pa.concat_tables([table] * max(1, -(-words // size)))
    count = int(np.searchsorted(sentence_offsets(repeated), words))
    return repeated.slice(0, count), repeated.slice(count) if size > words else table


def words_in(table):
    return int(sentence_offsets(table)[-1])


def named(args, shape):
    """What the model is called in a table."""
    return os.path.basename(os.path.normpath(args.model)) if args.model else "BERT {} x {}".format(*shape)


def steps_task(args, folder, **more):
    """--steps training steps of a model of BERT-base's size: `contest.Task`, the model, its name in a table."""
    from benchmarks.contest import Job, Task

    if args.steps % args.rounds:
        raise InputError(f"--rounds {args.rounds}: {args.steps} steps cannot be cut into so many turns of equal length")
    table = read_sentences(args.train_file, say=ignore)
    names, start = label_names([table]), os.path.join(folder, "start")
    model = write_start(start, args.model, BASE, table, names, args.seeds[0])
    sentences = draw(table, (args.steps + 1) * args.batch_size, args.seeds[0])
    warm_up, train = sentences.slice(0, args.batch_size), sentences.slice(args.batch_size)
    job = Job(train, warm_up, names, folder, args.batch_size, 1, LEARNING_RATE[BASE], args.seeds[0], is_part=True)
    what = f"{args.steps} steps of {args.batch_size} sentences, {named(args, BASE)}"
    return Task(start, job, warm_up, turns=args.rounds, **more), model, what


def bench_steps(args, folder):
    """Training steps without evaluation, cut into --rounds turns."""
    from benchmarks.contest import WAYS, take_turns

    task, _, what = steps_task(args, folder)
    rounds = [take_turns(dict.fromkeys(WAYS, task))]
    return {"what": what, "rounds": rounds, "words": words_in(task.job.train), "parts": args.rounds}


def bench_train(args, folder):
    """Whole trainings: `EPOCHS` epochs with an evaluation after each, one for each of --seeds."""
    from benchmarks.contest import WAYS, Job, Task, take_turns

    tables = read_corpus(args.train_file, test_fraction=0, say=ignore)
    train, validation = tables.values()
    names, rounds = label_names(tables.values()), []
    for number, seed in enumerate(args.seeds):
        start = os.path.join(folder, f"start-{seed}")
        write_start(start, args.model, SMALL, train, names, seed)
        settings = (args.batch_size, EPOCHS, LEARNING_RATE[SMALL], seed)
        job = Job(train, validation, names, folder, *settings, validate=True)
        task = Task(start, job, draw(train, args.batch_size, seed), judge=True)
        rounds.append(take_turns(dict.fromkeys(WAYS, task), first=number))
    what = f"{EPOCHS} epochs with evaluation, {len(train):,} and {len(validation):,} sentences, {named(args, SMALL)}"
    return {"what": what, "rounds": rounds, "words": EPOCHS * words_in(train), "parts": 1}


def bench_evaluate(args, folder):
    """Evaluations of --words words, from logits to metrics; the model learnt from other sentences for an epoch."""
    from benchmarks.contest import OURS, WAYS, Job, Task, take_turns

    sentences, others = of_words(read_sentences(args.train_file, say=ignore), args.words)
    names, start, trained = label_names([sentences, others]), os.path.join(folder, "a"), os.path.join(folder, "b")
    write_start(start, args.model, SMALL, others, names, args.seeds[0])
    warm_up = draw(others, args.batch_size, args.seeds[0])
    settings = (args.batch_size, 1, LEARNING_RATE[SMALL], args.seeds[0])
    take_turns({OURS: Task(start, Job(others, warm_up, names, folder, *settings), warm_up, save=trained)})
    job = Job(warm_up, sentences, names, folder, *settings, only_evaluate=True)
    rounds = [take_turns(dict.fromkeys(WAYS, Task(trained, job, warm_up, turns=args.rounds, judge=True)))]
    what = f"evaluation of {words_in(sentences):,} words in {len(sentences):,} sentences, {named(args, SMALL)}"
    return {"what": what, "rounds": rounds, "words": words_in(sentences), "parts": 1}


def contest_table(record):
    """The contestants beside each other.

    `parts` is how many turns make a whole. Seconds are those of the whole, or their median where there are several;
    `ours is faster` is the ratio of these, `turn by turn` the median of the ratios of turns, the least, the greatest.
    """
    rows = []
    seconds = {way: [s for found in record["rounds"] for s in found[way]["seconds"]] for way in record["rounds"][0]}
    wall = {way: statistics.median(of) if record["parts"] == 1 else sum(of) for way, of in seconds.items()}
    *_, ours = wall
    for way in wall:
        figures = [found[way] for found in record["rounds"]]
        f1 = [found["f1"] for found in figures if "f1" in found]
        rows.append(
            (
                way,
                f"{wall[way]:.2f}",
                f"{record['words'] / wall[way]:,.0f}",
                f"{statistics.mean(found['padding'] for found in figures):.1%}",
                f"{max(found['peak'] for found in figures) / 2**20:,.0f}",
                f"{statistics.mean(f1):.4f}" if f1 else "–",
                "" if way == ours else f"{wall[way] / wall[ours]:.2f}x",
                "" if way == ours else ratio(seconds[ours], seconds[way], digits=2),
            )
        )
    columns = ("seconds", "words a second", "padding", "peak MiB", "F1", "ours is faster", "turn by turn")
    return markdown((record["what"], *columns), *rows)


def bench_floors(args, folder):
    """Our training steps beside what this machine allows."""
    import pyarrow.compute as pc
    import torch

    from benchmarks import floors
    from benchmarks.contest import OURS, STRIDE, take_turns
    from ner_model.load import load_tokenizer
    from ner_model.precision import choose_precision

    task, model, what = steps_task(args, folder)
    tokenizer = load_tokenizer(task.start, [])
    windows = encode(task.job.train, tokenizer, task.job.names, tokenizer.model_max_length, STRIDE).table
    lengths = pc.list_value_length(windows["input_ids"]).to_numpy()
    record = {
        "what": what,
        "precision": "bf16" if choose_precision(asked=False, refused=None)[0] else "fp32",
        "operations": floors.training_operations(model, lengths) / args.steps,
        "bytes": floors.step_bytes(model),
        "tokens": lengths.sum() / args.steps,
    }
    layers = floors.linear_layers(model)
    del model
    record["seconds"] = sum(take_turns({OURS: task})[OURS]["seconds"]) / args.steps
    record["rates"] = {"fp32": floors.matrix_rate(layers, int(record["tokens"]), torch.float32)}
    if record["precision"] == "bf16":
        record["rates"]["bf16"] = floors.matrix_rate(layers, int(record["tokens"]), torch.bfloat16)
    record["bandwidth"] = floors.bandwidth()
    return record


def floors_table(record):
    """A step beside its two floors, which are added: products and update come one after the other."""
    rate, seconds = record["rates"][record["precision"]], record["seconds"]
    arithmetic, transfer = record["operations"] / rate, record["bytes"] / record["bandwidth"]
    rates = {name: f"{value / 1e9:,.0f} GFLOP/s" for name, value in record["rates"].items()}
    return markdown(
        (f"{record['what']}, {record['precision']}", "figure"),
        *((f"matrix products of its shapes, {record['tokens']:.0f} tokens, {name}", rates.get(name, "not measured"))
          for name in ("fp32", "bf16")),
        ("memory", f"{record['bandwidth'] / 1e9:,.1f} GB/s"),
        (f"arithmetic floor of a step, {record['operations'] / 1e9:,.0f} GFLOP", f"{arithmetic:.4f} s"),
        (f"bytes floor of a step, {record['bytes'] / 1e9:.2f} GB", f"{transfer:.4f} s"),
        ("measured step", f"{seconds:.4f} s"),
        ("above both floors together", f"{seconds / (arithmetic + transfer) - 1:.0%}"),
        ("share of the measured matrix rate", f"{arithmetic / seconds:.0%}"),
    )  # fmt: skip


def bench_profile(args, folder):
    """The operators of our training steps."""
    from benchmarks.contest import OURS, take_turns

    task, _, what = steps_task(args, folder, profile=True)
    task.turns = 1
    figures = take_turns({OURS: task})[OURS]
    return {"what": what, "steps": figures["steps"], "operators": figures["operators"]}


def profile_table(record):
    """The ten operators that take most time themselves."""
    total, steps = sum(seconds for _, seconds, _ in record["operators"]), record["steps"]
    rows = (
        (f"`{name}`", f"{seconds / total:.1%}", f"{1000 * seconds / steps:.2f}", f"{calls / steps:,.1f}")
        for name, seconds, calls in record["operators"][:10]
    )
    return markdown((record["what"], "share", "ms a step", "calls a step"), *rows)


def bench_fixed(args, folder):
    """A run of the recipe for one epoch, its seconds by steps."""
    flags = ["--model", args.model or "scratch"]
    flags += [] if args.train_file == bundled_path() else ["--train_file", args.train_file]
    code = f"from benchmarks.fixed_costs import measure; measure({folder!r}, {flags!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"run_ner.py: {done.stderr.strip().splitlines()[-1]}")
    return {"what": f"run_ner.py {' '.join(flags[:2])}, one epoch", "seconds": json.loads(done.stdout.splitlines()[-1])}


def fixed_table(record):
    """The steps of a run in their order."""
    seconds = record["seconds"]
    rows = [(name, f"{value:.2f}") for name, value in seconds.items()]
    return markdown((record["what"], "seconds"), *rows, ("all", f"{sum(seconds.values()):.2f}"))


CASES = {
    "steps": (bench_steps, contest_table),
    "train": (bench_train, contest_table),
    "evaluate": (bench_evaluate, contest_table),
    "floors": (bench_floors, floors_table),
    "profile": (bench_profile, profile_table),
    "fixed": (bench_fixed, fixed_table),
}


def text_of(record):
    """A record of `--output` as Markdown."""
    return f"{record['machine']}\n\n{CASES[record['case']][1](record)}\n"


def show(path):
    """Print the tables of a file that --output wrote."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                print(text_of(json.loads(line)))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not what --output writes ({error!r})") from None


def parse(argv):
    """The command line. Raises InputError."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.bench_train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=(*CASES, "show"), help="what to measure; `show` measures nothing")
    parser.add_argument("file", nargs="?", help="for `show`: what --output wrote")
    parser.add_argument("--train_file", default=bundled_path(), help="labelled words; the bundled corpus if not given")
    parser.add_argument("--model", help="directory of an encoder, in place of random weights")
    parser.add_argument("--steps", type=int, default=50, help="training steps; default: %(default)s")
    parser.add_argument("--batch_size", type=int, default=32, help="sentences in a step; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant; default: %(default)s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of `train`; others take the first")
    parser.add_argument("--words", type=int, default=100_000, help="of `evaluate`, at least; default: %(default)s")
    parser.add_argument("--threads", type=int, help="of each contestant; OMP_NUM_THREADS or all if not given")
    parser.add_argument("--output", help="append the figures to this file, a line of JSON for each case")
    parser.error = refuse
    args = parser.parse_args(argv)
    for flag in ("steps", "batch_size", "rounds", "words", "threads"):
        value = getattr(args, flag)
        if value is not None and value < 1:
            raise InputError(f"--{flag} {value}: give 1 or more")
    if args.output:
        try:
            open(args.output, "a").close()  # what cannot be written should not be known at the end only
        except OSError as error:
            raise InputError(f"--output {args.output}: cannot be written ({error.strerror})") from None
    if (args.case == "show") != bool(args.file):
        raise InputError("show: give the file that --output wrote" if not args.file else f"{args.file}: only for show")
    return args


def main(argv=None):
    """The command line. Returns the exit code."""
    try:
        args = parse(argv)
        if args.case == "show":
            show(args.file)
            return 0
        if args.threads:
            os.environ["OMP_NUM_THREADS"] = str(args.threads)  # before torch is imported, here and in the contestants
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            record = {"case": args.case, "machine": ""} | CASES[args.case][0](args, folder)
    except InputError as error:
        print(f"bench_train: {error}", file=sys.stderr)
        return 2
    record["machine"] = where(load)
    if args.output:
        with open(args.output, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    print(text_of(record))
    return 0


def where(load):
    """What it ran on, in one line."""
    import torch

    card = f"{torch.cuda.get_device_name()}; " if torch.cuda.is_available() else ""
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    after = os.getloadavg()[0]
    return f"{card}{machine(*PACKAGES)}; {threads} threads; load of the machine {load:.1f} before, {after:.1f} after."


if __name__ == "__main__":
    sys.exit(main())
