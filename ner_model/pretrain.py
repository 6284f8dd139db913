"""Masked-language-model training on plain text: an encoder of one's own, or one adapted to a domain.

    python -m ner_model.pretrain --text letters.txt.gz --output_dir runs/mine --minutes 60
    python -m ner_model.pretrain --text letters.txt --model bert-base-cased --output_dir runs/adapted --max_steps 2000
    python -m ner_model.pretrain --train_file words.csv --model runs/mine --output_dir runs/adapted --minutes 5

A paragraph a line, or the words of labelled sentences (split as run_ner.py splits them; only training sentences are
read). `run_ner.py --model DIR` fine-tunes what it writes. Beside the flags below, those of
transformers.TrainingArguments work, but for a few that are refused by name and reason.
"""

import glob
import math
import os
import shlex
import sys
from argparse import ArgumentDefaultsHelpFormatter, RawDescriptionHelpFormatter
from dataclasses import dataclass, field, fields

from transformers.hf_argparser import HfArgumentParser

from ner_data import InputError
from ner_data.read import read_corpus
from ner_data.reading_flags import add_reading_flags, reading_of
from ner_model.allocator import keep_few_kernels, keep_freed_memory
from ner_model.arguments import OWNED as RECIPE_OWNED
from ner_model.arguments import check_flags, given_flags, refuse
from ner_model.checkpoints import TrainingStopped, check_output_dir
from ner_model.interruptions import signals
from ner_model.load import SCRATCH, read_config

PROGRAM = "python -m ner_model.pretrain"
REASONS = {  # flags of `TrainingArguments` that cannot be chosen here, by the reason
    "the rate rises and falls with the budget, --minutes or --max_steps": (
        *("num_train_epochs", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps"),
    ),
    "Muon for the matrices of the layers, AdamW for the rest": ("optim", "optim_args", "optim_target_modules"),
    "perplexity is measured once, at the end": (
        *("eval_strategy", "eval_steps", "eval_on_start", "eval_delay", "do_eval", "do_predict"),
    ),
    "the held-out loss is the mean over masked subwords": (
        *("prediction_loss_only", "batch_eval_metrics", "include_for_metrics", "eval_accumulation_steps"),
        *("eval_do_concat_batches", "eval_use_gather_object"),
    ),
    "the newest checkpoint is the result": ("load_best_model_at_end", "metric_for_best_model", "greater_is_better"),
    "--seed decides the order of rows and the masks": ("data_seed",),
    "the loss is the cross-entropy of masked subwords": ("label_smoothing_factor",),
    "rows are packed, all of one length": ("train_sampling_strategy", "length_column_name"),
    "every row is trained on": ("dataloader_drop_last",),
    "weights are not sharded": ("fsdp", "fsdp_config"),
    "the program always trains": ("do_train",),
    'upload what it writes afterwards: hf upload NAME DIR --exclude "*checkpoint-*/*"': (
        *("push_to_hub", "hub_model_id", "hub_private_repo", "hub_strategy", "hub_always_push", "hub_revision"),
    ),
    "it would stand in the card, with the command; log in by hf auth login, or set HF_TOKEN": ("hub_token",),
}
AS_IN_THE_RECIPE = (
    *("remove_unused_columns", "label_names", "ignore_data_skip", "average_tokens_across_devices"),
    *("logging_nan_inf_filter", "enable_jit_checkpoint", "auto_find_batch_size", "save_only_model"),
    *("bf16_full_eval", "fp16_full_eval", "save_on_each_node", "dataloader_in_order"),
)
OWNED = {name: reason for reason, names in REASONS.items() for name in names}
OWNED |= {name: RECIPE_OWNED[name] for name in AS_IN_THE_RECIPE}
# the flags that `read_corpus` takes as they are, to read and split as run_ner.py does
SPLITTING = (
    *("dataset_name", "dataset_config_name"),
    *("validation_fraction", "test_fraction", "group_column", "split_file", "seed"),
)
OF_SCRATCH = {"vocab_size", "layers", "hidden_size"}
MAIN_PROCESS = os.environ.get("RANK", "0") == "0"


def flag(default, text, **more):
    return field(default=default, metadata={"help": text, **more})


@dataclass
class Pretraining:
    """The flags of this program."""

    text: list[str] | None = field(
        default=None, metadata={"help": "plain text files, a paragraph a line; .gz, .xz too"}
    )
    train_file: str | None = flag(None, "in place of text: labelled words, in any format that run_ner.py reads")
    dataset_name: str | None = flag(None, "in place of text: a data set on the Hub, or a `save_to_disk` directory")
    dataset_config_name: str | None = flag(None, "the data set's configuration")
    validation_file: str | None = flag(None, "as for run_ner.py: keeps the training sentences the same")
    test_file: str | None = flag(None, "as for run_ner.py: keeps the training sentences the same")
    validation_fraction: float = flag(0.1, "as for run_ner.py: keeps the training sentences the same")
    test_fraction: float = flag(0.1, "as for run_ner.py: keeps the training sentences the same")
    group_column: str | None = flag(None, "as for run_ner.py: keeps the training sentences the same")
    split_file: str | None = flag(None, "read the training sentences of an earlier run's split.jsonl")
    model: str = flag(
        SCRATCH, "`mini` (bundled), Hub name, local directory, or `scratch` (random weights, new vocabulary)"
    )
    vocab_size: int = flag(8000, "scratch: cased WordPieces")
    layers: int = flag(4, "scratch: layers")
    hidden_size: int = flag(256, "scratch: width, a multiple of 64 (a head is 64 wide)")
    max_length: int = flag(128, "subwords in a row; scratch: positions of the model")
    masked_share: float = flag(0.15, "share of the words to mask")
    minutes: float | None = flag(None, "time to train for; the learning rate ends at 0 then")
    output_dir: str | None = flag(None, "where checkpoints and the encoder go")
    overwrite_output_dir: bool = flag(False, "write into an output directory that is not empty")
    resume_from_checkpoint: str | None = flag(
        None, "go on from this checkpoint; without a value from the newest in --output_dir", nargs="?", const="true"
    )
    seed: int = flag(42, "for the split (give that of run_ner.py), held-out text, weights, order of rows and masks")
    half: bool = flag(False, "write the encoder in float16, half the size")


class Help(ArgumentDefaultsHelpFormatter, RawDescriptionHelpFormatter):
    """Shows the module docstring as it is, and every default."""


def parse(argv):
    """The program's flags, those for reading --train_file, and the words that are for `TrainingArguments`."""
    parser = HfArgumentParser(Pretraining, prog=PROGRAM, description=__doc__, allow_abbrev=False, formatter_class=Help)
    parser.error = refuse
    add_reading_flags(parser)
    flags, reading, rest = parser.parse_args_into_dataclasses(
        argv, return_remaining_strings=True, look_for_args_file=False
    )
    check_flags(rest, [*(f.name for f in fields(Pretraining)), *reading_of(reading)], OWNED)
    if [flags.text, flags.train_file, flags.dataset_name].count(None) != 2:
        raise InputError(
            "--text: give plain text files, or labelled words by --train_file or --dataset_name, one of the three"
        )
    of_labelled_words = {"validation_file", "test_file", *SPLITTING, *reading_of(reading)} - {"seed"}
    if flags.text and (idle := sorted(given_flags(argv) & of_labelled_words)):
        raise InputError(f"--{idle[0]}: is for labelled words, not for --text; leave it out")
    if flags.model != SCRATCH and (idle := sorted(given_flags(argv) & OF_SCRATCH)):
        raise InputError(f"--{idle[0]}: is for --model {SCRATCH}, {flags.model} has its own; leave it out")
    if flags.output_dir is None:
        raise InputError("--output_dir: give a directory for the checkpoints and the encoder")
    flags.output_dir = os.path.expanduser(flags.output_dir)  # as TrainingArguments does
    steps = any(word.split("=")[0] in ("--max_steps", "--max-steps") for word in rest)
    if (flags.minutes is None) != steps:
        raise InputError("--minutes: give the time to train for, or --max_steps, one of them")
    for name, least in (("vocab_size", 300), ("layers", 1), ("max_length", 8), ("seed", 0)):
        if getattr(flags, name) < least:
            raise InputError(f"--{name} {getattr(flags, name)}: give {least} or more")
    if flags.minutes is not None and not 0 < flags.minutes < math.inf:
        raise InputError(f"--minutes {flags.minutes:g}: give the time to train for, more than 0")
    if flags.seed >= 2**32:  # numpy's limit
        raise InputError(f"--seed {flags.seed}: give {2**32 - 1} or less")
    if flags.hidden_size < 64 or flags.hidden_size % 64:
        raise InputError(f"--hidden_size {flags.hidden_size}: give a multiple of 64")
    if not 0 < flags.masked_share < 1:
        raise InputError(f"--masked_share {flags.masked_share}: give a share between 0 and 1")
    return flags, reading_of(reading), rest


def main(argv=None):
    """One pre-training, from the words of the command line to a directory that `AutoModel` loads.

    Raises InputError for a user's mistake.
    """
    argv = sys.argv[1:] if argv is None else argv
    flags, reading, rest = parse(argv)
    say = print if MAIN_PROCESS else lambda *_: None
    resume_from = check_output_dir(flags.output_dir, flags.overwrite_output_dir, flags.resume_from_checkpoint, say)
    signals.saved = resume_from and os.path.abspath(resume_from)
    paragraphs = read_text_of(flags, reading, say)
    config = read_config(flags.model, trust_remote_code=None)
    keep_freed_memory()
    keep_few_kernels(config.get("hidden_size", config.get("dim", flags.hidden_size)))
    from ner_model.pretraining_run import pretrain  # from here on torch is imported

    pretrain(flags, rest, paragraphs, resume_from, f"{PROGRAM} {shlex.join(argv)}", say)


def read_text_of(flags, reading, say):
    """The paragraphs of --text as strings, or the training sentences of labelled words as lists of words."""
    if not flags.text:
        tables = read_corpus(
            *(flags.train_file, flags.validation_file, flags.test_file),
            **{name: getattr(flags, name) for name in SPLITTING},
            say=say,
            **reading,
        )
        return tables["train"]["tokens"].to_pylist()
    from ner_data.text_file import read_paragraphs

    paragraphs = []
    for path in (path for text in flags.text for path in as_a_shell(text)):
        found = read_paragraphs(path)
        say(f"{path}: {len(found):,} paragraphs")
        paragraphs.extend(found)
    return paragraphs


def as_a_shell(text):
    """The files that a pattern stands for, or a file of that very name: a list of paths."""
    return [text] if os.path.lexists(text) else sorted(glob.glob(text)) or [text]


if __name__ == "__main__":
    signals.catch()
    try:
        main()
    except (InputError, TrainingStopped) as error:
        # one process of each machine, whose files are its own; what stops a training may be one process's own
        if os.environ.get("LOCAL_RANK", "0") == "0" or isinstance(error, TrainingStopped):
            print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
