"""Annotations that the model contradicts with confidence: where to look for label errors.

    python -m ner_eval.suspects --train_file words.csv                         # 5 runs of the recipe, then the list
    python -m ner_eval.suspects --train_file words.csv --folds 3 --output s.csv --model bert-base-cased

Every sentence is tagged by a model that has not seen it: the sentences are cut into folds (identical ones in the same
fold), and for each fold `run_ner.py` trains on the others. Where its tags contradict the annotation, the words form a
suspect; suspects are ranked by the probability that the model gives to its own reading of these words (the product of
their tags' probabilities, as in `ner_eval.calibration`), the surest first. This is the ranking of out-of-sample
predictions by self-confidence (Northcutt, Jiang and Chuang 2021), over entities instead of examples. Labels are not
smoothed in these runs, and sentences not copied (`--label_smoothing_factor 0 --augment 0`). Flags that are not named
here go to `run_ner.py`.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ner_data import InputError
from ner_data.bundled import bundled_corpus
from ner_data.labels import sentence_offsets
from ner_data.read import read_sentences
from ner_data.reading_flags import add_reading_flags, reading_of
from ner_data.split import sentence_groups
from ner_data.text_file import counted, printable
from ner_eval.span_counts import find_spans, label_parts, shared_ids
from ner_eval.span_matching import error_kinds
from ner_model.checkpoints import TrainingStopped

RECIPE = Path(__file__).resolve().parent.parent / "run_ner.py"
# smoothed labels hide how sure a run is: planted errors ranked lower; and a wrong entity is not to be spread by copies
AS_ANNOTATED = ("--label_smoothing_factor", "0", "--augment", "0")
FIELDS = ("place", "confidence", "words", "gold", "predicted", "sentence")


def out_of_fold(table, folds, seed, flags, directory, say=print):
    """Tag every sentence by a run of the recipe that has not trained on it.

    Args:
        table: sentence table.
        folds: number of runs.
        seed: int, of the folds and the runs.
        flags: further words for the command line of `run_ner.py`. Labels are not smoothed, sentences not copied unless
            they say so.
        directory: where files and runs go.
        say: called with a line per run.

    Returns:
        Two lists per sentence of the table, in its order: predicted tags, and their probabilities.

    Raises:
        InputError, TrainingStopped: fewer distinct sentences than folds, or a run that failed; with its last line.
    """
    groups = sentence_groups(table)
    if groups.max(initial=-1) + 1 < folds:
        raise InputError(f"--folds {folds}: only {groups.max(initial=-1) + 1} distinct sentences; give fewer folds")
    fold_of = (np.random.default_rng(seed).permutation(groups.max() + 1) % folds)[groups]
    predicted, confidence = [None] * len(table), [None] * len(table)
    for fold in range(folds):
        held_out = np.flatnonzero(fold_of == fold)
        files = {"train": np.flatnonzero(fold_of != fold), "test": held_out}
        for name, rows in files.items():
            _write_sentences(os.path.join(directory, f"{name}-{fold}.jsonl"), table.take(rows))
        run = os.path.join(directory, f"run-{fold}")
        command = [sys.executable, str(RECIPE), *AS_ANNOTATED, *flags]
        command += ["--seed", str(seed), "--output_dir", run, "--tag_scheme", "BIO"]
        command += [f"--{name}_file={os.path.join(directory, f'{name}-{fold}.jsonl')}" for name in files]
        utf8 = os.environ | {"PYTHONUTF8": "1"}  # what a pipe is in, on Windows too
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=utf8)
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            failed = InputError if done.returncode == 2 else TrainingStopped
            raise failed(f"run {fold + 1} of {folds} failed with exit code {done.returncode}: {last}")
        with open(os.path.join(run, "test_predictions.jsonl"), encoding="utf-8") as lines:
            for row, line in zip(held_out, lines, strict=True):
                sentence = json.loads(line)
                predicted[row], confidence[row] = sentence["predicted"], sentence["confidence"]
        shutil.rmtree(run)  # of a large model, gigabytes
        say(f"fold {fold + 1} of {folds}: {len(held_out):,} sentences tagged by a model that has not seen them")
    return predicted, confidence


NOT_FOR_RUNS = {
    "__group_column": "a fold is of sentences, whatever their document",
    "__dataset_name": "the sentences come from --train_file",
    "__dataset_config_name": "the sentences come from --train_file",
    "__validation_file": "each run splits its own off",
    "__test_file": "each run is tested on the fold that it has not seen",
    "__split_file": "the folds are the split",
    "__output_dir": "the runs are removed, what remains is --output",
    "__resume_from_checkpoint": "a list of suspects is begun anew",
    "__push_to_hub": "the runs are removed, what remains is --output",
}


def _write_sentences(path, table):
    with open(path, "w", encoding="utf-8") as file:
        for sentence in table.select(["tokens", "tags"]).to_pylist():
            file.write(json.dumps(sentence, ensure_ascii=False) + "\n")


def rank_suspects(table, predicted, confidence, path):
    """The places where predicted tags contradict gold ones, the surest first.

    Args:
        table: sentence table with the gold tags.
        predicted, confidence: as `out_of_fold` returns them.
        path: of the corpus, for the places, where the table has no column `file`.

    Returns:
        list of dicts: `place` (file:line of the sentence), `confidence`, `words`, `gold` and `predicted` (tags of these
        words), `sentence`, and `sentence_index`, `begin`, `end` (words of the sentence).
    """
    gold_ids, predicted_ids, offsets, names = shared_ids(table["tags"].combine_chunks(), predicted)
    parts = label_parts(names)
    spans = [find_spans(ids, offsets, parts, "conlleval") for ids in (gold_ids, predicted_ids)]
    regions = _contradicted(*spans)
    probabilities = np.log(np.maximum(np.concatenate([np.asarray(c, np.float64) for c in confidence]), 1e-12))
    sentence_of = np.searchsorted(offsets, regions[:, 0], side="right") - 1
    tokens, tags, rows = (table[name].to_pylist() for name in ("tokens", "tags", "row"))
    files = table["file"].to_pylist() if "file" in table.column_names else [path] * len(table)
    suspects = []
    for sentence, (begin, end) in zip(sentence_of.tolist(), regions.tolist(), strict=True):
        b, e = begin - offsets[sentence], end - offsets[sentence]
        suspects.append(
            {
                "place": f"{files[sentence]}:{rows[sentence]}",
                "confidence": round(float(np.exp(probabilities[begin:end].sum())), 6),
                "words": " ".join(tokens[sentence][b:e]),
                "gold": " ".join(tags[sentence][b:e]),
                "predicted": " ".join(predicted[sentence][b:e]),
                "sentence": " ".join(tokens[sentence]),
                "sentence_index": sentence,
                "begin": int(b),
                "end": int(e),
            }
        )
    return sorted(suspects, key=lambda suspect: -suspect["confidence"])


def _contradicted(gold, predicted):
    """The wrong spans of both sides, those that share a word made one: int64 array (regions, 2), begin and end."""
    gold_kinds, predicted_kinds, _ = error_kinds(gold, predicted)
    wrong = np.concatenate(
        [
            np.stack((s.begin, s.end), axis=1)[kinds > 0]
            for s, kinds in ((gold, gold_kinds), (predicted, predicted_kinds))
        ]
    )
    wrong = wrong[np.argsort(wrong[:, 0], kind="stable")]
    regions = []
    for begin, end in wrong.tolist():
        if regions and begin < regions[-1][1]:
            regions[-1][1] = max(regions[-1][1], end)
        else:
            regions.append([begin, end])
    return np.array(regions, np.int64).reshape(-1, 2)


def write_suspects(path, suspects):
    """Write the list as CSV, at once; cells that a spreadsheet would take for a formula get a `'` in front."""
    with open(f"{path}.part", "w", encoding="utf-8-sig", newline="") as file:  # the mark: for Excel
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(FIELDS)
        for suspect in suspects:
            cells = [str(suspect[field]) for field in FIELDS]
            rows.writerow([f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell for cell in cells])
    os.replace(f"{path}.part", path)


def main(argv=None):
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        "python -m ner_eval.suspects",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--train_file", help="annotated words; the bundled corpus if not given")
    parser.add_argument("--folds", type=int, default=5, help="runs of the recipe; default: 5")
    parser.add_argument("--seed", type=int, default=42, help="default: 42")
    parser.add_argument("--output", default="suspects.csv", help="default: suspects.csv")
    parser.add_argument("--top", type=int, default=20, help="suspects to print; default: 20")
    add_reading_flags(parser)
    args, flags = parser.parse_known_args(argv)
    try:
        if args.folds < 2:
            raise InputError(f"--folds {args.folds}: give 2 or more")
        for word in flags:
            if why := NOT_FOR_RUNS.get(word.split("=")[0].replace("-", "_")):
                raise InputError(f"{word.split('=')[0]}: {why}; leave it out")
        if not 0 <= args.seed < 2**32:  # numpy's limit
            raise InputError(f"--seed {args.seed}: give 0 to {2**32 - 1}")
        if os.path.isdir(args.output) or not os.access(os.path.dirname(args.output) or ".", os.W_OK):
            raise InputError(f"--output {args.output}: a directory, or in none that may be written to; name a file")
        if os.path.lexists(args.output):  # somebody may have worked through it
            raise InputError(f"--output {args.output}: exists; move it away, or give another name")
        path = args.train_file or bundled_corpus(dict.fromkeys(("train", "validation", "test")), 0)["train"]
        table = read_sentences(path, **reading_of(args))
        with tempfile.TemporaryDirectory() as directory:
            tagged = out_of_fold(table, args.folds, args.seed, flags, directory)
        suspects = rank_suspects(table, *tagged, path)
    except (InputError, TrainingStopped) as error:
        print(f"ner_eval.suspects: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("ner_eval.suspects: stopped; nothing was written", file=sys.stderr)
        return 130
    for suspect in suspects[: args.top]:
        line = "{confidence:.3f}  {place}  {words}  gold: {gold}  predicted: {predicted}".format(**suspect)
        print(printable(line))
    words = sentence_offsets(table)[-1]
    try:
        write_suspects(args.output, suspects)
    except OSError as error:
        Path(f"{args.output}.part").unlink(missing_ok=True)
        reason = error.strerror or error
        print(f"ner_eval.suspects: {args.output}: cannot be written ({reason})", file=sys.stderr)
        return 1
    print(f"{counted(len(suspects), 'suspect')} among {counted(int(words), 'word')}, all of them in {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
