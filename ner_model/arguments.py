"""The flags of `TrainingArguments`: which there are, which the recipe owns, and the recipe's defaults."""

import ast
import difflib
import importlib.util
import os
import re

from ner_data import InputError

OWNED = {
    "do_train": "the recipe always trains",
    "do_eval": "the recipe always evaluates",
    "do_predict": "the recipe always predicts the validation and test splits",
    "remove_unused_columns": "windows carry the columns that the recipe needs",
    "label_names": "windows carry the columns that the recipe needs",
    "include_for_metrics": "figures are computed from words, not from subwords",
    "batch_eval_metrics": "F1 is not an average over batches",
    "prediction_loss_only": "the best epoch is chosen by F1",
    "eval_do_concat_batches": "concatenation is quadratic in the number of batches",
    "train_sampling_strategy": "batches are bucketed by length, seeded",
    "length_column_name": "batches are bucketed by length, seeded",
    "ignore_data_skip": "a resumed run sees the same batches",
    "hub_strategy": "the recipe pushes once, at the end",
    "hub_always_push": "the recipe pushes once, at the end",
    "hub_revision": "the recipe pushes to the main branch",
}


def training_flags():
    """The names of all `TrainingArguments` fields, read from the installed source: importing it would import torch."""
    package = importlib.util.find_spec("transformers").submodule_search_locations[0]
    with open(os.path.join(package, "training_args.py"), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    fields = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "TrainingArguments").body
    return [f.target.id for f in fields if isinstance(f, ast.AnnAssign) and not f.target.id.startswith("_")]


def check_flags(rest, own):
    """Refuse flags that nobody knows, and those that the recipe owns.

    Args:
        rest: what is left of the command line when the recipe has taken its own flags.
        own: the names of the recipe's own flags.

    Raises:
        InputError: names the flag, and the nearest one or the reason.
    """
    known = set(training_flags()) - set(own)
    previous_is_flag = False
    for word in rest:
        if not word.startswith("--"):
            if not previous_is_flag:
                raise InputError(f"{word!r}: no flag takes this value; every input has a flag, such as --train_file")
            continue
        previous_is_flag = True
        flag = word.split("=")[0][2:].replace("-", "_")
        name = flag.removeprefix("no_") if flag not in known and flag.removeprefix("no_") in known else flag
        if name in OWNED:
            raise InputError(f"--{flag}: owned by the recipe ({OWNED[name]}); leave it out")
        if name not in known:
            near = difflib.get_close_matches(flag, [*own, *known], n=1)
            raise InputError(f"--{flag}: unknown flag" + (f"; did you mean --{near[0]}?" if near else "; see --help"))


def training_arguments(rest, *, scratch, head_only, no_bf16, seed):
    """`TrainingArguments` from the command line, with the recipe's defaults.

    Args:
        rest: the words of the command line that are not the recipe's own, checked by `check_flags`.
        scratch: the model starts from random weights: a higher learning rate and more epochs.
        head_only: only the classification head learns: a higher learning rate.
        no_bf16, seed: the recipe's flags of these names.

    Returns:
        `transformers.TrainingArguments` (`output_dir` still to be set if it is not in `rest`), and the precision in
        words.

    Raises:
        InputError: a value that `TrainingArguments` refuses.
    """
    import torch
    from transformers import HfArgumentParser, TrainingArguments

    from ner_model.precision import choose_precision
    from ner_model.trainer import LABEL_NAMES

    given = {word.split("=")[0][2:].replace("-", "_") for word in rest if word.startswith("--")}
    bf16, precision = choose_precision(asked=bool(given & {"bf16", "fp16"}), refused=no_bf16)
    parser = HfArgumentParser(TrainingArguments, allow_abbrev=False)
    parser.error = refuse
    parser.set_defaults(
        output_dir="runs",
        seed=seed,
        learning_rate=5e-4 if scratch else 1e-3 if head_only else 3e-5,
        num_train_epochs=8 if scratch else 5,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=64,
        weight_decay=0.01,  # Trainer leaves biases and norms out
        warmup_steps=0.1,  # a share of all steps
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="f1",
        ddp_find_unused_parameters=False,
        eval_do_concat_batches=False,
        label_names=LABEL_NAMES,
        use_cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
        **({"bf16": True} if bf16 else {}),
    )
    try:
        (args,) = parser.parse_args_into_dataclasses(rest)
    except InputError:
        raise
    except (ValueError, ImportError) as error:
        raise InputError(f"TrainingArguments: {' '.join(str(error).split())}") from None
    return args, precision


def refuse(message):
    """In place of `ArgumentParser.error`: an InputError with the flag, without the usage text."""
    raise InputError(re.sub(r"^argument (--\w+)[/\w-]*", r"\1", message))
