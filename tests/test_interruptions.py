"""Signals, memory that runs out, numbers that are none: how a training ends, and that it goes on to the same bytes."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from forked_training import ROOT, prepare, weights

from ner_model import interruptions
from ner_model.batching import LengthBuckets
from ner_model.checkpoints import TrainingStopped, fault_of
from ner_model.interruptions import Interruptible, Signals, places_in_files

EVALUATED = "finished: [[3, 0.2], [6, 0.9], [9, 0.5]] 9\n"


def line(directory, name):
    return (
        f"forked_training.py: ended by {name}; go on with the same command and --output_dir {directory}"
        " --resume_from_checkpoint"
    )


def rows(output):
    """The epochs whose evaluation was made and printed."""
    return re.findall(r"^ (\d\.\d\d)  ", output, re.M)


SIGNALS = {  # event, step, signal -> the checkpoint, the evaluations that were made before it and after it
    "in the first epoch": ("on_step_begin", 0, "SIGTERM", 1, [], ["1.00", "2.00", "3.00"]),
    "in the second": ("on_step_begin", 4, "SIGINT", 5, ["1.00"], ["2.00", "3.00"]),
    "in the last step of an epoch": ("on_step_begin", 5, "SIGTERM", 6, ["1.00"], ["2.00", "3.00"]),
    "after it": ("on_epoch_end", 6, "SIGTERM", 6, ["1.00"], ["2.00", "3.00"]),
    "in the evaluation of the best": ("on_prediction_step", 6, "SIGINT", 6, ["1.00"], ["2.00", "3.00"]),
    "after the evaluation": ("on_evaluate", 6, "SIGTERM", 7, ["1.00", "2.00"], ["3.00"]),
    "after the save": ("on_save", 6, "SIGTERM", 7, ["1.00", "2.00"], ["3.00"]),
    "in the last evaluation": ("on_prediction_step", 9, "SIGTERM", 9, ["1.00", "2.00"], ["3.00"]),
    "after the last save": ("on_save", 9, "SIGTERM", 9, ["1.00", "2.00", "3.00"], []),
}


@pytest.mark.parametrize("case", SIGNALS)
def test_a_signal_leaves_a_checkpoint_and_the_run_goes_on_to_the_same_bytes(case, forked, whole, tmp_path):
    event, step, name, saved, before, after = SIGNALS[case]
    code, output = forked.run(tmp_path, overwrite=True, signals_at=[[event, step, name, 0]])
    assert code == {"SIGTERM": 143, "SIGINT": 130}[name]
    assert output.splitlines()[-1] == line(tmp_path, name) and "Traceback" not in output
    assert rows(output) == before
    assert fault_of(tmp_path / f"checkpoint-{saved}") is None and not (tmp_path / "config.json").exists()
    code, output = forked.run(tmp_path, resume="true")
    assert code == 0, output
    assert f"going on from {tmp_path}/checkpoint-{saved}\n" in output
    assert rows(output) == after and output.endswith(EVALUATED)
    assert weights(tmp_path) == whole[1]
    assert {"checkpoint-6", "checkpoint-9"} <= set(os.listdir(tmp_path))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(("event", "step"), [("on_step_begin", 4), ("on_prediction_step", 6)])
def test_a_signal_that_the_workers_get_too(name, event, step, forked, whole, tmp_path):
    """With workers that load the batches: as when it is sent to the process group."""
    arguments = {"dataloader_num_workers": 2}
    code, output = forked.run(tmp_path, overwrite=True, signals_at=[[event, step, name, 0]], arguments=arguments)
    assert code == {"SIGTERM": 143, "SIGINT": 130}[name] and "Traceback" not in output, output
    assert output.splitlines()[-1] == line(tmp_path, name)
    code, output = forked.run(tmp_path, resume="true", arguments=arguments)
    assert code == 0 and output.endswith(EVALUATED), output
    assert weights(tmp_path) == whole[1]


def test_workers_that_ignore_signals_do_not_keep_a_failed_run():
    """An error that nobody catches keeps the loader alive; multiprocessing would wait for its worker for ever."""
    code = (
        "from torch.utils.data import DataLoader\n"
        "from ner_model.interruptions import ignoring_signals, signals\n"
        "signals.catch()\n"
        "batches = iter(DataLoader(range(100), num_workers=1, worker_init_fn=ignoring_signals()))\n"
        "next(batches)\n"
        "raise RuntimeError('no device')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.returncode == 1 and run.stderr.strip().endswith("RuntimeError: no device")


def test_ended_again_and_again(forked, whole, tmp_path):
    """Also in an evaluation that the run before had left already."""
    endings = [("on_step_begin", 1), ("on_prediction_step", 3), ("on_prediction_step", 3), ("on_step_end", 7)]
    for k, (event, step) in enumerate(endings):
        how = {"resume": "true"} if k else {"overwrite": True}
        assert forked.run(tmp_path, signals_at=[[event, step, "SIGTERM", 0]], **how)[0] == 143
    code, output = forked.run(tmp_path, resume="true")
    assert code == 0 and output.endswith(EVALUATED)
    assert weights(tmp_path) == whole[1]


def test_an_evaluation_that_was_left_is_made_where_another_run_goes_on(forked, whole, tmp_path):
    assert forked.run(tmp_path / "a", signals_at=[["on_prediction_step", 6, "SIGTERM", 0]])[0] == 143
    code, output = forked.run(tmp_path / "b", resume=str(tmp_path / "a" / "checkpoint-6"))
    assert code == 0 and output.endswith(EVALUATED), output
    assert weights(tmp_path / "b") == whole[1]
    assert sorted(os.listdir(tmp_path / "a")) == ["checkpoint-3", "checkpoint-6"]


def test_steps_in_place_of_epochs(forked, tmp_path):
    """Evaluation and saves by steps, accumulated batches, no save of the trainer's own at the end of an epoch."""
    arguments = {f"{what}_strategy": "steps" for what in ("eval", "save", "logging")}
    arguments |= {"eval_steps": 2, "save_steps": 2, "logging_steps": 1}
    arguments |= {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 2}
    code, whole = forked.run(tmp_path / "whole", arguments=arguments)
    assert code == 0 and whole.endswith("finished: [[2, 0.1], [4, 0.1], [6, 0.9], [8, 0.1], [9, 0.5]] 9\n")
    for k, (event, step) in enumerate([("on_prediction_step", 6), ("on_step_begin", 4), ("on_prediction_step", 9)]):
        directory = tmp_path / str(k)
        code, output = forked.run(directory, arguments=arguments, signals_at=[[event, step, "SIGTERM", 0]])
        assert code == 143, output
        code, output = forked.run(directory, arguments=arguments, resume="true")
        assert code == 0 and output.splitlines()[-1] == whole.splitlines()[-1], output
        assert weights(directory) == weights(tmp_path / "whole")


def test_an_evaluation_is_made_where_a_save_by_steps_falls_on_the_end_of_an_epoch(forked, tmp_path):
    arguments = {"save_strategy": "steps", "save_steps": 3, "save_total_limit": None, "load_best_model_at_end": False}
    code, whole = forked.run(tmp_path / "whole", arguments=arguments)
    assert code == 0 and whole.endswith(EVALUATED) and rows(whole) == ["1.00", "2.00", "3.00"]
    for k, event in enumerate(["on_prediction_step", "on_evaluate"]):
        directory = tmp_path / str(k)
        code, output = forked.run(directory, arguments=arguments, signals_at=[[event, 3, "SIGTERM", 0]])
        assert code == 143, output
        code, output = forked.run(directory, arguments=arguments, resume="true")
        assert code == 0 and output.endswith(EVALUATED), output
        assert weights(directory) == weights(tmp_path / "whole")


def test_patience_goes_on_too(forked, tmp_path):
    """Early stopping after the fourth epoch of five: the second one without a better score."""
    job = {"arguments": {"num_train_epochs": 5}, "patience": 2}
    evaluated = "finished: [[3, 0.2], [6, 0.9], [9, 0.5], [12, 0.1]] 12\n"
    code, output = forked.run(tmp_path / "whole", **job)
    assert code == 0 and output.endswith(evaluated), output
    for event, step in (("on_step_begin", 10), ("on_prediction_step", 12), ("on_save", 12)):
        directory = tmp_path / event
        assert forked.run(directory, **job, signals_at=[[event, step, "SIGTERM", 0]])[0] == 143
        code, output = forked.run(directory, **job, resume="true")
        assert code == 0 and output.endswith(evaluated), output
        assert weights(directory) == weights(tmp_path / "whole")
    # a callback that the checkpoint knows nothing of
    job.pop("patience")
    assert forked.run(tmp_path / "b", **job, signals_at=[["on_step_begin", 1, "SIGTERM", 0]])[0] == 143
    code, output = forked.run(tmp_path / "b", **job, patience=2, resume="true")
    assert code == 0 and output.endswith(evaluated), output


def test_a_run_that_ends_in_mid_epoch_takes_no_step_too_many(forked, tmp_path):
    arguments = {"max_steps": 5, "load_best_model_at_end": False}
    code, output = forked.run(tmp_path, arguments=arguments)
    assert code == 0 and output.endswith("finished: [[3, 0.2], [5, 0.1]] 5\n"), output
    before = weights(tmp_path)
    code, output = forked.run(tmp_path, arguments=arguments, resume="true")
    assert code == 0 and output.endswith("finished: [[3, 0.2], [5, 0.1]] 5\n"), output
    assert weights(tmp_path) == before


def assert_two_processes_end_together(forked, tmp_path):
    whole = forked.processes(2, output_dir=tmp_path / "whole")
    assert [code for code, _ in whole] == [0, 0], whole
    for k, (event, step, rank, saved) in enumerate(
        [("on_step_begin", 3, 1, 4), ("on_step_begin", 5, 0, 6), ("on_prediction_step", 6, 1, 6)]
    ):
        directory = tmp_path / str(k)
        ended = forked.processes(2, output_dir=directory, signals_at=[[event, step, "SIGTERM", rank]])
        assert [code for code, _ in ended] == [143, 143], ended
        assert ended[0][1].splitlines()[-1] == line(directory, "SIGTERM") and "Traceback" not in ended[1][1]
        assert "ended by" not in ended[1][1]
        checkpoint = directory / f"checkpoint-{saved}"
        assert fault_of(checkpoint) is None
        files = json.loads((checkpoint / "manifest.json").read_text())["files"]
        assert {"rng_state_0.pth", "rng_state_1.pth"} <= set(files)
        gone_on = forked.processes(2, output_dir=directory, resume="true")
        assert [code for code, _ in gone_on] == [0, 0], gone_on
        assert gone_on[0][1].endswith(EVALUATED)
        assert weights(directory) == weights(tmp_path / "whole")


def test_two_processes_end_together_when_one_gets_the_signal(forked, tmp_path):
    assert_two_processes_end_together(forked, tmp_path)


SIGNALLED = """
import os, signal, sys, time
from ner_model.interruptions import signals
sys.argv = ["run_ner.py"]
signals.catch()
def kill(): os.kill(os.getpid(), signal.{name})
{code}
print("not reached")
"""


@pytest.mark.parametrize(
    "name, code, exit_code, message",
    [
        ("SIGTERM", "kill()", 143, "run_ner.py: ended by SIGTERM; this run has saved no checkpoint\n"),
        ("SIGINT", "kill()", 130, "run_ner.py: ended by SIGINT; this run has saved no checkpoint\n"),
        (
            "SIGTERM",
            "signals.saved = 'runs/a/checkpoint-7'; kill()",
            143,
            "run_ner.py: ended by SIGTERM; go on with the same command and --output_dir runs/a"
            " --resume_from_checkpoint\n",
        ),
        # the same Ctrl-C, from the terminal and from a launcher
        (
            "SIGINT",
            "with signals.deferred():\n kill(); kill(); print('on')",
            130,
            "run_ner.py: ended by SIGINT; this run has saved no checkpoint\n",
        ),
        ("SIGINT", "with signals.deferred():\n kill(); signals.came -= 1; kill()", -signal.SIGINT, ""),
        # another process has told of a signal; this one's own first kills nothing
        (
            "SIGTERM",
            "with signals.deferred():\n signals.number = signal.SIGINT; time.sleep(1.1); kill(); print('on')",
            130,
            "run_ner.py: ended by SIGINT; this run has saved no checkpoint\n",
        ),
        # a terminal that is closed
        (
            "SIGHUP",
            "with signals.deferred():\n kill(); print('on')",
            129,
            "run_ner.py: ended by SIGHUP; this run has saved no checkpoint\n",
        ),
        (
            "SIGHUP",
            "signal.signal(signal.SIGHUP, signal.SIG_IGN); signals.catch(); kill(); sys.exit(7)",
            7,
            "",
        ),  # nohup
        # a worker of a data loader
        (
            "SIGTERM",
            "with signals.deferred():\n if os.fork() == 0: kill(); print('the child lives')\n print(os.wait()[1])",
            0,
            "",
        ),
    ],
)
def test_signals(name, code, exit_code, message):
    run = subprocess.run(
        [sys.executable, "-c", SIGNALLED.format(name=name, code=code)], capture_output=True, text=True, cwd=ROOT
    )
    assert (run.returncode, run.stderr) == (exit_code, message), run
    if exit_code == 130:
        assert run.stdout in ("", "on\n")
    if exit_code == 0:
        assert run.stdout == f"{int(signal.SIGTERM)}\nnot reached\n"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_ignore_signals_however_they_begin(method):
    code = (
        "import os, signal, time\n"
        "from torch.utils.data import DataLoader\n"
        "from ner_model.interruptions import ignoring_signals, signals\n"
        "if __name__ == '__main__':\n"
        "    signals.catch()\n"
        "    made = {'num_workers': 1, 'multiprocessing_context': METHOD, 'worker_init_fn': ignoring_signals()}\n"
        "    batches = iter(DataLoader(list(range(100)), **made))\n"
        "    next(batches)\n"
        "    os.kill(batches._workers[0].pid, signal.SIGINT)\n"
        "    time.sleep(0.2)\n"
        "    print(len(list(batches)))\n"
    ).replace("METHOD", repr(method))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (0, "99\n", ""), run


def test_a_signal_that_comes_while_the_processes_agree_is_not_lost(monkeypatch):
    """Nor acted upon by this process alone: the others hear of it the next time."""
    own = Signals()
    monkeypatch.setattr(interruptions, "signals", own)
    own.process = os.getpid()
    trainer = SimpleNamespace(args=SimpleNamespace(world_size=2), _agreement=None)
    asked = []

    def all_reduce(number, how, group):
        asked.append(int(number))
        own.number = signal.SIGTERM

    monkeypatch.setattr("torch.distributed.all_reduce", all_reduce)
    assert [Interruptible._asked_to_stop(trainer) for _ in range(2)] == [False, True]
    assert asked == [0, signal.SIGTERM] and own.number == signal.SIGTERM


def test_the_first_step_without_a_number_is_kept():
    trainer = SimpleNamespace(_first_bad=None, state=SimpleNamespace(global_step=0))
    for step, figure in enumerate([1.0, float("inf"), 2.0, float("nan"), 3.0]):
        trainer.state.global_step = step
        Interruptible._look_at(trainer, torch.tensor(figure))
        assert Interruptible._steps_without_number(trainer) == ([] if step < 1 else [1])


@pytest.mark.parametrize(
    ("resumed", "how"),
    [
        (None, "this run has saved no checkpoint"),
        ("runs/a/checkpoint-7", "go on with the same command and --output_dir runs/a --resume_from_checkpoint"),
    ],
)
def test_a_signal_while_files_are_read(resumed, how):
    code = (
        "import os, runpy, signal, sys, ner_data.read, ner_model.checkpoints\n"
        f"ner_model.checkpoints.check_output_dir = lambda *_: {resumed!r}\n"
        "ner_data.read.read_corpus = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['run_ner.py']\n"
        "runpy.run_path('run_ner.py', run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (run.returncode, run.stderr) == (130, f"run_ner.py: ended by SIGINT; {how}\n")


def examples(forked, step, batch_size=4):
    """The windows of a step (the first is 0), from the order of batches itself, and the lengths of all."""
    _, _, windows = prepare(forked.directory / "encoder")
    lengths = np.array([len(window["input_ids"]) for window in windows])
    buckets = LengthBuckets(lengths, batch_size, 42)
    buckets.set_epoch(step // 3)
    return sorted(next(itertools.islice(buckets, step % 3, None))), lengths


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("where", ["weights", "gradients"])
def test_a_loss_that_is_no_number_ends_the_run_when_it_is_logged(where, processes, forked, tmp_path):
    job = {"output_dir": tmp_path, "overwrite": True, "at": ["on_step_begin", 4], "nan": where}
    ended = forked.processes(processes, **job)
    assert [code for code, _ in ended] == [1] * processes, ended
    places = ", ".join(f"example {k}" for k in examples(forked, 4)[0])
    assert ended[0][1].splitlines()[-1] == (
        f"message: the loss or its gradient is no number from step 5 on; its batch: {places}. Look at these, or"
        " lower --learning_rate or --max_grad_norm"
    )
    assert all("Traceback" not in output for _, output in ended)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint-3"]


@pytest.mark.parametrize("where", ["weights", "gradients"])
@pytest.mark.parametrize("processes", [1, 2])
def test_weights_that_are_no_numbers_are_not_saved_between_two_logs(where, processes, forked, tmp_path):
    """Neither when a save is due nor when a signal comes; the checkpoint before stays."""
    saves = {"logging_strategy": "no", "eval_strategy": "no", "save_strategy": "steps", "save_steps": 2}
    job = {"arguments": {"load_best_model_at_end": False, **saves}, "at": ["on_step_begin", 4], "nan": where}
    for name, signals_at in (("due", []), ("signal", [["on_step_begin", 4, "SIGTERM", processes - 1]])):
        ended = forked.processes(processes, output_dir=tmp_path / name, overwrite=True, signals_at=signals_at, **job)
        assert [code for code, _ in ended] == [1] * processes, ended
        assert "message: the loss or its gradient is no number from step 5 on; its batch: " in ended[0][1]
        assert os.listdir(tmp_path / name) == ["checkpoint-4"]
        assert fault_of(tmp_path / name / "checkpoint-4") is None


def test_no_number_is_found_where_nothing_is_logged_before_the_end(forked, tmp_path):
    arguments = {"logging_strategy": "no"}
    code, output = forked.run(tmp_path, at=["on_step_begin", 4], nan="weights", arguments=arguments)
    places = ", ".join(f"example {k}" for k in examples(forked, 4)[0])  # of an epoch before the last one
    assert code == 1 and f"no number from step 5 on; its batch: {places}. Look" in output


def test_no_number_in_the_last_step_is_found_where_nothing_is_saved(forked, tmp_path):
    """The loss was one, its gradient was not: what is scored after it would be a model without numbers."""
    nothing = {"logging_strategy": "no", "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    code, output = forked.run(tmp_path, at=["on_step_begin", 8], nan="gradients", arguments=nothing)
    assert code == 1 and "no number from step 9 on; its batch: " in output


def test_the_places_of_windows_are_lines_of_files():
    table = pa.table({"row": [2, 9, 4], "file": ["a.csv", "a.csv", "b.csv"]})

    class Encoded:
        table = pa.table({"sentence": np.array([0, 1, 1, 2])})

    place_of = places_in_files(table, Encoded, "c.csv")
    assert [place_of(k) for k in range(4)] == ["a.csv:2", "a.csv:9", "a.csv:9", "b.csv:4"]
    assert places_in_files(table.drop_columns("file"), Encoded, "c.csv")(3) == "c.csv:4"


def test_weights_that_are_not_used_are_named_with_the_flag():
    trainer = Interruptible.__new__(Interruptible)
    trainer.model = torch.nn.Identity()
    message = "Identity has weights .*; with several processes give --ddp_find_unused_parameters true"
    with pytest.raises(TrainingStopped, match=message), trainer._memory():
        raise RuntimeError("Expected to have finished reduction in the prior iteration before starting a new one.")


def test_memory_that_runs_out_names_the_batch(forked, tmp_path):
    batch, lengths = examples(forked, 4)
    tokens = max(lengths[batch])
    arguments = {"gradient_accumulation_steps": 1}
    code, output = forked.run(tmp_path, at=["on_step_begin", 4], no_memory=2**55, arguments=arguments)
    assert code == 1 and "Traceback" not in output
    assert output.splitlines()[-1] == (
        f"message: out of memory at step 4, with a batch of 4 windows x {tokens} tokens: lower"
        " --per_device_train_batch_size (now 4), with a higher --gradient_accumulation_steps (now 1) for steps as large"
        " as before, or lower --max_length"
    )


@pytest.mark.parametrize("step", [3, 6])
def test_an_epoch_is_not_lost_for_an_evaluation_that_does_not_fit(step, forked, whole, tmp_path):
    _, lengths = examples(forked, 4)
    code, output = forked.run(tmp_path, at=["on_epoch_end", step], no_memory=2**55)
    assert (
        code == 1
        and "Traceback" not in output
        and output.splitlines()[-1]
        == (
            f"message: out of memory at step {step}, with a batch of 3 windows x {max(lengths)} tokens: lower"
            f" --per_device_eval_batch_size (now 3), then go on with the same command and --output_dir {tmp_path}"
            " --resume_from_checkpoint"
        )
    )
    code, output = forked.run(tmp_path, resume="true", arguments={"per_device_eval_batch_size": 2})
    assert code == 0 and f"going on from {tmp_path}/checkpoint-{step}\n" in output, output
    assert output.endswith("finished: [[3, 0.2], [6, 0.9], [9, 0.5]] 9\n")
    assert weights(tmp_path) == whole[1]
