"""Where a run writes, and where it goes on."""

import os
import re
import shutil
import time

from ner_data import InputError


def check_output_dir(output_dir, overwrite, resume):
    """Refuse to write into a directory that holds something.

    Args:
        output_dir: path or None (then a new directory under `runs/` will be made).
        overwrite: `--overwrite_output_dir`.
        resume: `--resume_from_checkpoint`.

    Returns:
        The checkpoint to resume from: a path, or None.

    Raises:
        InputError: the directory is not empty and neither flag is given, it is a file, or there is nothing to resume.
    """
    if output_dir is not None and os.path.exists(output_dir):
        if not os.path.isdir(output_dir):
            raise InputError(f"--output_dir {output_dir}: is a file; give a directory")
        if os.listdir(output_dir) and not overwrite and not resume:
            raise InputError(
                f"--output_dir {output_dir}: is not empty; give another, --resume_from_checkpoint to go on with the run"
                " in it, or --overwrite_output_dir"
            )
    if not resume:
        return None
    if resume.lower() != "true":
        if not os.path.isfile(os.path.join(resume, "trainer_state.json")):
            raise InputError(f"--resume_from_checkpoint {resume}: no checkpoint there (a directory checkpoint-NUMBER)")
        return resume
    if output_dir is None:
        raise InputError("--resume_from_checkpoint: give the --output_dir of the run to go on with, or a checkpoint")
    for checkpoint in reversed(checkpoints(output_dir)):
        if os.path.isfile(os.path.join(checkpoint, "trainer_state.json")):
            return checkpoint
    raise InputError(f"--resume_from_checkpoint: {output_dir} holds no checkpoint to go on from; leave the flag out")


def checkpoints(output_dir):
    """The `checkpoint-NUMBER` directories in a directory, oldest first; none if it does not exist."""
    found = []
    for name in os.listdir(output_dir) if os.path.isdir(output_dir) else []:
        if match := re.fullmatch(r"checkpoint-(\d+)", name):
            found.append((int(match[1]), os.path.join(output_dir, name)))
    return [path for _, path in sorted(found)]


def new_run_directory(model):
    """A name under `runs/` that nothing has yet: model, date and time, the same for every process of the run."""
    from accelerate.utils import broadcast_object_list

    stem = os.path.join("runs", f"{os.path.basename(model.rstrip('/'))}-{time.strftime('%Y%m%d-%H%M%S')}")
    path, n = stem, 1
    while os.path.exists(path):
        n += 1
        path = f"{stem}-{n}"
    return broadcast_object_list([path])[0]


def clear_checkpoints(output_dir, resume_from, say=print):
    """Remove the checkpoints of an earlier run, which this one would mix with its own, unless it goes on from them."""
    old = [] if resume_from else checkpoints(output_dir)
    for checkpoint in old:
        shutil.rmtree(checkpoint)
    if old:
        say(f"--overwrite_output_dir: removed {len(old)} checkpoints of an earlier run from {output_dir}")


def save_model(trainer, output_dir):
    """Write model and tokenizer as a plain Hugging Face directory: no pickle, file modes as the umask says."""
    trainer.save_model(output_dir)
    if not trainer.is_world_process_zero():
        return
    umask = os.umask(0)
    os.umask(umask)
    for name in os.listdir(output_dir):
        path = os.path.join(output_dir, name)
        if name == "training_args.bin":
            os.remove(path)
        elif name.endswith(".safetensors"):  # the library writes them with mode 0600
            os.chmod(path, 0o666 & ~umask)
