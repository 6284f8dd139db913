"""The windows of a run: encoded once on each machine, in files that all its processes map."""

import atexit
import contextlib
import dataclasses
import glob
import os
import shutil
import socket
import tempfile
import zlib

import pyarrow as pa
from accelerate import PartialState
from accelerate.utils import gather_object
from datasets import Dataset, DatasetDict

from ner_data import InputError
from ner_data.split import SPLITS
from ner_data.windows import encode_to_file

PREFIX = f"run_ner-windows-{socket.gethostname()}-"  # of the directories: some file systems lock for one machine alone


def encode_once(tables, tokenizer, names, max_length, stride, say=print):
    """`ner_data.windows.encode` for every split, by the first process of each machine, for all processes of it.

    To be called when there are `TrainingArguments`, which join the processes. The files lie in a directory of their own
    where temporary files go (`TMPDIR`), some 13 bytes a word, until the process that wrote them ends;
    those of one that was killed until the next run comes by.

    Args:
        tables: sentence tables by split, the same in every process.
        tokenizer, names, max_length, stride: as for `encode`.
        say: called with one line where killed runs have left files.

    Returns:
        `Encoded` by split, and a `datasets.DatasetDict` of the same windows; both are mapped from the files.

    Raises:
        InputError: the files cannot be written.
    """
    pa.default_memory_pool().release_unused()  # what reading has left over: more than the tables themselves
    state = PartialState()
    found = None
    if state.is_local_main_process:
        try:
            remove_left_over(say)
            folder = tempfile.mkdtemp(prefix=PREFIX)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            with contextlib.suppress(OSError, ImportError):
                _lock(os.open(folder, os.O_RDONLY))
            encoded = {
                split: encode_to_file(_path(folder, split), table, tokenizer, names, max_length, stride)
                for split, table in tables.items()
            }
            found = folder, {split: dataclasses.replace(part, table=None) for split, part in encoded.items()}
        except OSError as error:
            found = (
                f"TMPDIR {os.environ.get('TMPDIR', '(not set)')}: the encoded corpus cannot be written to a temporary"
                f" file ({error}); set it to a directory with room for 13 bytes a word"
            )
    # nobody goes on before all have come here, nor waits for one that cannot
    everywhere = gather_object([found])
    for fault in everywhere:
        if isinstance(fault, str):
            raise InputError(fault)
    # in the order of the processes, and those of a machine are neighbours
    folder, encoded = everywhere[state.process_index - state.local_process_index]
    windows = DatasetDict({split: Dataset.from_file(_path(folder, split)) for split in encoded})
    encoded = {split: dataclasses.replace(part, table=windows[split].data.table) for split, part in encoded.items()}
    return encoded, windows


def checksum(encoded):
    """CRC-32 of the subwords and labels of some `Encoded`: whether a resumed run learns from the same."""
    found = 0
    for part in encoded:
        for name in ("input_ids", "labels"):
            for chunk in part.table[name].chunks:
                found = zlib.crc32(chunk.flatten().to_numpy(), found)
    return found


def remove_left_over(say):
    """Remove the files of runs that were killed. A living one has its directory locked, and it is empty before that; a
    directory with anything else in it stays.

    Where directories cannot be locked (network file systems, Windows), what a killed run has left stays.
    """
    for folder in glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), glob.escape(PREFIX) + "*")):
        with contextlib.suppress(OSError, ImportError):
            directory = os.open(folder, os.O_RDONLY)
            try:
                _lock(directory, wait=False)
                files = [_path(folder, split) for split in SPLITS if os.path.exists(_path(folder, split))]
                if files and len(files) == len(os.listdir(folder)):
                    size = sum(map(os.path.getsize, files))
                    for file in files:
                        os.remove(file)
                    os.rmdir(folder)
                    say(f"removed {folder}: {size / 1e6:,.1f} MB of encoded windows that a killed run left there")
            finally:
                os.close(directory)


def _lock(directory, wait=True):
    """Lock an open directory until it is closed, or its process ends however that may be."""
    import fcntl  # not on Windows

    fcntl.flock(directory, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _path(folder, split):
    return os.path.join(folder, f"{split}.arrow")
