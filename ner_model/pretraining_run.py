"""A pre-training: its arguments, its schedule, and what it writes."""

import hashlib
import json
import math
import os
import sys
import time
import zlib

import torch
import transformers
from accelerate.utils import broadcast_object_list
from torch.optim.lr_scheduler import LRScheduler

from ner_data import InputError
from ner_data.bundled import model_path
from ner_data.text_file import counted
from ner_model.arguments import check_optimizer, parse_training_arguments, shards_weights
from ner_model.checkpoints import save_model
from ner_model.load import SCRATCH, learn_wordpiece, load_tokenizer, subword_limit
from ner_model.masked_lm import MaskedTrainer, load_masked_lm
from ner_model.muon import MuonAdamW
from ner_model.packed_text import PackedRows, collate_rows, encode_paragraphs
from ner_model.precision import hardware
from ner_model.run_directory import let_others_in

HELD_OUT = 0.01  # share of the paragraphs that are not learnt from
MOST_MEASURED = 2000  # of these, that perplexity is measured on


class BudgetSchedule(LRScheduler):
    """A learning rate that rises over the first `warmup` of a budget and falls to 0 at its end, both linearly.

    The budget is a number of steps or of seconds. Seconds are counted by the main process, told to the others, and
    kept in checkpoints, so that a resumed run has what is left of them.

    Args:
        optimizer: its groups' `lr` are the highest rates.
        steps, seconds: the budget, one of them.
        warmup: share of the budget.
    """

    GIVEN = ("steps", "seconds", "warmup", "clock")

    def __init__(self, optimizer, steps=None, seconds=None, warmup=0.05):
        self.steps, self.seconds, self.warmup, self.elapsed, self.clock = steps, seconds, warmup, 0.0, None
        super().__init__(optimizer)

    def progress(self):
        """How much of the budget is used: 0 to 1 (and beyond)."""
        return self.last_epoch / self.steps if self.steps else self.elapsed / self.seconds

    def get_lr(self):
        progress = self.progress()
        share = min((progress + 1e-3) / self.warmup, (1 - progress) / (1 - self.warmup), 1.0)
        return [rate * max(share, 0.0) for rate in self.base_lrs]

    def step(self, epoch=None):
        now = time.monotonic()
        if self.clock is not None:
            self.elapsed += now - self.clock
            if self.seconds:
                (self.elapsed,) = broadcast_object_list([self.elapsed])
        self.clock = now
        super().step()

    def state_dict(self):
        """What is used of the budget; how large it is, the command line says."""
        return {key: value for key, value in super().state_dict().items() if key not in self.GIVEN}


class Progress(transformers.TrainerCallback):
    """A line per logging step; stops at the end of a budget of seconds."""

    def __init__(self, schedule, tokens_per_epoch, say):
        self.schedule, self.tokens_per_epoch, self.say = schedule, tokens_per_epoch, say
        self.header, self.begun = True, None

    def on_train_begin(self, args, state, control, **kwargs):
        self.begun = (time.monotonic(), state.epoch or 0)

    def on_step_end(self, args, state, control, **kwargs):
        if self.schedule.seconds and self.schedule.progress() >= 1:
            control.should_training_stop = True
            control.should_save = args.save_strategy != "no"

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" not in (logs or {}):
            return
        if self.header:
            self.header = False
            self.say("  step  million tokens  budget    loss  learning rate  tokens/s")
        seconds, epochs = time.monotonic() - self.begun[0], state.epoch - self.begun[1]
        self.say(
            f"{state.global_step:6}  {state.epoch * self.tokens_per_epoch / 1e6:14.1f}"
            f"  {self.schedule.progress():6.1%}  {logs['loss']:6.3f}  {logs['learning_rate']:13.2e}"
            f"  {epochs * self.tokens_per_epoch / seconds:8,.0f}"
        )


def pretraining_arguments(flags, rest):
    """`TrainingArguments` for pre-training, and the precision in words. Raises InputError for a value it refuses."""
    args, precision = parse_training_arguments(
        rest,
        output_dir=flags.output_dir,
        seed=flags.seed,
        learning_rate=2e-3 if flags.model == SCRATCH else 5e-4,
        max_steps=-1 if flags.minutes is None else 10**9,
        per_device_train_batch_size=64,
        per_device_eval_batch_size=64,
        weight_decay=0.01,
        adam_beta2=0.98,
        save_strategy="steps",
        save_steps=250,
        save_total_limit=2,
        logging_strategy="steps",
        logging_steps=50,
        disable_tqdm=True,
        ddp_find_unused_parameters=False,
        remove_unused_columns=False,
        label_names=["labels"],
        use_cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
    )
    if args.save_strategy == "best":
        raise InputError("--save_strategy best: perplexity is measured once, at the end; give steps, epoch or no")
    check_optimizer(args)
    if flags.minutes is None and args.max_steps < 1:
        raise InputError(f"--max_steps {args.max_steps}: give 1 or more")
    for name in ("save_steps", "logging_steps"):
        if flags.minutes is not None and 0 < getattr(args, name) < 1:
            what = f"--{name} {getattr(args, name):g}: a share of the steps, whose number --minutes leaves open"
            raise InputError(f"{what}; give a number of steps")
    if shards_weights(args):
        raise InputError("accelerate launch: pre-training does not shard weights; start it without FSDP")
    return args, precision


def hold_out(paragraphs, seed):
    """The paragraphs to learn from, and those that perplexity is measured on, without their copies: two lists.

    Seed and paragraph alone tell whether it is held out: with more text, or where another run goes on with the encoder,
    it still is. (But for the one that is held out where chance gives none.)

    Args:
        paragraphs: strings, or lists of words.
        seed: int.

    Raises:
        InputError: nothing is left to learn from.
    """
    texts = [p if isinstance(p, str) else " ".join(p) for p in paragraphs]
    place = {  # between 0 and 1, evenly
        text: int.from_bytes(hashlib.blake2b(f"{seed} {text}".encode(), digest_size=8).digest()) / 2**64
        for text in set(texts)
    }
    lowest = sorted(place, key=lambda text: (place[text], text))
    held = [text for text in lowest if place[text] < HELD_OUT] or lowest[:1]
    measured, held = held[:MOST_MEASURED], set(held)
    kept, held_out = [], {}
    for paragraph, text in zip(paragraphs, texts, strict=True):
        if text in held:
            held_out[text] = paragraph
        else:
            kept.append(paragraph)
    if not kept:
        if isinstance(paragraphs[0], str):
            raise InputError(f"--text: {counted(len(paragraphs), 'paragraph')}; give at least two, a paragraph a line")
        raise InputError(f"labelled words: {counted(len(held), 'training sentence')}; give at least two different ones")
    return kept, [held_out[text] for text in sorted(measured)]


def pretrain(flags, rest, paragraphs, resume_from, command, say):
    """Train on paragraphs and write the encoder.

    Args:
        flags: `ner_model.pretrain.Pretraining`.
        rest: the words of the command line for `TrainingArguments`.
        paragraphs: strings, or lists of words.
        resume_from: a checkpoint, or None.
        command: what was typed, for the card.
        say: prints in the main process.
    """
    args, precision = pretraining_arguments(flags, rest)
    before = [] if flags.model == SCRATCH else trainings_of(flags.model, say)
    if not sys.stderr.isatty():  # progress bars are for a terminal
        transformers.logging.disable_progress_bar()
    say(f"precision: {precision}")
    transformers.set_seed(flags.seed)

    model, tokenizer, train, held_out = load_and_pack(flags, paragraphs, say)

    # train
    dropouts = dropouts_of(model)
    for module, name, _ in dropouts:  # the text is seen a few times only: nothing to regularise
        setattr(module, name, 0.0)
    trainer = MaskedTrainer(model, args, train_dataset=train, data_collator=collate_rows, processing_class=tokenizer)
    trainer.place_of = lambda k: f"row {k % len(train)}"
    trainer.facts = {"text whose checksum is": zlib.crc32(train.subwords.ids), "--masked_share": flags.masked_share}
    trainer.optimizer = MuonAdamW(model, args)
    budget = {"steps": args.max_steps} if flags.minutes is None else {"seconds": flags.minutes * 60}
    trainer.lr_scheduler = schedule = BudgetSchedule(trainer.optimizer, **budget)
    trainer.add_callback(Progress(schedule, train.filled(), say))
    trainer.train(resume_from_checkpoint=resume_from)

    # what it became
    if flags.half:
        model.half().float()  # measured as it will be read
    say(f"measuring perplexity: {counted(len(held_out), 'row')} held out")
    loss = trainer.held_out_loss(held_out)
    say(f"held out: loss {loss:.4f} a masked subword, perplexity {math.exp(loss):.2f}")
    for module, name, p in dropouts:
        setattr(module, name, p)
    if flags.half:
        model.half()
    facts = {
        "command": command,
        "seed": flags.seed,
        "kind": type(model).__name__,
        "parameters": model.num_parameters(),
        "begun": "from random weights" if flags.model == SCRATCH else f"from {flags.model}",
        "paragraphs": len(paragraphs),
        "subwords": len(train.subwords.ids),
        "steps": trainer.state.global_step,
        "tokens": round(trainer.state.epoch * train.filled()),
        "hours": schedule.elapsed / 3600,
        "hardware": hardware(args),
        "precision": precision,
        "held_out_loss": loss,
        "held_out_perplexity": math.exp(loss),
        "before": before,
    }

    def write(directory):
        trainer.save_model(directory)
        if trainer.is_world_process_zero():
            write_card(facts, os.path.basename(os.path.normpath(args.output_dir)), directory)

    save_model(trainer, args.output_dir, write)
    let_others_in(args.output_dir)
    say(f"saved in {args.output_dir}: fine-tune it with run_ner.py --model {args.output_dir}")


def load_and_pack(flags, paragraphs, say):
    """The model and its tokenizer, and the text as rows of subwords: those to learn from, and those held out.

    Raises InputError where there is too little text for that.
    """
    parts = hold_out(paragraphs, flags.seed)
    words = (word for p in parts[0] for word in (p.split() if isinstance(p, str) else p))
    if flags.model == SCRATCH:
        tokenizer = learn_wordpiece(words, flags.vocab_size, say=say)
    else:
        tokenizer = load_tokenizer(flags.model, (), say=say)
    model = load_masked_lm(flags.model, tokenizer, flags, say)
    length = subword_limit(tokenizer, model, flags.max_length, say)
    encoded = [encode_paragraphs(tokenizer, part) for part in parts]
    shares = (flags.masked_share, 0.15)
    train, held_out = (
        PackedRows(part, tokenizer, length, share, flags.seed) for part, share in zip(encoded, shares, strict=True)
    )
    if not len(held_out):
        held = counted(len(parts[1]), "paragraph")
        raise InputError(f"--seed {flags.seed}: holds out {held} without a subword; give another seed, or more text")
    if not len(train):
        raise InputError(f"{counted(len(parts[0]), 'paragraph')} to learn from, without a subword; give other text")
    say(
        f"text: {len(encoded[0].ids):,} subwords of {len(tokenizer):,} in {len(train):,} rows of {length},"
        f" padding {train.padding():.1%}; held out: {counted(len(parts[1]), 'paragraph')},"
        f" {len(encoded[1].ids):,} subwords"
    )
    say(f"model: {type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters")
    return model, tokenizer, train, held_out


def dropouts_of(model):
    """Where a model drops out: a list of (module, name of its attribute, probability)."""
    names = ("p", "attention_dropout")  # of torch's Dropout; of ModernBERT's attention, which has no module for it
    found = ((module, name, getattr(module, name, None)) for module in model.modules() for name in names)
    return [(module, name, p) for module, name, p in found if isinstance(p, float)]


def trainings_of(name, say):
    """The figures of the trainings that a model of this program has behind it, the first one first: a list of dicts.

    A file of that name that does not hold them is said in a line, and passed over.
    """
    path = os.path.join(model_path(name), "pretraining.json")
    if not os.path.isfile(path):
        return []
    try:
        with open(path, encoding="utf-8") as file:
            facts = json.load(file)
        trainings = [*facts.pop("before", []), facts]
        for earlier in trainings:
            BEFORE.format(**earlier)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        say(f"{path}: not the figures of a training by this program; the new card does not tell of it")
        return []
    return trainings


def write_card(facts, name, directory):
    """`pretraining.json`, the figures of this training, and `README.md`, a card with this name that tells them.

    Of earlier trainings (`trainings_of`) the card tells the commands and the number of subwords.
    """
    before = "".join(BEFORE.format(**earlier) for earlier in facts["before"])
    with open(os.path.join(directory, "pretraining.json"), "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)
        file.write("\n")
    with open(os.path.join(directory, "README.md"), "w", encoding="utf-8") as file:
        file.write(CARD.format(**{**facts, "before": before}, name=name))


BEFORE = """{command}    # {tokens:,} subwords in {steps:,} steps
"""
CARD = """---
library_name: transformers
pipeline_tag: fill-mask
---

# {name}

A {kind} of {parameters:,} parameters, {begun}, by masked-language-model training (whole words).

```
{before}{command}
```

- text: {paragraphs:,} paragraphs, {subwords:,} subwords; {tokens:,} were seen in {steps:,} steps
- seed {seed}; {hours:.2f} hours on {hardware}; {precision}
- held-out paragraphs: loss {held_out_loss:.4f} a masked subword, perplexity {held_out_perplexity:.2f}

Fine-tune it with `run_ner.py --model`, or load it with `AutoModel.from_pretrained(..., dtype="float32")`.
"""
