"""Ways to fine-tune, each in a process of its own, taking turns: only one of them works at a time."""

import gc
import multiprocessing
import os
import tempfile
import time
import traceback
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
import torch

from benchmarks.bench_data import peak
from benchmarks.peers import AfterStep, Job, OwnLoop, Stock
from ner_eval.score import ComputeMetrics, score
from ner_eval.span_counts import shared_ids, span_scores
from ner_model.allocator import keep_few_kernels, keep_freed_memory
from ner_model.arguments import training_arguments
from ner_model.batching import WindowCollator, rounding
from ner_model.encoding import encode_once
from ner_model.load import load_model, load_tokenizer, subword_limit
from ner_model.trainer import NerTrainer, WordLoss

PROCESSES = multiprocessing.get_context("spawn")  # a forked process would begin with its parent's memory
STRIDE, DECODING = 16, "viterbi"  # the defaults of run_ner.py
OURS = "ours"


class Ours:
    """The recipe: what `fine_tune` of run_ner.py does from its step 5 on, without saving.

    Two things are left out that change F1 and hardly any time: smoothed labels, and which tag follows which, which the
    recipe adds after training.
    """

    def __init__(self, model, tokenizer, job):
        self.job = job
        keep_freed_memory()
        keep_few_kernels(model.config.hidden_size)
        args, _ = training_arguments(
            [
                *("--output_dir", job.directory),
                *("--per_device_train_batch_size", str(job.batch_size)),
                *("--num_train_epochs", str(job.epochs)),
                *("--learning_rate", str(job.learning_rate)),
                *("--eval_strategy", "epoch" if job.validate else "no"),
                *("--save_strategy", "no", "--load_best_model_at_end", "false"),
            ],
            scratch=False,
            width=None,
            sentences=len(job.train),
            head_only=False,
            lora=False,
            patience=None,
            seed=job.seed,
        )
        tables = {"train": job.train, "validation": job.validation}
        length = subword_limit(tokenizer, model)
        _, self.windows = encode_once(tables, tokenizer, job.names, length, STRIDE)
        self.trainer = NerTrainer(
            model=model,
            args=args,
            train_dataset=self.windows["train"].select_columns(["input_ids", "labels"]),
            eval_dataset=self.windows["validation"],
            processing_class=tokenizer,
            data_collator=WindowCollator(tokenizer, pad_to_multiple_of=rounding(args, model.config)),
            compute_loss_func=WordLoss(args.label_smoothing_factor),
            compute_metrics=ComputeMetrics(job.names, DECODING),
            callbacks=[AfterStep(job.after_step)] if job.after_step else None,
        )

    def train(self):
        self.trainer.train()

    def evaluate(self):
        return self.trainer.evaluate()

    def tags(self):
        return score(self.trainer.predict(self.windows["validation"]), self.job.names, DECODING).predicted


WAYS = {"2018 way": OwnLoop, "stock": Stock, "stock, best flags": partial(Stock, best=True), OURS: Ours}


@dataclass
class Task:
    """What a contestant does.

    Attributes:
        start: directory with the model and the tokenizer that all begin with.
        job: `peers.Job`.
        warm_up: sentence table: all is done with these first, without the clock.
        turns: into how many turns of equally many steps the training is cut; for `job.only_evaluate`, how often the
            evaluation is done, once a turn.
        judge: whether the model that comes out predicts the validation sentences at the end, without the clock.
        profile: whether torch.profiler looks on.
        save: directory for the model that comes out, or None.
    """

    start: str
    job: Job
    warm_up: pa.Table
    turns: int = 1
    judge: bool = False
    profile: bool = False
    save: str | None = None


class Clock:
    """The seconds of a contestant's turns. Waits for the other end of a pipe before each, and tells it the seconds.

    Args:
        pipe: a `multiprocessing.Connection`.
        turns: into how many turns the steps are cut.
        steps: how many there will be.
    """

    def __init__(self, pipe, turns, steps):
        self.pipe, self.steps, self.done = pipe, steps, 0
        self.ends = {steps * turn // turns for turn in range(1, turns)}

    def start(self):
        self.pipe.recv()
        self.begun = self.now()

    def stop(self):
        self.pipe.send(self.now() - self.begun)

    def after_step(self):
        self.done += 1
        if self.done in self.ends:
            self.stop()
            self.start()

    @staticmethod
    def now():
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()


class Positions:
    """Counts what a model is given: calls, positions, and how many of these are no padding; in training or evaluation.

    Args:
        model: a `PreTrainedModel`; calls in the other mode are not counted.
        pad: id of the padding token.
        training: which mode.
    """

    def __init__(self, model, pad, training=True):
        self.pad, self.training = pad, training
        self.calls = self.positions = self.filled = 0
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, model, args, kwargs):
        if model.training == self.training:
            ids = kwargs["input_ids"]
            self.calls += 1
            self.positions += ids.numel()
            self.filled += (ids != self.pad).sum()  # stays on the device: nothing waits for it

    def figures(self):
        filled = int(self.filled)
        return {"batches": self.calls, "positions": self.positions, "padding": 1 - filled / max(self.positions, 1)}


def word_f1(sentences, tags):
    """Strict micro F1 of tags, one for every word of a sentence table: the judge of all contestants."""
    gold, predicted, offsets, names = shared_ids(sentences["tags"], tags)
    return span_scores(gold, predicted, offsets, names)["f1"]


def prepare(way, start, job):
    """A contestant with the model that all begin with: the contestant, the model and its tokenizer."""
    tokenizer = load_tokenizer(start, [])
    model = load_model(start, tokenizer, job.names, keep_head=True)
    return WAYS[way](model, tokenizer, job), model, tokenizer


def compete(pipe, way, task):
    """What happens in a contestant's process. Returns its figures as a dict that JSON can hold."""
    job = task.job
    warm_up, *_ = prepare(way, task.start, replace(job, train=task.warm_up, validation=task.warm_up, epochs=1))
    warm_up.evaluate() if job.only_evaluate else warm_up.train()
    del warm_up, _
    gc.collect()
    clock = Clock(pipe, task.turns, job.epochs * -(-len(job.train) // job.batch_size))
    contestant, model, tokenizer = prepare(way, task.start, replace(job, after_step=clock.after_step))
    seen = Positions(model, tokenizer.pad_token_id, training=not job.only_evaluate)
    pipe.send("ready")
    operators = None
    if job.only_evaluate:
        for _ in range(task.turns):
            clock.start()
            contestant.evaluate()
            clock.stop()
    elif task.profile:
        clock.start()
        operators = profiled(contestant.train)
        clock.stop()
    else:
        clock.start()
        contestant.train()
        clock.stop()
    pipe.recv()  # what follows must not disturb the turns of the others
    on_gpu = torch.cuda.is_available()
    figures = seen.figures() | {"peak": torch.cuda.max_memory_allocated() if on_gpu else peak(), "steps": clock.done}
    if task.judge:
        figures["f1"] = word_f1(job.validation, contestant.tags())
    if operators:
        figures["operators"] = operators
    if task.save:
        model.save_pretrained(task.save)
        tokenizer.save_pretrained(task.save)
    return figures


def profiled(train):
    """The operators of a training by the time they take themselves: [(name, seconds, calls), ...], the most first."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        train()
    time_of = "self_device_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    rows = [(event.key, getattr(event, time_of) / 1e6, event.count) for event in profile.key_averages()]
    return sorted(rows, key=lambda row: -row[1])


def silence():
    """Send what a library prints, progress bars above all, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def child(pipe, way, task):
    """The main function of a contestant's process."""
    silence()
    tempfile.tempdir = task.job.directory  # what a process leaves there goes with it
    try:
        pipe.send(compete(pipe, way, task))
    except BaseException:
        pipe.send(RuntimeError(f"{way}: {traceback.format_exc()}"))


def take_turns(tasks, first=0):
    """Let contestants compete, each in a process of its own; all are loaded and warm before the first turn.

    Args:
        tasks: {a key of `WAYS`: `Task`}, all with the same number of turns.
        first: who begins the first turn; the beginner moves on by one each turn.

    Returns:
        {way: its figures, with `seconds`, a list with those of each turn}.

    Raises:
        RuntimeError: a contestant failed.
    """
    pipes, processes = {}, {}

    def start(way, task):
        pipes[way], other_end = PROCESSES.Pipe()
        processes[way] = PROCESSES.Process(target=child, args=(other_end, way, task))
        processes[way].daemon = True  # whatever ends this process ends the contestants
        processes[way].start()
        other_end.close()

    def answer(way, word=None):
        try:
            if word:
                pipes[way].send(word)
            said = pipes[way].recv()
        except (EOFError, OSError):
            processes[way].join()
            code = processes[way].exitcode
            raise RuntimeError(f"{way}: its process ended with code {code} (-9: most often for memory)") from None
        if isinstance(said, RuntimeError):
            raise said
        return said

    try:
        for way, task in tasks.items():  # one is ready before the next one begins: they would only hinder each other
            start(way, task)
            answer(way)
        seconds = {way: [] for way in tasks}
        ways = list(tasks)
        for turn in range(next(iter(tasks.values())).turns):
            begin = (first + turn) % len(ways)
            for way in ways[begin:] + ways[:begin]:
                seconds[way].append(answer(way, "go"))
        figures = {way: {"seconds": seconds[way]} | answer(way, "go") for way in tasks}
        for process in processes.values():
            process.join()
        return figures
    finally:
        for pipe in pipes.values():  # whoever still waits for a turn ends with this
            pipe.close()
