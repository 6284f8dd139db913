"""What ends a training early: a signal, memory that runs out, a loss that is no number."""

import atexit
import contextlib
import functools
import itertools
import math
import multiprocessing.util  # before `_kill_workers` is registered: what is registered last runs first
import os
import signal
import sys
import time

from ner_model.checkpoints import TrainingStopped, how_to_go_on

NEVER = 2**62  # later than any step
ANSWERED = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "STATUS_ALLOC_FAILED")


TRAIN_SIZE, EVAL_SIZE = "--per_device_train_batch_size", "--per_device_eval_batch_size"


def is_out_of_memory(error):
    """Whether an error says that memory ran out, on whatever device."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in OUT_OF_MEMORY)


class Signals:
    """SIGTERM, SIGINT and SIGHUP end the process with exit code 143, 130 and 129, and one line on stderr.

    At once, except within `deferred`: there the trainer looks at `number` at every step, saves a checkpoint and calls
    `leave`. A second signal to this process, a second or more after the first, kills.
    """

    def __init__(self):
        self.number = None  # of the signal that came, to this process or to another one of the run
        self.came = None  # when this process got its first one
        self.process = None  # the process that catches signals: not the loader's workers, which inherit the handler
        self.is_deferred = False
        self.saved = None  # newest checkpoint
        self.remedy = None  # what to do after a signal, in place of going on from there
        self.is_told = False

    def catch(self):
        """For the main thread of a command line, before anything that takes long."""
        self.process = os.getpid()
        atexit.register(_kill_workers)
        for number in ANSWERED:
            if number in (signal.SIGTERM, signal.SIGINT) or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._handle)

    def _handle(self, number, frame):
        if number not in (signal.SIGTERM, signal.SIGINT):
            _leave_terminal()
        if os.getpid() != self.process or (self.came is not None and time.monotonic() - self.came > 1):
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif self.came is None:  # else: a launcher passes on the Ctrl-C that the terminal has sent to all already
            self.came = time.monotonic()
            if self.number is None:  # else another process has told this one, which is about to leave
                self.number = number
                if not self.is_deferred:
                    self.leave()

    @contextlib.contextmanager
    def deferred(self):
        """In this block a signal waits for whoever looks at `number`; when the block is done it waits no longer."""
        self.is_deferred = True
        try:
            yield
        finally:
            self.is_deferred = False
        if self.number is not None:
            self.leave()

    def leave(self):
        """End the process. Raises SystemExit."""
        self.tell()
        sys.exit(128 + self.number)

    def tell(self):
        """The main process prints how to go on."""
        if os.environ.get("RANK", "0") == "0" and not self.is_told:
            self.is_told = True
            now = how_to_go_on(self.saved) if self.saved else "this run has saved no checkpoint"
            now = self.remedy or now
            program, name = os.path.basename(sys.argv[0]), signal.Signals(self.number).name
            try:
                print(f"{program}: ended by {name}; {now}", file=sys.stderr, flush=True)
            except OSError:  # a pipe whose reader has gone with the terminal
                _leave_terminal(always=True)


signals = Signals()


def ignoring_signals():
    """A `worker_init_fn` for a loader: what is sent to the whole process group is the trainer's to answer, and it needs
    its workers. Where nobody answers (`signals.catch` was not called), signals do what they always do.
    """
    return functools.partial(_ignore_signals, signals.process is not None)


def _ignore_signals(answered, worker):
    if answered:  # known from the trainer's process: a worker may begin with nothing of its memory
        for number in ANSWERED:
            signal.signal(number, signal.SIG_IGN)


def _leave_terminal(always=False):
    """After SIGHUP: where the terminal is gone, what is still printed goes nowhere, and not into an error."""
    for stream in (1, 2):
        try:
            is_gone = always or os.write(stream, b"") < 0
        except OSError:
            is_gone = True
        if is_gone:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _kill_workers():
    """At the exit, before multiprocessing's own: that sends SIGTERM, which they ignore, and waits for them."""
    workers = multiprocessing.active_children()
    if workers and hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler would raise an error at each end
    for worker in workers:
        worker.kill()


class EvaluationLeft(Exception):
    """A signal has come; the evaluation is left between two batches."""


class Interruptible:
    """A `Trainer` that can be ended and goes on as if it had not been: `(Interruptible, VerifiedCheckpoints, Trainer)`.

    - After a signal (`signals.catch()`): a checkpoint at the end of the step or, in an evaluation, before its next
      batch; then the process ends. A resumed run makes the evaluation that was left or not begun.
    - Memory that runs out, and a loss or gradient that is no number (found when it is logged): `TrainingStopped`.

    Attributes:
        place_of: function from the index of a training example to its place in its file, for messages; or None.
    """

    place_of = None

    def __init__(self, *args, **kwargs):
        self._at_work = None  # (flag of the batch size, shape of the batch)
        with self._memory():  # the model goes to its device
            super().__init__(*args, **kwargs)
        # the filter puts averages in place of losses that are no number, and waits for the device at every step
        self.args.logging_nan_inf_filter = False
        self._evaluates = False
        self._last_step = None  # the step that was logged, evaluated and saved last, as far as that was due
        self._owes_evaluation = False  # at the checkpoint that this run goes on from
        self._is_out_of_patience = False  # as it was there
        self._first_bad = None  # the first step since the log without a number, or NEVER: a tensor on the device

    def train(self, *args, **kwargs):
        with signals.deferred(), self._memory(), contextlib.suppress(EvaluationLeft):
            return super().train(*args, **kwargs)

    def predict(self, *args, **kwargs):
        with self._memory():
            return super().predict(*args, **kwargs)

    def _get_dataloader(self, *args, **kwargs):  # for evaluation; for training: `ner_model.batching.own_batches`
        loader = super()._get_dataloader(*args, **kwargs)
        loader.base_dataloader.worker_init_fn = ignoring_signals()
        return loader

    def _prepare_inputs(self, inputs):  # comes before each batch, in training and in evaluation
        if self._evaluates and self._asked_to_stop():
            raise EvaluationLeft
        self._at_work = TRAIN_SIZE if self.model.training else EVAL_SIZE, tuple(inputs["input_ids"].shape)
        return super()._prepare_inputs(inputs)

    # signals

    def _asked_to_stop(self):
        """Whether a signal has come, to whichever process. Costs nothing with one, a small all-reduce with several."""
        if self.args.world_size > 1 and signals.process is not None:
            import torch

            if not hasattr(self, "_agreement"):  # on the CPU, whatever the gradients use: no waiting for a device
                timeout = self.args.ddp_timeout_delta
                self._agreement = torch.distributed.new_group(backend="gloo", timeout=timeout)
            number = torch.tensor(signals.number or 0)
            torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX, group=self._agreement)
            if agreed := int(number):
                signals.number = agreed
            return agreed > 0  # not what came meanwhile: the others hear of that the next time
        return signals.number is not None

    def _evaluate(self, *args, **kwargs):
        import torch

        self._evaluates = True
        try:
            with torch.random.fork_rng(devices=[]):  # whether it was made then or now: training goes on the same
                return super()._evaluate(*args, **kwargs)
        finally:
            self._evaluates = False

    def _maybe_log_save_evaluate(self, tr_loss, grad_norm, model, trial, *args, **kwargs):
        """After each step, and once more after the last step of an epoch: what is due at its end is known only then."""
        state, control = self.state, self.control
        epoch_ends = state.epoch == int(state.epoch) or control.should_epoch_stop or control.should_training_stop
        comes_again = epoch_ends and state.global_step != self._last_step and not control.should_evaluate
        self._last_step = state.global_step
        saves = control.should_save
        if comes_again:  # nothing is saved before the evaluation that may come with the end of the epoch
            control.should_save = False
        no_memory = None
        if comes_again or not self._asked_to_stop():
            try:
                super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, trial, *args, **kwargs)
                self.control.should_save = comes_again and saves
                return
            except EvaluationLeft:
                pass
            except (RuntimeError, MemoryError) as error:  # the epoch is not lost for an evaluation that does not fit
                in_evaluation = self._at_work is not None and self._at_work[0] == EVAL_SIZE
                if not in_evaluation or not is_out_of_memory(error) or self.args.world_size > 1:
                    raise
                no_memory = error
        evaluate, self.control.should_evaluate, self.control.should_save = self.control.should_evaluate, False, False
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, trial, *args, **kwargs)  # the log alone
        self.control.should_evaluate = evaluate  # goes into the checkpoint
        self._save_checkpoint(model, trial)
        if no_memory is not None:
            raise no_memory
        signals.tell()
        self.accelerator.wait_for_everyone()  # a launcher kills the others when the first has left
        signals.leave()

    def _save_checkpoint(self, model, trial):
        from accelerate.utils import gather_object

        if not all(gather_object([not self._steps_without_number()])):
            self._stop_for_no_number()
        super()._save_checkpoint(model, trial)
        signals.saved = self._newest

    def _load_callback_state(self):
        """On resuming, with the state as it was saved: is an evaluation due, and how much patience is left?"""
        from transformers.trainer_callback import EarlyStoppingCallback, ExportableState

        super()._load_callback_state()
        stored = self.state.stateful_callbacks
        self._owes_evaluation = stored["TrainerControl"]["args"]["should_evaluate"]
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, ExportableState):
                for name, value in stored.setdefault(type(callback).__name__, callback.state())["attributes"].items():
                    setattr(callback, name, value)
            if isinstance(callback, EarlyStoppingCallback):
                self._is_out_of_patience = callback.early_stopping_patience_counter >= callback.early_stopping_patience
        signals.saved = self._newest

    def _settle(self, trial, ignore_keys, start_time):
        """Make the evaluation that the checkpoint resumed from owes, and stop where that run would have stopped."""
        if self._owes_evaluation:
            self._owes_evaluation = False
            self._load_rng_state(self._newest)
            self.control.should_evaluate = self.control.should_save = True
            self._maybe_log_save_evaluate(
                self._tr_loss, None, self.model_wrapped, trial, self.state.epoch, ignore_keys, start_time
            )
        if self._is_out_of_patience or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True

    def _run_epoch(self, **given):
        self._settle(given["trial"], given["ignore_keys_for_eval"], given["start_time"])
        if not self.control.should_training_stop:  # Trainer itself takes a step too many if it resumes at the last one
            super()._run_epoch(**given)

    def _finalize_training(self, trial, num_train_samples, start_time):
        self._settle(trial, None, start_time)
        return super()._finalize_training(trial, num_train_samples, start_time)

    # memory, and what DistributedDataParallel says of weights that have no gradient

    @contextlib.contextmanager
    def _memory(self):
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if "Expected to have finished reduction in the prior iteration" in str(error):
                raise TrainingStopped(
                    f"{type(self.model).__name__} has weights that this training does not use; with several processes"
                    " give --ddp_find_unused_parameters true"
                ) from error
            if not is_out_of_memory(error):
                raise
            if self._at_work is None:
                fix = "give a smaller --model, or make room"
                raise TrainingStopped(f"out of memory before the first batch: {fix}") from error
            flag, (rows, tokens) = self._at_work
            more = ", or lower --max_length"
            if flag == TRAIN_SIZE:
                now = self.args.gradient_accumulation_steps
                more = f", with a higher --gradient_accumulation_steps (now {now}) for steps as large as before{more}"
            elif self._newest:  # a run with another --max_length would not go on from it
                more = f", then {how_to_go_on(self._newest)}"
            raise TrainingStopped(
                f"out of memory at step {self.state.global_step}, with a batch of {rows} windows x {tokens} tokens:"
                f" lower {flag} (now {getattr(self.args, flag[2:])}){more}"
            ) from error

    # numbers

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self._look_at(loss)
        return loss

    def _get_grad_norm(self, *args, **kwargs):
        norm = super()._get_grad_norm(*args, **kwargs)
        # fp16 leaves out steps that overflow; some engines give a float, or one norm in several parts
        if hasattr(norm, "device") and not hasattr(norm, "full_tensor") and self.accelerator.scaler is None:
            self._look_at(norm)
        return norm

    def _look_at(self, figure):
        """Is it a number? The answer stays on the device: nothing waits for it."""
        import torch

        step = torch.where(figure.detach().isfinite(), NEVER, self.state.global_step)
        self._first_bad = step if self._first_bad is None else torch.minimum(self._first_bad, step)

    def log(self, logs, start_time=None):
        """As `Trainer.log`. Raises `TrainingStopped` if the loss or its gradient was no number since the last."""
        from accelerate.utils import gather_object

        super().log(logs, start_time)
        if not {"loss", "train_loss"} & set(logs):
            return
        names = ("loss", "train_loss") if self.accelerator.scaler else ("loss", "train_loss", "grad_norm")
        good = all(math.isfinite(logs.get(name, 0)) for name in names)
        if "train_loss" in logs:  # the last log, with this process's own mean; what came after the one before is there
            good = all(gather_object([good and not self._steps_without_number()]))
        if not good:
            self._stop_for_no_number()
        self._first_bad = None

    def _steps_without_number(self):
        """The first step since the last log whose loss or gradient is no number in this process: one, or none."""
        first = NEVER if self._first_bad is None else int(self._first_bad)
        return [] if first == NEVER else [first]

    def _stop_for_no_number(self):
        """Find the first step whose loss or gradient is no number, in whichever process, and name its examples."""
        from accelerate.utils import gather_object

        step = min(gather_object(self._steps_without_number() or [self.state.global_step - 1]))
        examples = gather_object(self._examples_of(step))
        if not self.is_world_process_zero():
            sys.exit(1)
        places = ", ".join(self.place_of(k) if self.place_of else f"example {k}" for k in sorted(set(examples)))
        precision = ", or train with --bf16 false" if self.args.bf16 else ""
        raise TrainingStopped(
            f"the loss or its gradient is no number from step {step + 1} on; its batch: {places}. Look at these, or"
            f" lower --learning_rate or --max_grad_norm{precision}"
        )

    def _examples_of(self, step):
        """Indices of the training examples that this process takes in a step (the first is 0)."""
        loader = self.callback_handler.train_dataloader
        epoch, step = divmod(step, self._run["steps per epoch"])
        loader.set_epoch(epoch)
        size = self.args.gradient_accumulation_steps
        return list(itertools.chain(*itertools.islice(loader.batch_sampler, step * size, (step + 1) * size)))


def places_in_files(sentences, encoded, file):
    """A function from the number of a window to `file:line`, where its sentence starts.

    Args:
        sentences: sentence table (`row`, and `file` where there are several).
        encoded: `ner_data.windows.Encoded` of these sentences.
        file: the file or data set, where the table does not say.
    """

    def place_of(window):
        k = encoded.table["sentence"][window].as_py()
        name = sentences["file"][k].as_py() if "file" in sentences.column_names else file
        return f"{name}:{sentences['row'][k].as_py()}"

    return place_of
