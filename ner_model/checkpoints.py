"""Where a run writes, and where it goes on: checkpoints that are whole or not there, and verified before use.

A checkpoint is written into a directory beside its place, flushed to the disk, listed in `manifest.json` with sizes and
SHA-256, and renamed. So a `checkpoint-NUMBER` with a manifest was finished, and what is in it can be checked.
"""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import time

from ner_data import InputError
from ner_data.text_file import counted, shown
from ner_model.run_directory import free_name, keep_others_out, let_others_in

MANIFEST = "manifest.json"
UNFINISHED = "_saving"  # neither Trainer's rotation (checkpoint-*) nor its push (which leaves out _*) looks at it
SET_ASIDE = "_aside-"
SEEN = "_seen"  # lies in the output directory for a moment: do all processes see it?
SEEN_WITHIN = 70  # seconds: for up to a minute, NFS believes that what was not there is not there
CHECKPOINT = r"checkpoint-(\d+)"


class TrainingStopped(Exception):
    """A run that cannot go on though its input is right: disk, memory, numbers. One line, with what to do about it.

    Command lines print it on stderr and exit with code 1.
    """


def check_output_dir(output_dir, overwrite, resume, say=print):
    """Refuse to write into a directory that holds something, and choose the checkpoint to go on from.

    Args:
        output_dir: path or None (then a new directory under `runs/` will be made).
        overwrite: `--overwrite_output_dir`.
        resume: `--resume_from_checkpoint`: a directory, or `true` for the newest that verifies in `output_dir`.
        say: takes a line for each checkpoint that is passed over.

    Returns:
        The checkpoint to resume from: a path, or None.

    Raises:
        InputError: the directory is not empty, `overwrite` is false and `resume` is not a checkpoint in it; it is a
            file; it cannot be made or written to; nothing to resume verifies.
    """
    wanted = pathlib.Path(output_dir or "runs").absolute()
    try:
        wanted.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"--output_dir {shown(output_dir)}: the name is too long; give another") from None
    place = next(path for path in (wanted, *wanted.parents) if os.path.lexists(path))
    if not place.is_dir():
        kind = "a file" if place.exists() else "a link to what is not there"
        why = f"is {kind}" if place == wanted else f"cannot be made, {place} is {kind}"
        raise InputError(f"--output_dir {output_dir or 'runs'}: {why}; give another")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        raise InputError(f"--output_dir {output_dir or 'runs'}: no permission to write into {place}; give another")
    if output_dir is not None and os.path.exists(output_dir):
        place, name = os.path.split(os.path.realpath(resume or ""))
        if os.path.isdir(place) and os.path.samefile(place, output_dir) and re.fullmatch(CHECKPOINT, name):
            resume = os.path.join(output_dir, name)  # one way to write it, whatever links lead there
            goes_on = True
        else:
            goes_on = resume and resume.lower() == "true"
        if os.listdir(output_dir) and not overwrite and not goes_on:
            raise InputError(
                f"--output_dir {output_dir}: is not empty; give another, --resume_from_checkpoint to go on with the run"
                " in it, or --overwrite_output_dir"
            )
    if not resume:
        return None
    if resume.lower() != "true":
        if not os.path.isfile(os.path.join(resume, "trainer_state.json")):
            raise InputError(f"--resume_from_checkpoint {resume}: no checkpoint there (a directory checkpoint-NUMBER)")
        if fault := fault_of(resume):
            raise InputError(f"--resume_from_checkpoint {resume}: {fault}; give another checkpoint")
        return resume
    if output_dir is None:
        raise InputError("--resume_from_checkpoint: give the --output_dir of the run to go on with, or a checkpoint")
    return newest_verified(output_dir, say)


def newest_verified(output_dir, say=print):
    """The newest `checkpoint-NUMBER` in a directory that is as its manifest says.

    Args:
        output_dir: path.
        say: takes a line for each newer one that is passed over: what is wrong with it.

    Raises:
        InputError: there is none.
    """
    faults = []
    for checkpoint in reversed(checkpoints(output_dir)):
        fault = fault_of(checkpoint)
        if fault is None:
            say(f"going on from {checkpoint}" + (", the newest that verifies" if faults else ""))
            return checkpoint
        faults.append(f"{checkpoint}: {fault}")
        say(f"{faults[-1]}; trying the one before")
    why = f" ({faults[0]})" if faults else ""
    raise InputError(
        f"--resume_from_checkpoint: {output_dir} holds no checkpoint to go on from{why}; to start afresh, give"
        " --overwrite_output_dir in its place"
    )


def fault_of(checkpoint):
    """What is wrong with a checkpoint, in a few words; None if every file is as its manifest says.

    Files that the manifest does not know are nobody's business.
    """
    try:
        with open(os.path.join(checkpoint, MANIFEST), encoding="utf-8") as file:
            files = json.load(file)["files"]
        for name, expected in files.items():
            path = os.path.join(checkpoint, name)
            if not os.path.isfile(path):
                return f"{name} is missing"
            if os.path.getsize(path) != expected["bytes"]:
                return f"{name} has {os.path.getsize(path):,} bytes instead of {expected['bytes']:,}"
            if _sha256(path) != expected["sha256"]:
                return f"{name} is not what was written (SHA-256)"
    except FileNotFoundError:
        return f"not verified, it has no {MANIFEST} (stock Trainer or older version)"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"not verified, {MANIFEST} or a file it names cannot be read ({error})"
    if not any(name.startswith("rng_state") for name in files):
        return "holds a model without the state of its training (--save_only_model)"
    return None


def seal(directory, **more):
    """Flush all files below a directory to the disk, then write the manifest: sizes, SHA-256, what else is given."""
    files = {}
    for folder, _, names in os.walk(directory):
        for name in sorted(names):
            path = os.path.join(folder, name)
            _flush(path)
            key = os.path.relpath(path, directory).replace(os.sep, "/")
            files[key] = {"bytes": os.path.getsize(path), "sha256": _sha256(path)}
    with open(os.path.join(directory, MANIFEST), "w", encoding="utf-8") as file:
        json.dump({**more, "files": dict(sorted(files.items()))}, file, indent=1)
    _flush(os.path.join(directory, MANIFEST))
    for folder, _, _ in os.walk(directory):
        _flush(folder)


class VerifiedCheckpoints:
    """Checkpoints of a `Trainer` that are whole or not there: `class MyTrainer(VerifiedCheckpoints, Trainer)`.

    Saves as the module says, with any number of processes; keeps what `save_total_limit` allows, and always the newest
    and the best. Goes on only with the run that the checkpoint is of.

    Attributes:
        begun_at: the step that the last `train` began at, 0 unless it was resumed.
        copies: of each sentence among the training data (`ner_data.mentions`); a resumed run has as many.
        facts: {name: value}, what else has to be the same in a resumed run.
        is_chosen: whether the weights after `train` are those of the best checkpoint.
    """

    copies, facts, is_chosen = 0, {}, False
    _unfinished = None  # where Trainer writes a checkpoint, while it does
    _newest = None  # the newest checkpoint of this run: resumed from or written

    def _get_output_dir(self, trial):
        return self._unfinished or super()._get_output_dir(trial)

    def train(self, *args, **kwargs):
        """As `Trainer.train`; leaves the output directory locked (`let_others_in`) unless it fails.

        Raises InputError for a checkpoint of another run and for a directory that another run writes into, and
        `TrainingStopped`.
        """
        given, model = self.args, self.model
        self._run = {  # what weights and optimizer are: compared before they are read
            "model": type(model).__name__,
            "weights": sum(p.numel() for p in model.parameters()),
            "labels": ", ".join(map(str, model.config.id2label.values())),
            "engine": "FSDP" if self.is_fsdp_enabled else "DDP or none",
            "--optim": str(getattr(given.optim, "value", given.optim)),
            "--adam_beta1": given.adam_beta1,
            "--adam_beta2": given.adam_beta2,
            "--adam_epsilon": given.adam_epsilon,
        }
        try:
            return super().train(*args, **kwargs)
        except BaseException:
            let_others_in(given.output_dir)
            raise

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        self._refuse_another_run(resume_from_checkpoint)
        super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _refuse_another_run(self, checkpoint):
        """Raises InputError where a fact of this run is not what the checkpoint's manifest says of its run.

        Returns the number of processes that it was saved by, None where the manifest does not tell.
        """
        with open(os.path.join(checkpoint, MANIFEST), encoding="utf-8") as file:
            manifest = json.load(file)
        then = manifest["run"]
        for name, now in self._run.items():
            if name in then and now != then[name]:
                raise InputError(
                    f"--resume_from_checkpoint {checkpoint}: of a run with {name} {then[name]}, this one has {now};"
                    " give the same, or start a new run"
                )
        if not self.facts.keys() <= then.keys():
            raise InputError(f"--resume_from_checkpoint {checkpoint}: of an earlier version; start a new run")
        return manifest.get("processes")

    def _init_training_state(self, max_steps, steps_per_epoch, epochs, resume_from_checkpoint, trial):
        """Refuses a checkpoint of another run: its position would be another one in this run's data.

        What an earlier run left in the output directory is cleared away only now that nothing is left to refuse.
        """
        args = self.args
        self._run |= {
            "--seed": args.seed,
            "--data_seed": args.data_seed,
            "batch size over all processes": self._train_batch_size * args.world_size,
            "--gradient_accumulation_steps": args.gradient_accumulation_steps,
            "--learning_rate": args.learning_rate,  # another would be ignored: the optimizer keeps its own
            "--weight_decay": args.weight_decay,
            "--lr_scheduler_type": args.lr_scheduler_type.value,
            "--lr_scheduler_kwargs": args.lr_scheduler_kwargs or None,
            "--warmup_steps": args.warmup_steps,
            "--optim_args": args.optim_args,
            "--label_smoothing_factor": args.label_smoothing_factor,
            "--class_weights": "none" if getattr(self.compute_loss_func, "weights", None) is None else "balanced",
            "weights that learn": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            "--augment": self.copies,
            "--metric_for_best_model": args.metric_for_best_model,
            "--greater_is_better": args.greater_is_better,
            **self.facts,
            "training windows": len(self.train_dataset),
            "steps per epoch": steps_per_epoch,
        }
        self._newest = None
        if resume_from_checkpoint is not None:
            self.args.eval_on_start = False  # that was at the start of the run that this one goes on with
            self._newest = os.path.abspath(resume_from_checkpoint)
            processes, now = self._refuse_another_run(resume_from_checkpoint), args.world_size
            if processes not in (None, now) and self.is_world_process_zero():
                saved_by = counted(processes, "process", "processes")
                print(
                    f"--resume_from_checkpoint {resume_from_checkpoint}: saved by {saved_by}, this run has {now}: it"
                    " does not end in the same bytes"
                )
        self._in_main_process(keep_others_out, args.output_dir)
        self._check_directory_is_shared()
        self._in_main_process(clear_checkpoints, args.output_dir, resume_from_checkpoint)
        begin = super()._init_training_state(max_steps, steps_per_epoch, epochs, resume_from_checkpoint, trial)
        self.state.compute_steps(args, max_steps)  # those given now (--save_steps, ...), not those of the checkpoint
        self.begun_at = self.state.global_step
        if resume_from_checkpoint is not None:
            self._find_best()
        return begin

    def _in_main_process(self, work, *given):
        """Call a function in the main process; its InputError is raised in all, or the others would wait for it."""
        from accelerate.utils import broadcast_object_list

        fault = None
        if self.is_world_process_zero():
            try:
                work(*given)
            except InputError as error:
                fault = str(error)
        (fault,) = broadcast_object_list([fault])
        if fault:
            raise InputError(fault)

    def _check_directory_is_shared(self):
        """Raises InputError in all processes where one does not see what the main one writes: it would find no
        checkpoint to go on from, nor the best one at the end, and score its last weights beside the others' best."""
        import torch

        if self.args.world_size == 1:
            return
        mark = os.path.join(self.args.output_dir, SEEN)
        if self.is_world_process_zero():
            os.makedirs(self.args.output_dir, exist_ok=True)
            pathlib.Path(mark).touch()
        self.accelerator.wait_for_everyone()
        begin = time.monotonic()
        while not os.path.exists(mark) and time.monotonic() - begin < SEEN_WITHIN:
            time.sleep(1)
        seen = self.accelerator.gather(torch.tensor([int(os.path.exists(mark))], device=self.args.device))
        if self.is_world_process_zero():
            os.remove(mark)
        if not seen.all():
            blind = f"{int((seen == 0).sum())} of {len(seen)} processes do not see what the main one writes there"
            raise InputError(f"--output_dir {self.args.output_dir}: {blind}; give a directory that all machines share")

    def _find_best(self):
        """Point to the best checkpoint so far: beside the one resumed from (the directory may have been moved), or
        where it was when that was saved (in the directory of the run that its own run went on with)."""
        state = self.state
        if state.best_global_step is None:
            return
        best = os.path.join(os.path.dirname(self._newest), f"checkpoint-{state.best_global_step}")
        fault = fault_of(best) if best != self._newest else None
        then = state.best_model_checkpoint
        if not os.path.exists(best) and then and fault_of(then) is None:
            best, fault = then, None
        state.best_model_checkpoint = None if fault else best
        if fault and self.args.load_best_model_at_end:
            if self.is_world_process_zero():
                print(f"{best}, the best so far: {fault}; the best of the evaluations still to come is used")
            state.best_metric = state.best_global_step = None

    def _save_checkpoint(self, model, trial):
        run_dir = self._get_output_dir(trial)
        checkpoint = os.path.join(run_dir, f"checkpoint-{self.state.global_step}")
        unfinished = os.path.join(run_dir, UNFINISHED)
        if self.state.best_global_step == self.state.global_step:
            self.state.best_model_checkpoint = checkpoint
        if os.path.abspath(checkpoint) == self._newest:  # resumed from, or saved at this step already: the same weights
            return
        with full_disk(checkpoint, unfinished, self._newest):
            best = self.state.best_model_checkpoint
            self._unfinished = unfinished
            try:
                super()._save_checkpoint(model, trial)
            finally:
                self._unfinished = None
            self.state.best_model_checkpoint = best
            written = os.path.join(unfinished, os.path.basename(checkpoint))
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                self.state.save_to_json(os.path.join(written, "trainer_state.json"))  # with the best one's final name
                seal(written, run=self._run, processes=self.args.world_size)
                os.rename(written, checkpoint)
                _flush(run_dir)
                shutil.rmtree(unfinished, ignore_errors=True)
            self.accelerator.wait_for_everyone()
        self._newest = os.path.abspath(checkpoint)
        if self.args.should_save and (self.args.save_total_limit or 0) > 0:
            keep = {self._newest, os.path.abspath(best or checkpoint)}
            older = [one for one in checkpoints(run_dir) if os.path.abspath(one) not in keep]
            for one in older[: max(0, len(older) + len(keep) - self.args.save_total_limit)]:
                shutil.rmtree(one, ignore_errors=True)  # a file that somebody reads stays on some network file systems

    def _finalize_training(self, *args, **kwargs):
        self.is_chosen = self.args.load_best_model_at_end and self._verify_best()
        # Trainer would delete all but the best here; a run that dies while it scores is to go on from the newest
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        output = super()._finalize_training(*args, **kwargs)
        self.args.save_total_limit = limit
        return output

    def _verify_best(self):
        """Whether there is a best checkpoint that verifies; one that does not is not loaded, and a line says so."""
        from accelerate.utils import broadcast_object_list

        best, why = self.state.best_model_checkpoint, None
        if self.is_world_process_zero():
            why = "there is none" if best is None else fault_of(best)
            if why:
                print(f"best checkpoint, {best}: {why}; the last weights are used", flush=True)
        (why,) = broadcast_object_list([why])
        if why:
            self.state.best_model_checkpoint = None
        return not why


@contextlib.contextmanager
def full_disk(path, unfinished, newest):
    """Turn what a disk says that cannot be written to into `TrainingStopped`, and remove what was begun.

    Args:
        path: what is written.
        unfinished: the directory that it is written into first.
        newest: the checkpoint before it, or None.
    """
    try:
        yield
    except Exception as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        reason = " ".join(str(error).split())
        if isinstance(error, OSError):
            reason = error.strerror or reason
        elif "inline_container" in reason:  # torch's zip writer, which does not know why
            reason = "a file was cut short"
        elif "(os error " not in reason:  # safetensors and tokenizers
            raise
        folder = next(parent for parent in pathlib.Path(unfinished).absolute().parents if parent.is_dir())
        free = shutil.disk_usage(folder).free
        kept = f"{newest} is intact; make room, then {how_to_go_on(newest)}" if newest else "there was none before it"
        raise TrainingStopped(f"{path} could not be written: {reason} ({free / 1e6:,.0f} MB free); {kept}") from error


def how_to_go_on(checkpoint):
    """What to type to go on from a checkpoint."""
    directory = pathlib.Path(os.path.dirname(checkpoint)).absolute()
    with contextlib.suppress(ValueError):  # it is elsewhere
        directory = directory.relative_to(pathlib.Path.cwd())
    shown = shlex.quote(directory.as_posix())
    return f"go on with the same command and --output_dir {shown} --resume_from_checkpoint"


def checkpoints(output_dir):
    """The `checkpoint-NUMBER` directories in a directory, oldest first; none if it does not exist."""
    found = []
    for name in os.listdir(output_dir) if os.path.isdir(output_dir) else []:
        if match := re.fullmatch(CHECKPOINT, name):
            found.append((int(match[1]), os.path.join(output_dir, name)))
    return [path for _, path in sorted(found)]


def clear_checkpoints(output_dir, resume_from, say=print):
    """Clear away what this run would mix with its own: an earlier run's checkpoints, and what a save left unfinished.

    Checkpoints newer than the one this run goes on from are damaged or no longer wanted; they are renamed, not removed.
    """
    unfinished = os.path.join(output_dir, UNFINISHED)
    if os.path.isdir(unfinished):
        say(f"removed {unfinished}: the run before ended while it saved {', '.join(sorted(os.listdir(unfinished)))}")
        _remove(unfinished)
    old = checkpoints(output_dir)
    places = [os.path.realpath(checkpoint) for checkpoint in old]
    if resume_from is None or os.path.realpath(resume_from) not in places:
        for checkpoint in old:
            _remove(checkpoint)
        if old:
            what = counted(len(old), "checkpoint")
            say(f"--overwrite_output_dir: removed {what} of an earlier run from {output_dir}")
        return
    for checkpoint in old[places.index(os.path.realpath(resume_from)) + 1 :]:
        aside = free_name(os.path.join(output_dir, SET_ASIDE + os.path.basename(checkpoint)))
        os.rename(checkpoint, aside)
        say(f"{checkpoint} is now {aside}: this run goes on from {resume_from}")


def _remove(directory):
    try:
        shutil.rmtree(directory)
    except OSError as error:
        what = f"{error.filename}: cannot be removed ({error.strerror})"
        raise InputError(f"--output_dir {os.path.dirname(directory)}: {what}; give another") from None


def save_model(trainer, output_dir, write=None):
    """Write model and tokenizer as a plain Hugging Face directory: no pickle, file modes as the umask says.

    Files are written beside, flushed to the disk, and then renamed one after the other: none that was there is ever
    half replaced, and for a moment only old ones stand beside new ones.

    Args:
        trainer: what it holds; called in all its processes.
        output_dir: path.
        write: in place of `trainer.save_model`: a function of a directory that writes the files into it.

    Raises:
        TrainingStopped: the disk is full.
    """
    unfinished = os.path.join(output_dir, UNFINISHED)
    with full_disk(f"the model in {output_dir}", unfinished, getattr(trainer, "_newest", None)):
        (write or trainer.save_model)(unfinished)
        if not trainer.is_world_process_zero():
            return
        umask = os.umask(0)
        os.umask(umask)
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(unfinished, "training_args.bin"))
        names = sorted(os.listdir(unfinished))
        for name in names:
            path = os.path.join(unfinished, name)
            if name.endswith(".safetensors"):  # the library writes them with mode 0600
                os.chmod(path, 0o666 & ~umask)
            _flush(path)
        for name in names:
            os.replace(os.path.join(unfinished, name), os.path.join(output_dir, name))
        os.rmdir(unfinished)
        _flush(output_dir)


def _flush(path):
    """fsync: a file's content, or a directory's entries, are on the disk when this returns."""
    on_windows = os.name == "nt"  # which has no fsync of a directory, and wants to write to what it flushes
    if on_windows and os.path.isdir(path):
        return
    descriptor = os.open(path, os.O_RDWR if on_windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
