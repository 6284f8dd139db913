"""Checkpoints: whole or not there, verified before use, and gone on from to the same bytes."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil

import pytest
from forked_training import weights

import run_ner
from ner_data import InputError
from ner_model.checkpoints import (
    MANIFEST,
    check_output_dir,
    clear_checkpoints,
    fault_of,
    newest_verified,
    seal,
)
from ner_model.run_directory import new_run_directory


def entries(directory):
    return sorted(os.listdir(directory))


def assert_goes_on(forked, whole, directory, begin):
    """Resume, from the checkpoint that is expected, to the weights of the run that nothing ended."""
    code, output = forked.run(directory, resume="true")
    assert code == 0, output
    assert f"going on from {directory}/{begin}\n" in output
    assert output.endswith("finished: [[3, 0.2], [6, 0.9], [9, 0.5]] 9\n")
    assert weights(directory) == whole[1]
    assert entries(directory) == entries(whole[0])


def test_the_run_that_nothing_ended(whole):
    directory, _, operations = whole
    # the newest and the best; save_total_limit is 1
    assert entries(directory) == [
        *("checkpoint-6", "checkpoint-9", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    ]
    assert fault_of(directory / "checkpoint-6") is None and fault_of(directory / "checkpoint-9") is None
    state = json.loads((directory / "checkpoint-9" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(directory / "checkpoint-6")
    model = (directory / "model.safetensors").read_bytes()
    assert model == (directory / "checkpoint-6" / "model.safetensors").read_bytes()
    assert model != (directory / "checkpoint-9" / "model.safetensors").read_bytes()
    # every file is flushed before the manifest is written, the manifest before the rename, and that before the next
    written = operations[operations.index("mkdir _saving/checkpoint-6") : operations.index("rmdir _saving", 30) + 1]
    manifest = written.index("open _saving/checkpoint-6/manifest.json")
    files = json.loads((directory / "checkpoint-6" / "manifest.json").read_text())["files"]
    assert {f"fsync _saving/checkpoint-6/{name}" for name in files} == set(written[manifest - len(files) : manifest])
    assert written[manifest + 1 :] == [
        *("fsync _saving/checkpoint-6/manifest.json", "fsync _saving/checkpoint-6", "rename _saving/checkpoint-6"),
        *("fsync .", "rmdir _saving"),
    ]
    renamed = [k for k, name in enumerate(operations) if re.fullmatch(r"rename _saving/[\w.]+", name)]
    assert len(renamed) == 4 and operations[-1] == "fsync ."
    # the model's files are flushed, then renamed, with nothing in between: new ones beside old ones for a moment alone
    assert renamed == list(range(renamed[0], renamed[0] + 4))
    flushed = [operations[k].replace("rename", "fsync") for k in renamed]
    assert [name for name in operations[renamed[0] - 6 : renamed[0]] if name.startswith("fsync")] == flushed


def test_killed_at_any_file_operation_it_goes_on_to_the_same_bytes(forked, whole, tmp_path):
    """Every operation of a save, of the clearing after it and of the final save, and the seams of the other saves."""
    operations = whole[2]
    first, second, third = (operations.index(f"rename _saving/checkpoint-{step}") for step in (3, 6, 9))
    begin, cleared = operations.index("mkdir _saving/checkpoint-6") - 1, operations.index("rmdir checkpoint-3")
    final = third + 3
    assert operations[begin] == operations[final] == "mkdir _saving"

    # killed in the first save: nothing to go on from
    for k in (first - 20, first - 1, first):
        directory = tmp_path / f"killed-{k}"
        assert forked.run(directory, kill_at=k + 1)[0] == -9
        assert forked.run(directory, resume="true") == (
            2,
            f"message: --resume_from_checkpoint: {directory} holds no checkpoint to go on from; to start afresh, give"
            " --overwrite_output_dir in its place\n",
        )
        code, output = forked.run(directory, overwrite=True)
        assert code == 0 and f"removed {directory}/_saving: the run before ended while it saved che" in output, output
        assert weights(directory) == whole[1]
        assert entries(directory) == entries(whole[0])

    # in the second save, each time one operation later; then while what is no longer needed is cleared away
    directory = tmp_path / "second"
    assert forked.run(directory, kill_at=begin + 1)[0] == -9
    for k in range(begin + 1, second + 1):
        code, output = forked.run(directory, resume="true", kill_at=k - begin + 1)
        assert code == -9 and f"going on from {directory}/checkpoint-3\n" in output, operations[k]
        assert fault_of(directory / "checkpoint-3") is None and not (directory / "checkpoint-6").exists()
    assert_goes_on(forked, whole, directory, "checkpoint-3")
    for k in [*range(second + 1, cleared + 1), third - 1, third, third + 1]:
        directory = tmp_path / f"killed-{k}"
        assert forked.run(directory, kill_at=k + 1)[0] == -9
        assert_goes_on(forked, whole, directory, "checkpoint-6" if k <= third else "checkpoint-9")

    # in the final save, each time one operation later: what was there is there, or what is to be there
    directory = tmp_path / "final"
    directory.mkdir()
    (directory / "model.safetensors").write_bytes(b"good")
    assert forked.run(directory, overwrite=True, kill_at=final + 1)[0] == -9
    for k in range(final + 1, len(operations)):
        code, output = forked.run(directory, resume="true", kill_at=k - final + 1)
        assert code == -9 and f"going on from {directory}/checkpoint-9\n" in output, operations[k]
        found = (directory / "model.safetensors").read_bytes()
        assert found == (b"good" if k <= operations.index("rename _saving/model.safetensors") else whole[1][0])
    assert_goes_on(forked, whole, directory, "checkpoint-9")


@pytest.fixture
def run(whole, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(whole[0], tmp_path / "run")


def cut(path, size):
    with open(path, "r+b") as file:
        file.truncate(size)


def half_zeros(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


DAMAGE = {
    "weights cut": ("model.safetensors", lambda path: cut(path, 1000), r"model.safetensors has 1,000 bytes instead of"),
    "half of the weights zero": ("model.safetensors", half_zeros, r"model.safetensors is not what was written"),
    "optimizer empty": ("optimizer.pt", lambda path: cut(path, 0), r"optimizer.pt has 0 bytes instead of"),
    "no optimizer": ("optimizer.pt", os.remove, r"optimizer.pt is missing"),
    "no scheduler": ("scheduler.pt", os.remove, r"scheduler.pt is missing"),
    "no random state": ("rng_state.pth", os.remove, r"rng_state.pth is missing"),
    "state cut": ("trainer_state.json", lambda path: cut(path, 100), r"trainer_state.json has 100 bytes instead of"),
    "no manifest": ("manifest.json", os.remove, r"not verified, it has no manifest.json \(stock Trainer or older"),
    "manifest empty": (
        "manifest.json",
        lambda path: cut(path, 0),
        r"not verified, manifest.json or a f",
    ),
    "manifest of something": (
        "manifest.json",
        lambda path: path.write_text("[1]"),
        r"not verified, manifest.json or",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_with_a_line(case, run):
    name, damage, fault = DAMAGE[case]
    newer, older = run / "checkpoint-9", run / "checkpoint-6"
    damage(newer / name)
    lines = []
    assert check_output_dir(str(run), False, "True", lines.append) == str(older)
    assert len(lines) == 2 and re.fullmatch(rf"{newer}: {fault}.*; trying the one before", lines[0]), lines
    assert lines[1] == f"going on from {older}, the newest that verifies"
    if name != "trainer_state.json":
        with pytest.raises(InputError, match=rf"--resume_from_checkpoint {newer}: {fault}.*; give another checkpoint"):
            check_output_dir(str(run), False, str(newer))
    damage(older / name)
    with pytest.raises(InputError, match=rf"{run} holds no checkpoint to go on from \({newer}: {fault}"):
        newest_verified(str(run), lines.append)


def test_a_checkpoint_of_another_directory_does_not_open_this_one(run, tmp_path):
    """A finished run in --output_dir stays, unless it is to be overwritten or the checkpoint is its own."""
    other = shutil.copytree(run, tmp_path / "other")
    checkpoint = str(other / "checkpoint-9")
    with pytest.raises(InputError, match="run: is not empty; give another"):
        check_output_dir(str(run), False, checkpoint)
    assert check_output_dir(str(run), True, checkpoint) == checkpoint
    assert check_output_dir(str(tmp_path / "new"), False, checkpoint) == checkpoint
    (tmp_path / "link").symlink_to(other)
    assert check_output_dir(str(tmp_path / "link"), False, checkpoint + "/") == str(tmp_path / "link" / "checkpoint-9")
    (run / "checkpoint-9").rename(run / "_aside-checkpoint-9")
    with pytest.raises(InputError, match="run: is not empty; give another"):  # or checkpoint-6 would be cleared away
        check_output_dir(str(run), False, str(run / "_aside-checkpoint-9"))
    (run / "_aside-checkpoint-9").rename(run / "checkpoint-9")
    lines = []
    clear_checkpoints(str(run), checkpoint, lines.append)
    assert lines == [f"--overwrite_output_dir: removed 2 checkpoints of an earlier run from {run}"]
    assert entries(other) == entries(tmp_path / "link") and fault_of(checkpoint) is None


def test_it_goes_on_from_the_one_before_and_sets_the_damaged_one_aside(forked, whole, run):
    half_zeros(run / "checkpoint-9" / "optimizer.pt")
    code, output = forked.run(run, resume="true")
    assert code == 0, output
    assert f"{run}/checkpoint-9 is now {run}/_aside-checkpoint-9: this run goes on from {run}/checkpoint-6\n" in output
    assert weights(run) == whole[1]
    assert entries(run) == ["_aside-checkpoint-9", *entries(whole[0])]
    assert fault_of(run / "checkpoint-9") is None


def test_where_the_newest_is_the_best_the_one_before_it_is_kept_too(forked, tmp_path):
    arguments = {"num_train_epochs": 2, "save_total_limit": 2}
    assert forked.run(tmp_path / "run", arguments=arguments)[0] == 0
    expected = weights(tmp_path / "run")
    half_zeros(tmp_path / "run" / "checkpoint-6" / "optimizer.pt")
    code, output = forked.run(tmp_path / "run", resume="true", arguments=arguments)
    assert code == 0 and f"going on from {tmp_path}/run/checkpoint-3, the newest that verifies\n" in output
    assert weights(tmp_path / "run") == expected


def test_a_checkpoint_without_the_state_of_its_training_is_not_gone_on_from(tmp_path):
    checkpoint = tmp_path / "checkpoint-5"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(b"weights")
    seal(checkpoint)
    assert fault_of(checkpoint) == "holds a model without the state of its training (--save_only_model)"
    (checkpoint / "manifest.json").unlink()
    (checkpoint / "shards").mkdir()
    (checkpoint / "shards" / "rng_state_0.pth").write_bytes(b"a shard")
    (checkpoint / "rng_state_0.pth").write_bytes(b"state")
    seal(checkpoint)
    assert fault_of(checkpoint) is None
    assert json.loads((checkpoint / "manifest.json").read_text())["files"]["shards/rng_state_0.pth"] == {
        "bytes": 7,
        "sha256": hashlib.sha256(b"a shard").hexdigest(),
    }


def test_the_best_checkpoint_is_verified_too(forked, run):
    half_zeros(run / "checkpoint-6" / "model.safetensors")
    code, output = forked.run(run, resume="true")
    assert code == 0, output
    fault = "model.safetensors is not what was written (SHA-256)"
    best = f"{run}/checkpoint-6, the best so far: {fault}; the best of the evaluations still to come is used\n"
    assert best in output
    assert "best checkpoint, None: there is none; the last weights are used\n" in output
    model = (run / "model.safetensors").read_bytes()  # nothing is to come: the last one
    assert model == (run / "checkpoint-9" / "model.safetensors").read_bytes()


def test_a_second_run_does_not_write_into_the_directory_of_one_that_trains(forked, run):
    before, descriptor = entries(run), os.open(run, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    for how in ({"resume": "true"}, {"overwrite": True}):
        code, output = forked.run(run, **how)
        wanted = f"message: --output_dir {run}: another run is writing into it; wait for its end, or give another\n"
        assert code == 2 and output.endswith(wanted), output
        assert entries(run) == before
    for code, output in forked.processes(2, output_dir=str(run), overwrite=True):
        assert code == 2 and "another run is writing into it" in output and "Traceback" not in output, output
    os.close(descriptor)
    assert forked.run(run, resume="true")[0] == 0


def test_a_resumed_run_saves_and_evaluates_as_it_is_told_now(forked, tmp_path):
    arguments = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 4, "save_steps": 4}
    assert forked.run(tmp_path, arguments=arguments, signals_at=[["on_step_begin", 4, "SIGTERM", 0]])[0] == 143
    code, output = forked.run(tmp_path, arguments=arguments | {"eval_steps": 2, "save_steps": 2}, resume="true")
    assert code == 0 and output.endswith("finished: [[4, 0.1], [6, 0.9], [8, 0.1], [9, 0.5]] 9\n"), output


def test_a_run_that_was_moved_finds_its_best_checkpoint(forked, whole, tmp_path):
    assert forked.run(tmp_path / "old")[0] == 0
    moved = (tmp_path / "old").rename(tmp_path / "moved")
    shutil.copytree(moved / "checkpoint-9", tmp_path / "old" / "checkpoint-6")  # where the state says the best one is
    code, output = forked.run(moved, resume="true")
    assert code == 0, output
    assert weights(moved) == whole[1]


def test_a_run_that_went_on_elsewhere_finds_its_best_checkpoint_where_it_was(forked, whole, tmp_path):
    assert forked.run(tmp_path / "a")[0] == 0
    resume = str(tmp_path / "a" / "checkpoint-6")  # the best
    code, _ = forked.run(tmp_path / "b", resume=resume, signals_at=[["on_step_end", 9, "SIGTERM", 0]])
    assert code == 143 and [name for name in entries(tmp_path / "b") if "checkpoint" in name] == ["checkpoint-9"]
    code, output = forked.run(tmp_path / "b", resume="true")
    assert code == 0 and "the best so far" not in output, output
    assert weights(tmp_path / "b") == whole[1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"seed": 7}, "of a run with --seed 42, this one has 7"),
        ({"data_seed": 7}, "of a run with --data_seed None, this one has 7"),
        ({"per_device_train_batch_size": 3}, "of a run with batch size over all processes 4, this one has 3"),
        ({"learning_rate": 1e-4}, "of a run with --learning_rate 0.001, this one has 0.0001"),
        ({"gradient_accumulation_steps": 2}, "of a run with --gradient_accumulation_steps 1, this one has 2"),
        ({"label_smoothing_factor": 0.1}, "of a run with --label_smoothing_factor 0.0, this one has 0.1"),
        ({"optim": "sgd"}, "of a run with --optim adamw_torch_fused, this one has sgd"),
        ({"adam_beta2": 0.9}, "of a run with --adam_beta2 0.999, this one has 0.9"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(forked, run, arguments, message):
    os.rename(run / "checkpoint-6", run / "checkpoint-12")  # nor is a newer one set aside
    half_zeros(run / "checkpoint-12" / "optimizer.pt")
    before = entries(run)
    code, output = forked.run(run, resume="true", arguments=arguments)
    assert code == 2
    assert output.endswith(f"message: --resume_from_checkpoint {run}/checkpoint-9: {message}; give the same, or start"
                           " a new run\n")  # fmt: skip
    assert entries(run) == before


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "labels",
        "engine",
        "training windows",
        "--weight_decay",
        "--metric_for_best_model",
        "--greater_is_better",
        "--adam_beta1",
        "--adam_epsilon",
        "--optim_args",
    ]
    + ["--lr_scheduler_type", "--lr_scheduler_kwargs", "--warmup_steps", "steps per epoch", "--seed", "--data_seed"],
)
def test_whatever_is_written_of_a_run_is_compared(forked, run, name):
    manifest = run / "checkpoint-9" / MANIFEST
    facts = json.loads(manifest.read_text())
    assert name in facts["run"]
    facts["run"][name] = "another"
    manifest.write_text(json.dumps(facts))
    code, output = forked.run(run, resume="true")
    assert code == 2 and f": of a run with {name} another, this one has " in output


def test_another_number_of_processes_is_told(forked, run):
    half_zeros(run / "checkpoint-9" / "optimizer.pt")
    manifest = run / "checkpoint-6" / MANIFEST
    facts = json.loads(manifest.read_text())
    assert facts.pop("processes") == 1
    manifest.write_text(json.dumps(facts | {"processes": 2}))
    code, output = forked.run(run, resume="true")
    assert (
        code == 0
        and (
            f"--resume_from_checkpoint {run}/checkpoint-6: saved by 2 processes, this run has 1: it does not end in"
            " the same bytes\n"
        )
        in output
    )


def test_another_way_to_train_or_another_loss_is_refused(forked, run):
    for job, message in (
        ({"labels": 2}, "of a run with weights "),
        ({"frozen": True}, "of a run with weights that learn "),
        ({"class_weights": [1.0, 2.0, 1.0]}, "of a run with --class_weights none, this one has balanced"),
        ({"copies": 2}, "of a run with --augment 0, this one has 2"),
    ):
        code, output = forked.run(run, resume="true", **job)
        assert code == 2 and message in output and output.endswith("; give the same, or start a new run\n")


def test_machines_that_do_not_share_the_directory_are_told_before_they_train(forked, tmp_path):
    for code, output in forked.processes(2, output_dir=f"{tmp_path}/{{rank}}"):
        assert code == 2 and "1 of 2 processes do not see what the main one writes there" in output, output
        assert "give a directory that all machines share" in output and "finished" not in output
    assert entries(tmp_path / "0") == []


def test_a_trainer_that_trains_twice_replaces_its_checkpoints(forked, tmp_path):
    code, output = forked.run(tmp_path, times=2)
    assert code == 0, output
    assert entries(tmp_path)[:2] == ["checkpoint-6", "checkpoint-9"] and "_saving" not in entries(tmp_path)
    assert fault_of(tmp_path / "checkpoint-6") is None and fault_of(tmp_path / "checkpoint-9") is None


def test_what_a_new_run_and_a_resumed_one_clear_away(run):
    def names():
        return [name for name in entries(run) if "checkpoint" in name or name.startswith("_")]

    (run / "_saving" / "checkpoint-12").mkdir(parents=True)
    lines = []
    clear_checkpoints(str(run), str(run / "checkpoint-9"), lines.append)
    assert lines == [f"removed {run}/_saving: the run before ended while it saved checkpoint-12"]
    assert names() == ["checkpoint-6", "checkpoint-9"]
    clear_checkpoints(str(run), os.path.relpath(run / "checkpoint-6"), lines.append)
    assert names() == ["_aside-checkpoint-9", "checkpoint-6"]
    shutil.copytree(run / "checkpoint-6", run / "checkpoint-9")  # written again, and damaged again
    clear_checkpoints(str(run), str(run / "checkpoint-6"), lines.append)
    assert names() == ["_aside-checkpoint-9", "_aside-checkpoint-9-2", "checkpoint-6"]
    states = [json.loads((run / name / "trainer_state.json").read_text()) for name in names()[:2]]
    assert [state["global_step"] for state in states] == [9, 6]  # what was there first is as it was
    clear_checkpoints(str(run), None, lines.append)
    assert lines[3:] == [f"--overwrite_output_dir: removed 1 checkpoint of an earlier run from {run}"]
    assert names() == ["_aside-checkpoint-9", "_aside-checkpoint-9-2"]


def test_the_flag_needs_no_value():
    for words in (["--resume_from_checkpoint"], ["--resume_from_checkpoint", "--seed", "3"]):
        recipe, _ = run_ner.parse(["--output_dir", "x", *words])
        assert recipe.resume_from_checkpoint == "true"
    assert run_ner.parse(["--resume_from_checkpoint", "runs/a/checkpoint-3"])[0].resume_from_checkpoint.endswith("-3")
    assert run_ner.parse([])[0].resume_from_checkpoint is None


FULL = {  # by what writes: safetensors, torch, fsync
    "weights": ({"file_limit": 100_000}, "File too large"),
    "optimizer": ({"file_limit": 200_000}, "a file was cut short"),
    "flush": ({"no_fsync": errno.ENOSPC}, "No space left on device"),
}


@pytest.mark.parametrize("case", FULL)
def test_a_full_disk_leaves_the_checkpoint_before_it(case, forked, whole, tmp_path):
    what, reason = FULL[case]
    code, output = forked.run(tmp_path, overwrite=True, at=["on_evaluate", 6], **what)
    assert code == 1 and "Traceback" not in output
    message = output.splitlines()[-1]
    assert message.startswith(f"message: {tmp_path}/checkpoint-6 could not be written: ") and reason in message
    assert message.endswith(
        f" MB free); {tmp_path}/checkpoint-3 is intact; make room, then go on with the same command and --output_dir"
        f" {tmp_path} --resume_from_checkpoint"
    )
    assert entries(tmp_path) == ["checkpoint-3"]
    assert_goes_on(forked, whole, tmp_path, "checkpoint-3")


def test_a_full_disk_at_the_end_leaves_the_model_that_was_there(forked, whole, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"good")
    code, output = forked.run(tmp_path, overwrite=True, at=["on_train_end", 9], file_limit=100_000)
    assert code == 1
    assert f"message: the model in {tmp_path} could not be written: " in output
    assert (tmp_path / "model.safetensors").read_bytes() == b"good" and "_saving" not in entries(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert_goes_on(forked, whole, tmp_path, "checkpoint-9")


def test_another_error_while_saving_is_not_taken_for_a_full_disk(forked, tmp_path):
    code, output = forked.run(tmp_path, overwrite=True, at=["on_evaluate", 3], unsavable=True)
    assert code == 1 and "message: " not in output and "Traceback" in output
    assert entries(tmp_path) == []


def test_runs_that_begin_at_the_same_moment_have_directories_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda form: "20261127-193000")
    assert new_run_directory("ner_model/mini/") == "runs/mini-20261127-193000"
    free = iter(["runs/mini-20261127-193000", "runs/mini-20261127-193000-2"])  # the first was free a moment ago
    monkeypatch.setattr("ner_model.run_directory.free_name", lambda stem: next(free))
    assert new_run_directory("mini") == "runs/mini-20261127-193000-2"
    assert sorted(os.listdir("runs")) == ["mini-20261127-193000", "mini-20261127-193000-2"]


def test_an_output_directory_that_cannot_be_made_or_written_to_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    for wanted, message in (
        ("file", "is a file; give another"),
        ("dead", "is a link to what is not there; give another"),
        ("file/a/b", f"cannot be made, {tmp_path}/file is a file; give another"),
    ):
        with pytest.raises(InputError, match=re.escape(f"--output_dir {tmp_path / wanted}: {message}")):
            check_output_dir(str(tmp_path / wanted), False, None)
    (tmp_path / "shut").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: "shut" not in str(path))  # root may write anywhere
    for wanted in ("shut", "shut/a"):
        message = f"--output_dir {tmp_path / wanted}: no permission to write into {tmp_path}/shut; give another"
        with pytest.raises(InputError, match=re.escape(message)):
            check_output_dir(str(tmp_path / wanted), False, None)
    monkeypatch.chdir(tmp_path / "shut")
    with pytest.raises(InputError, match="--output_dir runs: no permission to write into"):
        check_output_dir(None, False, None)
