"""A saved model as ONNX, for onnxruntime: in fp32, or with its matrices in int8.

    python -m ner_eval.onnx_export --model runs/my-run
    python -m ner_eval.onnx_export --model runs/my-run --int8 --test_file test.csv

Writes `model.onnx` beside the weights. In fp32 it is checked to give the same scores as the model; of int8 the change
in strict F1 on the labelled file is printed, and more than 0.01 lost is refused. Exit code: 0 done, 1 refused or
failed, 2 a user's mistake.
"""

import argparse
import contextlib
import importlib.util
import logging
import os
import sys
import warnings
from pathlib import Path

import numpy as np

from ner_data import InputError
from ner_data.bundled import bundled_corpus
from ner_data.labels import label_ids, label_names, sentence_offsets
from ner_data.read import read_sentences
from ner_data.reading_flags import add_reading_flags, reading_of
from ner_eval.onnx_runtime import MAX_LENGTH, MODEL, PIP, PRECISION, WEIGHTS_HASH, weights_hash
from ner_eval.recognizer import Recognizer
from ner_eval.span_counts import span_scores
from ner_model.load import load_model

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
MAX_F1_LOSS = 0.01
MAX_DIFFERENCE = (
    1e-2  # of probabilities in torch and in ONNX, fp32: far above rounding, far below a fault of the export
)
PROBED = 100  # sentences of the bundled corpus on which fp32 is compared


class ExportError(RuntimeError):
    """The exported model is not as good as the one it was made from, or the export failed. One line."""


def check_packages():
    """Raise InputError, with the line that installs them, if one of the packages is missing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX: {', '.join(missing)} not installed; {PIP}")


def export_onnx(directory, *, int8=False, sentences=None, say=print):
    """Write `model.onnx` into the directory of a saved model.

    Args:
        directory: a saved model.
        int8: matrices in int8, quantised as they are used.
        sentences: labelled sentence table (`tokens`, `tags` in BIO), to measure what int8 costs; or None.
        say: called with a line on size and scores.

    Returns:
        Its path. It is there only if all went well; one that was there before is replaced.

    Raises:
        InputError: a package is missing, or the model cannot be loaded.
        ExportError: the export failed, or cannot be written; fp32 does not give the scores of the model; int8 loses
            over `MAX_F1_LOSS`.
    """
    check_packages()
    directory = Path(directory)
    if not directory.is_dir():
        fetch = f"to export a model of the Hub, fetch it first: hf download {directory} --local-dir DIR"
        raise InputError(f"--model {directory}: no such directory; {fetch}")
    exact = Recognizer(str(directory), no_bf16=True)
    path, old = directory / MODEL, directory / f"{MODEL}.old"
    was_there = path.exists()
    try:
        if path.exists() and not old.exists():  # where both exist, an export was killed, and `path` may be half of one
            os.replace(path, old)
        _trace(exact, path)
        _describe(path, directory, exact.model.limit, "fp32")
        _check_scores(exact, directory)
        if int8:
            fp32_size = path.stat().st_size
            _quantise(path)
            _describe(path, directory, exact.model.limit, "int8")
            say(f"{path}: int8, {path.stat().st_size:,} bytes, fp32 {fp32_size:,}")
            _check_f1(exact, directory, sentences, say)
        else:
            say(f"{path}: fp32, {path.stat().st_size:,} bytes, the same scores as the model's")
    except BaseException as error:
        with contextlib.suppress(OSError):
            if old.exists():
                os.replace(old, path)
            elif not was_there:
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ExportError(f"{path}: cannot be written ({error.strerror or error})") from None
        raise
    old.unlink(missing_ok=True)
    return path


def _trace(exact, path):
    """torch's exporter, with any number of windows and of subwords. The TorchScript one loses the padding mask.

    The weights are loaded once more: those of a recogniser may be packed.
    """
    import torch

    class Logits(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

    model = load_model(str(path.parent), exact.tokenizer, exact.settings.names, keep_head=True).eval()
    ids = torch.full((2, 9), exact.tokenizer.pad_token_id)
    mask = torch.ones_like(ids)
    ids[0], mask[1, 6:] = torch.arange(9) % model.config.vocab_size, 0
    sizes = {0: torch.export.Dim("windows", max=4096), 1: torch.export.Dim("subwords", max=exact.model.limit)}
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Logits(model),
                (ids, mask),
                path,
                input_names=["input_ids", "attention_mask"],
                output_names=["logits"],
                dynamic_shapes={"input_ids": sizes, "attention_mask": sizes},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # whatever the exporter stumbles over
        raise ExportError(f"ONNX: the export failed ({type(error).__name__}: {_line(error)})") from None
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _describe(path, directory, limit, precision):
    """What `OnnxModel` has to know, as the file's metadata, and nothing of where the file was made; the hash at the end
    of the file, where it is found soon."""
    import onnx

    model = onnx.load(path)
    model.doc_string = ""
    for part in (model.graph, *model.functions):
        _forget_its_origin(part)
    facts = {MAX_LENGTH: str(limit), PRECISION: precision, WEIGHTS_HASH: weights_hash(directory) or ""}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, path)


def _forget_its_origin(part):
    """Delete the notes of a graph or a function: the exporter writes a stack trace, with paths, to each node."""
    notes = [part, *part.node, *getattr(part, "initializer", ()), *part.value_info, *part.input, *part.output]
    for one in notes:
        for field in ("metadata_props", "doc_string"):
            if hasattr(one, field):  # inputs of a function are names
                one.ClearField(field)
    for attribute in (attribute for node in part.node for attribute in node.attribute):
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            _forget_its_origin(graph)


def _quantise(path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    part = path.with_suffix(".part")
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it recommends a step that is for models of another exporter
    try:
        quantize_dynamic(path, part, per_channel=True, weight_type=QuantType.QInt8)
        os.replace(part, path)
    except Exception as error:
        raise ExportError(f"ONNX: int8 failed ({type(error).__name__}: {_line(error)})") from None
    finally:
        part.unlink(missing_ok=True)
        root.setLevel(level)


def _check_scores(exact, directory):
    """Compare fp32 with the model on sentences of the bundled corpus, in whatever language the model is."""
    table = read_sentences(bundled_corpus(dict.fromkeys(("train", "validation", "test")), 0.1)["test"], say=_nothing)
    tokens = table["tokens"].slice(0, PROBED).to_pylist()
    ours = Recognizer(str(directory), runtime="onnx").scores(tokens)
    difference = float(abs(np.exp(ours) - np.exp(exact.scores(tokens))).max())
    if not difference < MAX_DIFFERENCE:
        raise ExportError(f"ONNX: fp32 differs from the model by {difference:.3f} in a word's probability; not kept")


def _check_f1(exact, directory, sentences, say):
    """Print strict F1 of the model and of int8, and refuse too great a loss."""
    if sentences is None:
        say("int8: F1 not measured, no labelled file was given (--test_file)")
        return
    known = set(exact.settings.names)
    unknown = [name for name in label_names([sentences]) if name not in known]
    if unknown:
        raise InputError(f"--test_file: the model does not know {', '.join(unknown)}; give a file with its labels")
    before, after = (f1_of(one, sentences) for one in (exact, Recognizer(str(directory), runtime="onnx")))
    say(f"int8: strict F1 {after:.4f}, fp32 {before:.4f}, change {after - before:+.4f} ({len(sentences):,} sentences)")
    if before - after > MAX_F1_LOSS:
        raise ExportError(f"ONNX: int8 loses {before - after:.4f} F1, more than {MAX_F1_LOSS}; export fp32 instead")


def f1_of(recognizer, sentences):
    """Strict micro F1 of a `Recognizer` on a labelled sentence table."""
    names, offsets = recognizer.settings.names, sentence_offsets(sentences)
    ids = recognizer.decode(recognizer.scores(sentences["tokens"].to_pylist()), offsets)
    return span_scores(label_ids(sentences, names), ids, offsets, names)["f1"]


def _line(error):
    return " ".join(str(error).split())[:200]


def _nothing(line):
    pass


def main(argv=None):
    """The command line. Returns the exit code."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m ner_eval.onnx_export", description=__doc__, formatter_class=formatter)
    parser.add_argument("--model", required=True, help="directory of a saved model")
    parser.add_argument("--int8", action="store_true", help="matrices in int8")
    parser.add_argument("--test_file", help="labelled words, to measure what int8 costs")
    add_reading_flags(parser)
    args = parser.parse_args(argv)
    try:
        if args.test_file and not args.int8:
            raise InputError(f"--test_file {args.test_file}: measures --int8, give that too or leave it out")
        sentences = read_sentences(args.test_file, **reading_of(args)) if args.test_file else None
        export_onnx(args.model, int8=args.int8, sentences=sentences)
    except (InputError, ExportError) as error:
        print(f"ner_eval.onnx_export: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
