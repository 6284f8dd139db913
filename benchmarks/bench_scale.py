"""Time and memory of a run's steps as the corpus grows, as a Markdown table.

    python -m benchmarks.bench_scale                  # 0.1, 1 and 10 million words, two minutes
    python -m benchmarks.bench_scale 100000 1000000   # these

Each corpus (`bench_data.write_corpus`) goes through a process of its own, by the calls of `run_ner.py`: read and split,
audit, encode, 20 training steps, evaluation of the validation and test splits (a tenth of the words each), and what is
written at the end: predictions, report, card, the split. The model is tiny: its own memory and time do not grow with
the corpus, and would hide what does. Memory is that of the process above what it holds after the imports, the model
included:

- peak: the most that was resident during the step, pages of mapped files included (Linux; elsewhere the most so far).
- kept: what it holds after the step in memory of its own, not in mapped files; free memory that its allocators hold
  back for later is in it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench_data import GROWTH, bundled_path, ignore, machine, markdown, peak, write_corpus

ORDER = ("read", "audit", "encode", "train", "evaluate", "results")

STEPS, BATCH_SIZE = 20, 32


def measure(path):
    """Take a CSV of words through the steps in this process; print (step, seconds, peak, kept) of each, in bytes."""
    import torch
    import transformers

    from ner_data.audit import short_form
    from ner_data.labels import label_names, word_counts
    from ner_data.read import read_corpus, read_sentences
    from ner_eval.results import save_results
    from ner_eval.score import score
    from ner_model.batching import WindowCollator
    from ner_model.encoding import encode_once
    from ner_model.load import learn_wordpiece
    from ner_model.trainer import LABEL_NAMES, NerTrainer, WordLoss

    torch.set_num_threads(1)
    tokenizer = learn_wordpiece(word_counts(read_sentences(bundled_path(), say=ignore)).elements())
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BertConfig(vocab_size=len(tokenizer), num_labels=17, **shape)
    model = transformers.BertForTokenClassification(config)
    args = transformers.TrainingArguments(
        output_dir=os.path.dirname(path),
        per_device_train_batch_size=BATCH_SIZE,
        per_device_eval_batch_size=64,
        eval_do_concat_batches=False,
        max_steps=STEPS,
        save_strategy="no",
        disable_tqdm=True,
        label_names=LABEL_NAMES,
        use_cpu=True,
    )

    def train():
        nonlocal trainer
        trainer = NerTrainer(
            model=model,
            args=args,
            train_dataset=windows["train"].select_columns(["input_ids", "labels"]),
            processing_class=tokenizer,
            data_collator=WindowCollator(tokenizer),
            compute_loss_func=WordLoss(),
        )
        trainer.train()

    def evaluate():
        for split in ("validation", "test"):
            prediction = trainer.predict(windows[split])
            of_words = {"sentences": tables[split], "training": tables["train"]}
            scored[split] = score(prediction, names, "viterbi", **of_words)

    def results():
        what = {"tables": tables, "scored": scored, "names": names, "trainer": trainer, "audit": [], "way": ""}
        of_run = {"model": "scratch", "hub_model_id": None, "dataset": path, "dataset_config": None, "seed": 42}
        save_results(os.path.dirname(path), files={"train": path}, say=ignore, **what, **of_run)

    trainer, scored = None, {}
    base, own, figures = resident("VmRSS"), resident("RssAnon"), []

    def step(name, function, *arguments):
        reset_peak()
        start = time.perf_counter()
        result = function(*arguments)
        figures.append((name, time.perf_counter() - start, peak() - base, resident("RssAnon") - own))
        return result

    tables = step("read", lambda: read_corpus(path, say=ignore))
    step("audit", short_form, tables)
    names = label_names(tables.values())
    _, windows = step("encode", encode_once, tables, tokenizer, names, 128, 16)
    step("train", train)
    step("evaluate", evaluate)
    step("results", results)
    print(json.dumps(figures))


def resident(what):
    """A figure of this process's memory from Linux's `/proc/self/status`, such as `VmRSS`, in bytes; elsewhere 0."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:")), 0)


def reset_peak():
    """Let `peak` begin anew at what is resident now, where Linux allows it."""
    if os.access("/proc/self/clear_refs", os.W_OK):
        Path("/proc/self/clear_refs").write_text("5")


def bench_scale(sizes):
    """The table of so many words each, a process for each."""
    rows = []
    for words in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "words.csv")
            write_corpus(path, words)
            code = f"from benchmarks.bench_scale import measure; measure({path!r})"
            done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
        for name, seconds, highest, kept in json.loads(done.stdout.splitlines()[-1]):
            time_taken = f"{seconds:.2f}", f"{seconds / words * 1e6:.2f}"
            memory = (f"{value:,.0f}" for size in (highest, kept) for value in (size / 2**20, size / words))
            rows.append((name, f"{words:,}", *time_taken, *memory))
    header = ("step", "words", "seconds", "µs a word", "peak MiB", "bytes a word", "kept MiB", "bytes a word")
    return markdown(header, *sorted(rows, key=lambda row: ORDER.index(row[0])))


def main(argv=None):
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.bench_scale", description=__doc__.splitlines()[0])
    parser.add_argument(
        "sizes", metavar="WORDS", type=int, nargs="*", help="of the corpus; default: 0.1, 1, 10 million"
    )
    sizes = parser.parse_args(argv).sizes or GROWTH
    print(f"{machine('pandas', 'pyarrow', 'datasets', 'transformers', 'torch')}.\n", flush=True)
    print(bench_scale(sizes))


if __name__ == "__main__":
    main()
