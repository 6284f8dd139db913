"""Small trainings, each in a process of its own that can be killed, without importing torch each time.

A server imports everything and writes a tiny encoder, once; for each job it forks the job's processes. They train by
the same calls as `run_ner.py`, or run `run_ner.main` itself. What ends them (a kill at a file operation, a signal at a
step, a full disk, ...) is put in from here: the program knows nothing of its tests.
"""

import gc
import json
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from ner_model.checkpoints import checkpoints

ROOT = Path(__file__).parent.parent
SCORES = {3: 0.2, 6: 0.9, 9: 0.5}  # F1 by step, three steps an epoch: the second epoch is the best


class ForkedTraining:
    """The server, as the tests see it."""

    def __init__(self, directory):
        self.directory = Path(directory)
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        self.server = subprocess.Popen(
            [sys.executable, __file__, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1"},
        )

    def processes(self, count, after=None, **job):
        """Run `fine_tune`, or `whole_program` if there is an `argv`, in so many processes that train together.

        Args:
            count: of processes.
            after: (seconds, name of a signal) that comes to them then.
            job: arguments.

        Returns:
            A list of (exit code, output); -9: killed.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        order = {"count": count, "port": port, "after": after, "job": job}
        print(json.dumps(order, default=str), file=self.server.stdin, flush=True)
        codes = json.loads(self.server.stdout.readline())
        return [(code, (self.directory / f"output-{k}").read_text()) for k, code in enumerate(codes)]

    def run(self, output_dir, **job):
        """One process of `fine_tune`: (exit code, output)."""
        return self.processes(1, output_dir=output_dir, **job)[0]

    def close(self):
        self.server.stdin.close()
        self.server.wait()


def weights(directory):
    """What has to be the same: the model, which is the best one, and all that the training came to in the end."""
    last = checkpoints(directory)[-1]
    files = [Path(last, name) for name in ("model.safetensors", "optimizer.pt", "scheduler.pt")]
    random = sorted(Path(last).glob("rng_state*.pth"))
    return [path.read_bytes() for path in (Path(directory, "model.safetensors"), *files, *random)]


def serve(directory):
    import torch
    import transformers
    from families import write_encoder

    import ner_eval.results  # noqa: F401  what a run imports, for all at once
    import run_ner  # noqa: F401

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    encoder = os.path.join(directory, "encoder")
    write_encoder("bert-cased", encoder)
    prepared = encoder, *prepare(encoder)
    gc.collect()
    gc.freeze()  # or each child spends its time on collecting what it got from here
    for line in sys.stdin:
        order = json.loads(line)
        after = order.pop("after")
        children = []
        for rank in range(order["count"]):
            if (child := os.fork()) == 0:
                os._exit(work(rank, directory, prepared, **order))
            children.append(child)
        if after:
            begin = time.monotonic()
            while time.monotonic() - begin < after[0] and any(map(is_at_work, children)):
                time.sleep(0.005)
            for child in children:  # one that has ended is there until it is waited for
                os.kill(child, getattr(signal, after[1]))
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)


def is_at_work(process):
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def work(rank, directory, prepared, count, port, job):
    """One process of a job, its output into a file. Returns the exit code."""
    with open(os.path.join(directory, f"output-{rank}"), "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if count > 1:
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in place.items()}
    try:
        (whole_program if "argv" in job else fine_tune)(prepared, rank, **job)
        code = 0
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def prepare(encoder):
    """(tokenizer, label names, windows): 12 sentences of different lengths."""
    import datasets
    from families import TEXT
    from test_windows import sentences

    from ner_data.windows import encode
    from ner_model.load import load_tokenizer

    words = [text.split() for text in TEXT[:6]] + [text.split()[: 3 + k] for k, text in enumerate(TEXT[:6])]
    tags = [["B-geo" if word[0].isupper() else "O" for word in one] for one in words]
    names = ["O", "B-geo", "I-geo"]
    tokenizer = load_tokenizer(encoder, [])
    table = encode(sentences(*zip(words, tags, strict=True)), tokenizer, names, 64, 3).table
    return tokenizer, names, datasets.Dataset(table)


def whole_program(prepared, rank, argv):
    """`run_ner.py` with the server's encoder."""
    import run_ner
    from ner_model.interruptions import signals

    signals.catch()
    tempfile.tempdir = os.path.dirname(prepared[0])
    run_ner.main([*argv, "--model", prepared[0]])


def fine_tune(
    prepared,
    rank,
    output_dir,
    resume=None,
    overwrite=False,
    arguments=None,
    patience=None,
    times=1,
    frozen=False,
    class_weights=None,
    copies=0,
    labels=None,
    **ending,
):
    """Steps 7 to 9 of `run_ner.py`, trained so many times one after the other, of so many labels. `ending`: see
    `Ending`."""
    import torch
    import transformers

    from ner_data import InputError
    from ner_model import checkpoints, run_directory
    from ner_model.batching import WindowCollator
    from ner_model.checkpoints import TrainingStopped, check_output_dir, save_model
    from ner_model.interruptions import signals
    from ner_model.load import load_model
    from ner_model.trainer import LABEL_NAMES, NerTrainer, WordLoss

    encoder, tokenizer, names, windows = prepared
    output_dir = output_dir.format(rank=rank)  # machines whose directories are not shared
    checkpoints.SEEN_WITHIN = run_directory.FREE_WITHIN = 0
    signals.catch()
    defaults = {
        "output_dir": output_dir,
        "use_cpu": True,
        "num_train_epochs": 3,
        "per_device_train_batch_size": 4 // int(os.environ.get("WORLD_SIZE", "1")),
        "per_device_eval_batch_size": 3,
        "learning_rate": 1e-3,
        "label_names": LABEL_NAMES,
        "eval_do_concat_batches": False,
        "disable_tqdm": True,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "logging_strategy": "epoch",
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "f1",
        "ddp_find_unused_parameters": False,
    }
    try:
        resume_from = check_output_dir(output_dir, overwrite, resume)
        args = transformers.TrainingArguments(**defaults | (arguments or {}))
        transformers.set_seed(1)
        trainer = NerTrainer(
            model=load_model(encoder, tokenizer, names[:labels], keep_head=False),
            args=args,
            train_dataset=windows.select_columns(["input_ids", "labels"]),
            eval_dataset=windows,
            processing_class=tokenizer,
            data_collator=WindowCollator(tokenizer),
            compute_loss_func=WordLoss(weights=class_weights and torch.tensor(class_weights)),
            compute_metrics=lambda _: dict.fromkeys(
                ("f1", "loss", "accuracy", "macro_f1"), SCORES.get(trainer.state.global_step, 0.1)
            ),
            callbacks=[transformers.EarlyStoppingCallback(patience)] if patience else None,
        )
        if frozen:
            trainer.model.base_model.requires_grad_(False)
        trainer.copies = copies
        trainer.add_callback(Ending(trainer, rank, **ending))
        for _ in range(times):
            trainer.train(resume_from_checkpoint=resume_from)
        save_model(trainer, output_dir)
        evaluated = [(entry["step"], entry["eval_f1"]) for entry in trainer.state.log_history if "eval_f1" in entry]
        print("finished:", json.dumps(evaluated), trainer.state.global_step)
    except (InputError, TrainingStopped) as error:
        print(f"message: {error}")
        sys.exit(2 if isinstance(error, InputError) else 1)


class Ending:
    """A callback of `Trainer` that ends the training.

    Args:
        trainer, rank: of this process.
        kill_at: number of the file operation in the output directory before which SIGKILL comes; 0: print them all.
        signals_at: list of (event, step, name of the signal, rank of the process that it comes to).
        at: [event, step] of what follows.
        file_limit: bytes that a file can have from then on.
        no_fsync: from then on fsync finds no space.
        nan: from then on weights are no number ("weights"), or gradients ("gradients").
        unsavable: from then on the optimizer's state cannot be pickled.
        no_memory: from then on a batch of the model cannot be allocated.
    """

    def __init__(self, trainer, rank, kill_at=None, signals_at=(), at=None, **what):
        self.trainer, self.rank = trainer, rank
        self.kill_at, self.signals_at = kill_at, signals_at
        self.at, self.what = at, what

    def __getattr__(self, event):
        if not event.startswith("on_"):
            raise AttributeError(event)
        return lambda args, state, control, **kwargs: self.happens(event, state.global_step)

    def happens(self, event, step):
        if event == "on_train_begin" and self.kill_at is not None:
            kill_at_file_operation(self.trainer.args.output_dir, self.kill_at)
        for when, at, name, rank in self.signals_at:
            if (when, at, rank) == (event, step, self.rank):
                # a terminal, or a scheduler, sends it to the loader's workers too, and is not their parent
                workers = [str(process.pid) for process in multiprocessing.active_children()]
                if workers:
                    subprocess.run(["kill", f"-{name[3:]}", *workers], check=True)
                    time.sleep(0.2)
                os.kill(os.getpid(), getattr(signal, name))
        if [event, step] == self.at:
            for name, value in self.what.items():
                getattr(self, name)(value)

    def file_limit(self, size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # beyond it: EFBIG

    def no_fsync(self, number):
        def fsync(descriptor):
            raise OSError(number, os.strerror(number))

        os.fsync = fsync

    def unsavable(self, _):
        self.trainer.optimizer.state_dict = lambda: lambda: "what pickle does not know"

    def nan(self, where):
        weight = next(self.trainer.model.parameters())
        if where == "weights":
            weight.data.fill_(float("nan"))
        else:
            weight.register_hook(lambda gradient: gradient * float("nan"))

    def no_memory(self, size):
        import torch

        self.trainer.model.register_forward_pre_hook(lambda *_: torch.empty(size) and None)


def kill_at_file_operation(directory, at):
    """SIGKILL before the at-th operation on files below a directory, counted from now; 0: print them all.

    Operations of Python come by its audit events, fsync by its own name. Weights and torch.save are written by native
    code: there the kill comes when half of the file is there.
    """
    import safetensors.torch
    import torch
    import transformers.modeling_utils

    directory = os.path.abspath(directory)
    count = 0

    def operation(name, path):
        nonlocal count
        count += 1
        if at == 0:
            print(f"operation: {name} {os.path.relpath(path, directory)}", flush=True)
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def is_below(path):
        return isinstance(path, (str, os.PathLike)) and os.path.abspath(path).startswith(directory)

    def hook(event, args):
        if event == "open" and is_below(args[0]) and args[2] & (os.O_WRONLY | os.O_RDWR):
            operation("open", args[0])
        elif event in ("os.rename", "os.remove", "os.rmdir", "os.chmod", "os.mkdir"):
            folder = f"/proc/self/fd/{args[-1]}"  # shutil.rmtree gives names in an open directory
            path = os.path.join(os.readlink(folder), args[0]) if args[-1] > 2 and os.path.isdir(folder) else args[0]
            if is_below(path) and not (event == "os.mkdir" and os.path.isdir(path)):
                operation(event[3:], path)

    def half_written(function):
        def wrapped(data, path, *args, **kwargs):
            function(data, path, *args, **kwargs)
            if is_below(path):
                if count + 1 == at:
                    os.truncate(path, os.path.getsize(path) // 2)
                operation("half", path)

        return wrapped

    fsync = os.fsync
    os.fsync = lambda number: (operation("fsync", os.readlink(f"/proc/self/fd/{number}")), fsync(number))
    torch.save = half_written(torch.save)
    transformers.modeling_utils.safe_save_file = half_written(safetensors.torch.save_file)
    sys.addaudithook(hook)


if __name__ == "__main__":
    serve(sys.argv[1])
    os._exit(0)  # the libraries' own end complains of what `gc.freeze` kept
