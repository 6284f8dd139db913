"""How fast the data room is beside what people do today, as Markdown tables.

    python -m benchmarks.bench_data                # all of it, some minutes
    python -m benchmarks.bench_data read encode    # some of: read, encode, audit, growth

The corpus is the bundled one, repeated and cut to size, in the layout of Kaggle's file. Where it is repeated, one word
in 30 is written with a number behind it that no other has, so that there are as many distinct words as in real text:
34,437 here, 35,178 in the 1,048,575 rows of Kaggle's file. The sentences are shorter: 65,007 here, 47,959 there.

The two sides of a comparison run in one process, alternately, after a first run of each that does not count. A figure
is the median over the runs; a ratio is the median of the ratios of neighbouring runs, with the least and the greatest.
"""

import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ner_data.audit import audit
from ner_data.audit_corpus import corpus_of, part_of
from ner_data.bundled import FILES, FOLDER
from ner_data.labels import flat, label_ids, label_names
from ner_data.read import read_sentences, read_words

ROWS = 1_048_575  # of Kaggle's file
WORDS = 1_000_000
GROWTH = (100_000, 1_000_000, 10_000_000)
RUNS = 5
NEW_WORD = 30  # one word in so many is new where the corpus is repeated
MAX_LENGTH = 512  # no sentence of the corpus is longer, so that both sides encode everything


def write_corpus(path, words):
    """Write so many words of the bundled corpus, again and again, as a CSV: `Sentence #`, `Word`, `POS`, `Tag`."""
    with open(os.path.join(FOLDER, FILES["train"]), encoding="utf-8") as file:
        header, *lines = file.read().splitlines()
    rows = [line.split(",", 1) for line in lines]
    sentence = written = 0
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(header + "\n")
        for repetition in range(1 + words // len(rows)):
            for place, (is_first, rest) in enumerate(rows[: words - written]):
                sentence += bool(is_first)
                if repetition and place % NEW_WORD == 0 and not rest.startswith('"'):
                    rest = rest.replace(",", f"{written + place},", 1)
                file.write(f"Sentence: {sentence},{rest}\n" if is_first else f",{rest}\n")
            written += len(rows)


def ignore(line):
    """What a reader says, for nobody."""


def recipe_of_2018(path):
    """CSV -> list of sentences, each a list of (word, part of speech, tag): the way of the Kaggle notebooks."""
    data = pd.read_csv(path).ffill()
    grouped = data.groupby("Sentence #").apply(
        lambda rows: [
            (w, p, t) for w, p, t in zip(rows["Word"].tolist(), rows["POS"].tolist(), rows["Tag"].tolist(), strict=True)
        ]
    )
    return list(grouped)


def usual_encoding(dataset, tokenizer, max_length=MAX_LENGTH):
    """A `datasets.Dataset` with `tokens` and `ner_tags` (ids) -> the same with input_ids and labels.

    The function that most examples share (Hugging Face's `run_ner.py`), in batches of 1,000, as `map` makes them.
    """

    def tokenize_and_align_labels(examples):
        tokenized = tokenizer(examples["tokens"], truncation=True, max_length=max_length, is_split_into_words=True)
        labels = []
        for i, label in enumerate(examples["ner_tags"]):
            previous, ids = None, []
            for word in tokenized.word_ids(batch_index=i):
                ids.append(-100 if word is None or word == previous else label[word])
                previous = word
            labels.append(ids)
        tokenized["labels"] = labels
        return tokenized

    return dataset.map(tokenize_and_align_labels, batched=True, remove_columns=dataset.column_names)


def audit_file(path):
    """CSV -> what `audit` finds."""
    return audit(corpus_of([part_of("train", words, say=ignore) for words in read_words(path, say=ignore)]))


def seconds_of(function, *arguments):
    """The wall-clock seconds of one call, without those of freeing what it gave."""
    gc.collect()
    start = time.perf_counter()
    result = function(*arguments)
    seconds = time.perf_counter() - start
    del result
    return seconds


def side_by_side(ours, usual, runs=RUNS):
    """Call two functions by turns -> seconds of each run: two lists."""
    ours(), usual()
    pairs = [(seconds_of(ours), seconds_of(usual)) for _ in range(runs)]
    return [list(times) for times in zip(*pairs, strict=True)]


def ratio(ours, usual, digits=1):
    """`9.1x (8.8 to 9.4)`: how many times faster, the median over pairs of runs, the least and the greatest."""
    ratios = [other / own for own, other in zip(ours, usual, strict=True)]
    return f"{statistics.median(ratios):.{digits}f}x ({min(ratios):.{digits}f} to {max(ratios):.{digits}f})"


def markdown(header, *rows):
    """A table; the first column is text, the others are numbers."""
    lines = [header, [":---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def bench_read(folder):
    """CSV of `ROWS` rows to sentences, beside the recipe of 2018."""
    path = os.path.join(folder, "rows.csv")
    write_corpus(path, ROWS)
    sentences = read_sentences(path, say=ignore)
    usual_sentences = recipe_of_2018(path)
    assert len(sentences) == len(usual_sentences)
    assert len(flat(sentences["tokens"])) == sum(map(len, usual_sentences)) == ROWS
    del sentences, usual_sentences
    ours, usual = side_by_side(lambda: read_sentences(path, say=ignore), lambda: recipe_of_2018(path))
    return markdown(
        (f"CSV of {ROWS:,} rows to sentences", "seconds", "faster"),
        ("`read_sentences`, everything checked", f"{statistics.median(ours):.2f}", ratio(ours, usual)),
        ("`read_csv().ffill().groupby().apply()`", f"{statistics.median(usual):.2f}", ""),
    )


def bench_encode(folder):
    """`WORDS` words to ids and labels, beside `map(tokenize_and_align_labels)`; both must give the same."""
    import datasets

    from ner_data.windows import encode
    from ner_model.load import learn_wordpiece

    datasets.disable_progress_bars()
    path = os.path.join(folder, "words.csv")
    write_corpus(path, WORDS)
    table = read_sentences(path, say=ignore)
    names = label_names([table])
    tokenizer = learn_wordpiece(flat(table["tokens"]).to_pylist())
    tags = pa.ListArray.from_arrays(table["tokens"].combine_chunks().offsets, pa.array(label_ids(table, names)))
    dataset = datasets.Dataset(pa.table({"tokens": table["tokens"], "ner_tags": tags}))
    windows = encode(table, tokenizer, names, MAX_LENGTH, stride=16).table
    mapped = usual_encoding(dataset, tokenizer)
    for column in ("input_ids", "labels"):
        assert windows[column].to_pylist() == mapped[column][:], f"{column} differ"
    del windows, mapped
    ours, usual = side_by_side(
        lambda: encode(table, tokenizer, names, MAX_LENGTH, stride=16), lambda: usual_encoding(dataset, tokenizer)
    )
    return markdown(
        (f"{WORDS:,} words to ids and labels, identical", "seconds", "faster"),
        ("`encode`", f"{statistics.median(ours):.2f}", ratio(ours, usual)),
        ("`map(tokenize_and_align_labels)`, `word_ids()`", f"{statistics.median(usual):.2f}", ""),
    )


def bench_audit(folder):
    """The audit of `WORDS` words, reading included; there is no usual way to compare it with."""
    path = os.path.join(folder, "words.csv")
    write_corpus(path, WORDS)
    audit_file(path)
    times = [seconds_of(audit_file, path) for _ in range(RUNS)]
    return markdown(
        (f"{WORDS:,} words, CSV to report", "seconds", "range"),
        ("audit, no tokenizer", f"{statistics.median(times):.2f}", f"{min(times):.2f} to {max(times):.2f}"),
    )


def measure(stage, path):
    """Run a stage in this process, and print its seconds, and by how many bytes the peak of the memory rose.

    Args:
        stage: "read", "audit" (CSV to report) or "encode" (sentences to windows; the peak is that of reading too).
        path: CSV file.
    """
    if stage == "encode":
        from ner_data.windows import encode
        from ner_model.load import learn_wordpiece

        tokenizer = learn_wordpiece(flat(read_sentences(bundled_path(), say=ignore)["tokens"]).to_pylist())
    before = peak()
    if stage == "audit":
        seconds, size = seconds_of(audit_file, path), 0
    else:
        start = time.perf_counter()
        table = read_sentences(path, say=ignore)
        seconds, size = time.perf_counter() - start, table.nbytes
    if stage == "encode":
        start = time.perf_counter()
        encoded = encode(table, tokenizer, label_names([table]), MAX_LENGTH, stride=16)
        seconds, size = time.perf_counter() - start, encoded.table.nbytes
    print(json.dumps({"seconds": seconds, "peak": peak() - before, "size": size}))


def bundled_path():
    """The training part of the bundled corpus."""
    return os.path.join(FOLDER, FILES["train"])


def peak():
    """The most resident memory that this process has had so far, in bytes.

    Linux hands `ru_maxrss` down from the process that started this one, which may have been larger: not so VmHWM.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def bench_growth(folder):
    """Time and memory of reading, auditing and encoding as the corpus grows, each in a process of its own."""
    rows = []
    for words in GROWTH:
        path = os.path.join(folder, f"{words}.csv")
        write_corpus(path, words)
        for stage in ("read", "audit", "encode"):
            code = f"from benchmarks.bench_data import measure; measure({stage!r}, {path!r})"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            kept = f"{found['size'] / words:.0f}" if found["size"] else "–"
            rows.append(
                (
                    stage,
                    f"{words:,}",
                    f"{found['seconds']:.2f}",
                    f"{found['seconds'] / words * 1e6:.2f}",
                    f"{found['peak'] / 2**20:,.0f}",
                    f"{found['peak'] / words:,.0f}",
                    kept,
                )
            )
        os.remove(path)
    header = ("stage", "words", "seconds", "µs a word", "peak MiB", "peak bytes a word", "bytes a word in the table")
    return markdown(header, *sorted(rows, key=lambda row: ("read", "audit", "encode").index(row[0])))


BENCHES = {"read": bench_read, "encode": bench_encode, "audit": bench_audit, "growth": bench_growth}


def machine(*packages):
    """What it runs on, in one line, with the versions of packages."""
    packages = ", ".join(f"{name} {version(name)}" for name in packages)
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}"


def main(argv=None):
    """The command line; returns the exit code."""
    chosen = sys.argv[1:] if argv is None else argv
    unknown = [name for name in chosen if name not in BENCHES]
    if unknown:
        print(f"{__doc__}\nbench_data: {unknown[0]} is none of {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    print(
        f"{machine('pandas', 'pyarrow', 'datasets', 'tokenizers')}. Medians of {RUNS} runs; growth: one run.",
        flush=True,
    )
    for name in chosen or BENCHES:
        with tempfile.TemporaryDirectory() as folder:
            print(f"\n{BENCHES[name](folder)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
