"""The directory that a run writes into: a new one, and no other run's while this one lasts."""

import contextlib
import os
import time

from ner_data import InputError

FREE_WITHIN = 10  # seconds: so long may loader processes of a run that was killed still hold its directory


def new_run_directory(model):
    """A new directory under `runs/`, named by model, date and time, the same for every process of the run."""
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    stem = os.path.join("runs", f"{os.path.basename(os.path.normpath(model))}-{time.strftime('%Y%m%d-%H%M%S')}")
    return broadcast_object_list([_make_directory(stem) if PartialState().is_main_process else None])[0]


def _make_directory(stem):
    """Make a directory that nothing has yet, and return its path."""
    while True:
        path = free_name(stem)
        with contextlib.suppress(FileExistsError):  # a run that began at the same moment has it now
            os.makedirs(path)
            return path


def free_name(stem):
    """A path that nothing has yet: the stem, or the stem with -2, -3, ... behind it."""
    path, n = stem, 1
    while os.path.exists(path):
        n += 1
        path = f"{stem}-{n}"
    return path


_held = {}  # descriptors of the output directories that this process writes into, by their real paths


def keep_others_out(output_dir):
    """Lock an output directory until `let_others_in`, or this process ends.

    Raises InputError where another process has done so: each would take the other's files for its own. Where
    directories cannot be locked (Windows, some network file systems) none is.
    """
    place = os.path.realpath(output_dir)
    if place in _held:
        return
    with contextlib.suppress(OSError, ImportError):
        import fcntl

        descriptor, begin = os.open(place, os.O_RDONLY), time.monotonic()
        while place not in _held:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _held[place] = descriptor
            except BlockingIOError:
                if time.monotonic() - begin > FREE_WITHIN:
                    os.close(descriptor)
                    what = "another run is writing into it; wait for its end, or give another"
                    raise InputError(f"--output_dir {output_dir}: {what}") from None
                time.sleep(0.5)


def let_others_in(output_dir):
    """Give up what `keep_others_out` has locked, if it has."""
    descriptor = _held.pop(os.path.realpath(output_dir), None)
    if descriptor is not None:
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # or loader processes would go on to hold it
        os.close(descriptor)
