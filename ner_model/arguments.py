"""The flags of `TrainingArguments`: which there are, which the recipe owns, and the recipe's defaults."""

import ast
import difflib
import importlib.util
import math
import os
import re
import sys

from ner_data import InputError
from ner_model.load import SMALL

CLASS_WEIGHTS = ("none", "balanced")
BATCH_SIZE = 32
# Few sentences need more passes: fine-tuning on them fails for want of steps (Mosbach et al. 2021, arXiv:2006.04884).
ENOUGH_STEPS, MOST_EPOCHS = 400, 30
# encoders no wider than SMALL, pre-trained; measured with mini, all weights learning
EPOCHS_OF_SMALL, ENOUGH_STEPS_OF_SMALL, MOST_EPOCHS_OF_SMALL = 5, 750, 60
CHOSEN_LENGTH = {"num_train_epochs", "max_steps"}  # flags that leave no room for the above
COPIED_TO, MOST_COPIES = 4000, 5  # sentences with other entities, in place of epochs: benchmarks/TRIALS.md
SMOOTHING = 0.1  # of labels, where the encoder is small: what it brought stands in benchmarks/TRIALS.md
# what `ner_eval.score.ComputeMetrics` gives and can choose the best epoch
FIGURES = ("f1", "precision", "recall", "macro_f1", "macro_precision", "macro_recall", "accuracy", "loss")
MINIMUM = {  # values of flags; with lower ones `Trainer` fails, but only when it trains
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size"), 1),
    **dict.fromkeys(("gradient_accumulation_steps", "eval_accumulation_steps"), 1),
    **dict.fromkeys(("dataloader_num_workers", "data_seed", "learning_rate", "weight_decay"), 0),
    "dataloader_prefetch_factor": 1,
}
WITHOUT_ARGUMENTS = ("adamw_torch", "adamw_torch_fused", "adamw_torch_xla", "adamw_torch_npu_fused", "adafactor")
# of --accelerator_config: the recipe deals out its batches itself
DEALING = {"split_batches": False, "dispatch_batches": None, "even_batches": True, "use_seedable_sampler": True}
USUAL_NAMES = {  # by what others call them
    "epochs": "num_train_epochs",
    "lr": "learning_rate",
    "batch_size": "per_device_train_batch_size",
    **dict.fromkeys(("train", "data"), "train_file"),
    **dict.fromkeys(("dev", "dev_file", "validation"), "validation_file"),
    "test": "test_file",
}
OWNED = {
    "do_train": "the recipe always trains",
    "do_eval": "the recipe always evaluates",
    "do_predict": "the recipe always predicts the validation and test splits",
    "remove_unused_columns": "windows carry the columns that the recipe needs",
    "label_names": "windows carry the columns that the recipe needs",
    **dict.fromkeys(("bf16_full_eval", "fp16_full_eval"), "the saved weights would be half as precise"),
    "include_for_metrics": "figures are computed from words, not from subwords",
    "batch_eval_metrics": "F1 is not an average over batches",
    "prediction_loss_only": "the best epoch is chosen by F1",
    "eval_do_concat_batches": "concatenation is quadratic in the number of batches",
    "eval_use_gather_object": "scores are gathered as tensors",
    "dataloader_in_order": "a resumed run sees the same batches",
    "train_sampling_strategy": "batches are bucketed by length, seeded",
    "length_column_name": "batches are bucketed by length, seeded",
    "ignore_data_skip": "a resumed run sees the same batches",
    "save_on_each_node": "the main process writes, into a directory that all machines see",
    "save_only_model": "a run goes on from its checkpoints",
    "auto_find_batch_size": "out of memory ends the run, and says what to lower",
    "dataloader_drop_last": "every window is trained on and scored",
    "average_tokens_across_devices": "the loss is the mean over all words of a step",
    "logging_nan_inf_filter": "a loss that is no number ends the run",
    "enable_jit_checkpoint": "a signal is answered with a checkpoint already",
    "hub_strategy": "the recipe pushes once, at the end",
    "hub_always_push": "the recipe pushes once, at the end",
    "hub_revision": "the recipe pushes to the main branch",
}


def _installed(name):
    """The path of a file of transformers, without importing the package: that alone takes half a second."""
    return os.path.join(importlib.util.find_spec("transformers").submodule_search_locations[0], name)


def _parser_class():
    """`transformers.HfArgumentParser`, loaded from its file, which imports nothing else of the package."""
    spec = importlib.util.spec_from_file_location("hf_argparser", _installed("hf_argparser.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HfArgumentParser


HfArgumentParser = _parser_class()


def training_flags():
    """The names of all `TrainingArguments` fields, read from the installed source: importing it would import torch."""
    return list(_training_fields())


def _training_fields():
    """{name: the syntax tree of its default} of the fields of `TrainingArguments`."""
    with open(_installed("training_args.py"), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "TrainingArguments").body
    fields = [f for f in body if isinstance(f, ast.AnnAssign)]
    return {f.target.id: f.value for f in fields if not f.target.id.startswith("_")}


def _is_on(default):
    """Whether a flag is true by default, which is where HfArgumentParser knows `--no_FLAG`."""
    given = [k.value for k in default.keywords if k.arg == "default"] if isinstance(default, ast.Call) else [default]
    return any(getattr(value, "value", None) is True for value in given)


def check_flags(rest, own, owned=OWNED):
    """Refuse flags that nobody knows, and those that the recipe owns.

    Args:
        rest: what is left of the command line when the recipe has taken its own flags.
        own: the names of the recipe's own flags.
        owned: {flag of `TrainingArguments`: why it cannot be chosen}.

    Raises:
        InputError: names the flag, and the nearest one or the reason.
    """
    fields = _training_fields()
    known = set(fields) - set(own)
    previous_is_flag = False
    for word in rest:
        if not word.startswith("--"):
            if not previous_is_flag:
                raise InputError(f"{word!r}: no flag takes this value; every input has a flag, such as --train_file")
            continue
        previous_is_flag = True
        flag = word.split("=")[0][2:].replace("-", "_")
        name = flag.removeprefix("no_") if flag not in known and flag.removeprefix("no_") in known else flag
        if name in owned:
            raise InputError(f"--{flag}: owned by the recipe ({owned[name]}); leave it out")
        if name != flag and name in known and not _is_on(fields[name]):
            raise InputError(f"--{flag}: unknown flag; did you mean --{name} false?")
        if name not in known:
            usual = [other for other in (*own, *known) if other not in owned]
            near = [USUAL_NAMES[flag]] if flag in USUAL_NAMES else difflib.get_close_matches(flag, usual, n=1)
            near = [other for other in near if other in usual]
            raise InputError(f"--{flag}: unknown flag" + (f"; did you mean --{near[0]}?" if near else "; see --help"))


def usual_copies(rest, scratch, width, sentences):
    """How many copies of each sentence, with other entities, a run learns from if nobody says (`ner_data.mentions`).

    Small pre-trained encoders see few sentences in several times the usual epochs (`training_arguments`). Copies of up
    to `COPIED_TO` sentences, these included, take the place of epochs, `MOST_COPIES` of each at most. Where the flags
    choose the epochs or the steps, there are none.

    Args:
        rest, scratch, width, sentences: as for `training_arguments`.
    """
    if given_flags(rest) & CHOSEN_LENGTH or scratch or width is None or width > SMALL:
        return 0
    return min(MOST_COPIES, max(0, COPIED_TO // sentences - 1))


def training_arguments(rest, *, scratch, width, sentences, copied=0, head_only, lora, patience, seed, say=print):
    """`TrainingArguments` from the command line, with the recipe's defaults.

    Args:
        rest: the words of the command line that are not the recipe's own, checked by `check_flags`.
        scratch: the encoder has random weights.
        width: `hidden_size` of its configuration, or None; see `SMALL`.
        sentences: how many there are to learn from; few of them are seen in more epochs.
        copied: how many copies of them there are beside (`ner_data.mentions`); with these, `MOST_EPOCHS` are the limit
            for small encoders too.
        head_only, lora: few weights learn: a higher learning rate (LoRA: that of PEFT's guide to token classification).
        patience, seed: the recipe's flags of these names.
        say: called with one line where there are more epochs than usual.

    Returns:
        `transformers.TrainingArguments` (`output_dir` still to be set if it is not in `rest`), and the precision in
        words.

    Raises:
        InputError: a value that `TrainingArguments` refuses, a tracker (`--report_to`) that is not installed, a best
            model by a figure that there is not, `--patience` without evaluations or without a best checkpoint to go
            back to, `--lora` with FSDP, DeepSpeed.
    """
    import torch

    from ner_model.trainer import LABEL_NAMES

    small = scratch or (width is not None and width <= SMALL)
    learning_rate, epochs = (5e-4, 8 if scratch else EPOCHS_OF_SMALL) if small else (3e-5, 5)
    if (head_only or lora) and not scratch:
        learning_rate = 1e-3
    args, precision = parse_training_arguments(
        rest,
        output_dir="runs",
        seed=seed,
        learning_rate=learning_rate,
        num_train_epochs=epochs,
        per_device_train_batch_size=BATCH_SIZE,
        per_device_eval_batch_size=64,
        weight_decay=0.01,  # Trainer leaves biases and norms out
        label_smoothing_factor=SMOOTHING if small else 0.0,
        warmup_steps=0.1,  # a share of all steps
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,  # where the newest is damaged, there is one before it
        load_best_model_at_end=True,
        metric_for_best_model="f1",
        ddp_find_unused_parameters=False,
        eval_do_concat_batches=False,
        label_names=LABEL_NAMES,
        disable_tqdm=not sys.stderr.isatty(),
        use_cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
    )
    small_pretrained = small and not scratch
    steps, most = (ENOUGH_STEPS_OF_SMALL, MOST_EPOCHS_OF_SMALL) if small_pretrained else (ENOUGH_STEPS, MOST_EPOCHS)
    batch = max(BATCH_SIZE, args.train_batch_size * args.gradient_accumulation_steps * args.world_size)
    enough = min(MOST_EPOCHS if copied else most, round(steps * batch / (sentences + copied)))
    if enough > epochs and not given_flags(rest) & CHOSEN_LENGTH:
        few = f"{sentences:,} sentences are few" + (", their copies included" if copied else "")
        few += f" in steps of {batch}" if batch > BATCH_SIZE else ""
        say(f"epochs: {enough} in place of {epochs}, since {few} (--num_train_epochs)")
        args.num_train_epochs = enough
    if args.optim.startswith("schedule_free"):  # these count the steps themselves, and take no share of them
        if "warmup_steps" in given_flags(rest) and 0 < args.warmup_steps < 1:
            raise InputError(f"--warmup_steps {args.warmup_steps:g}: {args.optim.value} needs a number of steps")
        args.warmup_steps = args.warmup_steps if "warmup_steps" in given_flags(rest) else 0
    check_schedule(args)
    if args.lr_scheduler_type in ("reduce_lr_on_plateau", "greedy"):  # left alone, they take a higher F1 for worse
        mode = {"mode": "max" if args.greater_is_better else "min"}
        args.lr_scheduler_kwargs = mode | (args.lr_scheduler_kwargs or {})
    check_training(args, lora, patience)
    return args, precision


def shards_weights(args):
    """Whether FSDP is asked for, by the flags or by `accelerate launch`."""
    return asks_for("FSDP") or bool(args.fsdp)


def asks_for(engine):
    """Whether `accelerate launch` asks for an engine."""
    return os.environ.get(f"ACCELERATE_USE_{engine}", "").lower() == "true"


def check_training(args, lora, patience):
    """Refuse what `training_arguments` says: flags that do not go together, and what would end a training later."""
    from accelerate.utils import DynamoBackend

    if lora and shards_weights(args):
        raise InputError("--lora: an adapter cannot be merged into sharded weights; train without FSDP")
    if args.metric_for_best_model.removeprefix("eval_") not in FIGURES:
        raise InputError(f"--metric_for_best_model {args.metric_for_best_model}: give one of {', '.join(FIGURES)}")
    if args.max_steps == 0 or (args.max_steps < 0 and args.num_train_epochs <= 0):
        raise InputError(
            f"--max_steps {args.max_steps}, --num_train_epochs {args.num_train_epochs:g}: give more than 0"
        )
    if not 0 <= args.label_smoothing_factor <= 1:
        raise InputError(f"--label_smoothing_factor {args.label_smoothing_factor:g}: give a share between 0 and 1")
    steps = args.max_steps if args.max_steps > 0 else math.inf
    end = {"epoch": args.num_train_epochs if args.max_steps < 0 else math.inf, "steps": steps}.get(args.eval_strategy)
    if end is not None and (args.eval_delay or 0) > end:
        what = f"--eval_delay {args.eval_delay:g}: counts {args.eval_strategy.value.removesuffix('s')}s"
        raise InputError(f"{what}, of which there are {end:g}, so nothing would be evaluated")
    by_steps = args.eval_strategy == args.save_strategy == "steps"
    if args.load_best_model_at_end and by_steps and args.eval_steps != args.save_steps:
        both = f"--eval_steps {args.eval_steps:g}, --save_steps {args.save_steps:g}"
        raise InputError(f"{both}: the best model would not be saved; give the same twice, or --save_strategy best")
    check_optimizer(args)
    backends = [backend.value.lower() for backend in DynamoBackend if backend.value != "NO"]
    if args.torch_compile and args.torch_compile_backend.lower() not in backends:
        given = f"--torch_compile_backend {args.torch_compile_backend}"
        raise InputError(f"{given}: give one of {', '.join(backends)}")
    if args.torch_compile_mode:
        from torch._inductor import list_mode_options

        if args.torch_compile_mode not in list_mode_options():
            given = f"--torch_compile_mode {args.torch_compile_mode}"
            raise InputError(f"{given}: give one of {', '.join(list_mode_options())}")
    if patience is not None and args.eval_strategy == "no":
        raise InputError(f"--patience {patience}: counts evaluations; give --eval_strategy epoch, or steps")
    if patience is not None and not args.load_best_model_at_end:
        raise InputError(f"--patience {patience}: needs --load_best_model_at_end, the epochs it waits for are worse")
    if args.save_strategy == "best" and args.eval_strategy == "no":
        raise InputError(
            "--save_strategy best: without evaluations there is no best; give --eval_strategy epoch, or steps"
        )


def check_optimizer(args):
    """Refuse an optimizer, a learning-rate schedule or kernels that cannot be made; `Trainer` would as it trains."""
    import torch
    from transformers import Trainer, get_scheduler
    from transformers.utils import is_liger_kernel_available

    wrong = [part for part in (args.optim_args or "").split(",") if part.count("=") != 1]
    if args.optim_args and wrong:
        raise InputError(f"--optim_args {args.optim_args}: {wrong[0]!r} is not name=value")
    if args.optim_args and (args.optim.value in WITHOUT_ARGUMENTS):
        raise InputError(
            f"--optim_args {args.optim_args}: {args.optim.value} takes none; it has --adam_beta1 and others"
        )
    try:
        make, its = Trainer.get_optimizer_cls_and_kwargs(args)
        make([torch.zeros(1, requires_grad=True)], **its)
    except (ValueError, TypeError, ImportError) as error:
        if "need to pass a" not in str(error):  # GaLore, Apollo and LOMO ask the model, if they are installed
            raise InputError(f"--optim {args.optim.value}: {' '.join(str(error).split())}") from None
    try:
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=args.learning_rate)
        get_scheduler(args.lr_scheduler_type, optimizer, 1, 10, scheduler_specific_kwargs=args.lr_scheduler_kwargs)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"--lr_scheduler_type {args.lr_scheduler_type.value}: {' '.join(str(error).split())}"
        ) from None
    if args.use_liger_kernel and not is_liger_kernel_available():
        raise InputError("--use_liger_kernel: liger-kernel is not installed")


def check_schedule(args):
    """Refuse `--lr_scheduler_kwargs` that are not JSON, and those of a schedule that takes none."""
    given = args.lr_scheduler_kwargs
    if given and not isinstance(given, dict):
        raise InputError(f"--lr_scheduler_kwargs {given}: write JSON, such as '{{\"patience\": 2}}'")
    if given and args.lr_scheduler_type in ("constant", "constant_with_warmup"):
        raise InputError(f"--lr_scheduler_kwargs: {args.lr_scheduler_type.value} takes none; leave them out")


def given_flags(rest):
    """The names of the flags among words of the command line."""
    return {word.split("=")[0][2:].replace("-", "_") for word in rest if word.startswith("--")}


def parse_training_arguments(rest, **defaults):
    """`TrainingArguments` from words of the command line, with other defaults for some of its fields, and the precision
    in words: what the flags, the launcher or the hardware ask for (`choose_precision`).

    Sets `ACCELERATE_MIXED_PRECISION` to `no` where the flags turn bf16 and fp16 off. Of several GPUs in one process it
    keeps one.

    Raises InputError for a value that it refuses, for a tracker (`--report_to`) that is not installed, for DeepSpeed.
    """
    from transformers import HfArgumentParser, TrainingArguments

    from ner_model.precision import choose_precision

    given = given_flags(rest)
    if "deepspeed" in given or asks_for("DEEPSPEED"):  # ZeRO-3 would leave the encoder random, and all of it saves bf16
        raise InputError("DeepSpeed: not supported; several processes share the work without it")
    asked = bool(given & {"bf16", "fp16"})
    parser = HfArgumentParser(TrainingArguments, allow_abbrev=False)
    parser.error = refuse
    parser.set_defaults(**defaults)
    use_cpu = parser.parse_known_args(rest)[0].use_cpu or asks_for("CPU")
    bf16, precision = choose_precision(asked, refused=None, use_cpu=use_cpu)
    parser.set_defaults(use_cpu=use_cpu, **({"bf16": True} if bf16 else {}))
    try:
        (args,) = parser.parse_args_into_dataclasses(rest)
    except InputError:
        raise
    except (ValueError, TypeError, OSError, ImportError) as error:
        raise InputError(f"TrainingArguments: {' '.join(str(error).split())}") from None
    for name, least in MINIMUM.items():
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(f"--{name} {value:g}: give {least} or more")
    if args.fsdp and args.world_size == 1:
        raise InputError("--fsdp: one process has nothing to shard; start with accelerate launch (configs/fsdp.yaml)")
    if args.mixed_precision == "fp16" and args.device.type == "cpu":
        raise InputError("--fp16: a CPU has no fp16 to train in; leave it out, or give --bf16 true")
    for kind in ("eval", "save", "logging"):
        strategy = getattr(args, f"{kind}_strategy")
        for_evaluation = kind == "logging" and args.eval_strategy == "steps" and "eval_steps" not in given
        if f"{kind}_steps" in given and strategy != "steps" and not for_evaluation:
            now = f"--{kind}_strategy is {strategy.value}"
            raise InputError(f"--{kind}_steps: counts for nothing where {now}; give --{kind}_strategy steps too")
    dealing = {name: getattr(args.accelerator_config, name) for name in DEALING}
    if dealing != DEALING or "num_steps" in (args.accelerator_config.gradient_accumulation_kwargs or {}):
        names = "split_batches, dispatch_batches, even_batches, use_seedable_sampler, num_steps"
        raise InputError(f"--accelerator_config: batches are dealt out by the recipe; leave out {names}")
    if args.dataloader_num_workers == 0 and (
        args.dataloader_persistent_workers or args.dataloader_multiprocessing_context
    ):
        flags = "--dataloader_persistent_workers, --dataloader_multiprocessing_context"
        raise InputError(f"{flags}: need workers; give --dataloader_num_workers too")
    check_trackers(args.report_to)
    if asked:
        precision = f"{'bf16' if args.bf16 else 'fp16' if args.fp16 else 'fp32'}, as the flags ask"
        if not (args.bf16 or args.fp16):  # of these two, "false" would leave the choice to the launcher
            args.mixed_precision = os.environ["ACCELERATE_MIXED_PRECISION"] = "no"
    elif bf16:
        precision += " (--bf16 false turns it off)"
    if args.n_gpu > 1:  # DataParallel, which Trainer would take, computes in fp32 whatever the flags say
        precision += f"; one of {args.n_gpu} GPUs, since this is one process (`accelerate launch` uses all)"
        args._n_gpu = 1
    return args, precision


def check_trackers(names):
    """Refuse trackers (`--report_to`) that are unknown or not installed; `Trainer` would when the model is loaded."""
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
            raise InputError(f"--report_to {name}: give one of {known}, all, none")
        try:
            INTEGRATION_TO_CALLBACK[name]()
        except (RuntimeError, ImportError) as error:
            raise InputError(f"--report_to {name}: cannot be used ({' '.join(str(error).split())})") from None


def refuse(message):
    """In place of `ArgumentParser.error`: an InputError with the flag, without the usage text."""
    raise InputError(re.sub(r"^argument (--\w+)[/\w-]*", r"\1", message))
