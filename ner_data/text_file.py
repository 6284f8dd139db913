"""A text file as a user gave it -> its bytes in UTF-8, or one line that says what is wrong with it."""

import gzip
import lzma
import os
import stat
import zlib
from pathlib import Path

from ner_data import InputError

OPENERS = {".gz": gzip.open, ".xz": lzma.open}


def shown(value, limit=60):
    """`value` as one short line for a message: its repr, cut in the middle where it is longer than `limit`."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 12]}...{text[-9:]}"


def printable(line):
    """A line without the control characters and line ends that words and types may hold: they are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def counted(number, noun, plural=None):
    """`1 row`, `2 rows`, `1,000 rows`; a `plural` that is not made with an s is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def line_of(data, offset):
    """The 1-based line that byte `offset` of `data` stands in; LF, CRLF and CR each end a line."""
    head = data[:offset]
    return 1 + head.count(b"\n") + head.count(b"\r") - head.count(b"\r\n")


def read_text(path, say=print):
    """Read the file at `path` and return its text as UTF-8 bytes without a byte order mark.

    The text is UTF-8 or, failing that, Latin-1, which is said in a line. A name that ends in `.gz` is unpacked.
    Raises InputError when there is no such file, when it is not a regular file, cannot be read or unpacked, is
    larger than 2 GiB or empty, is UTF-16 or UTF-32, or holds a NUL byte.
    """
    data = _read_bytes(path)
    if len(data) >= 2**31:  # the offsets of Arrow's strings are 32 bits wide
        raise InputError(f"{path}: {len(data):,} bytes, over 2 GiB, split it and give a pattern for the parts")
    _refuse_other_encodings(path, data)
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise InputError(f"{path}:1: the file is empty ({len(data)} bytes), give a file with one word per row")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        byte, line = data[error.start], line_of(data, error.start)
        say(f"{path}:{line}: not UTF-8 (byte 0x{byte:02X}), so the whole file is read as Latin-1")
        data = data.decode("latin-1").encode("utf-8")
    return data


def _read_bytes(path):
    """The bytes of a regular file, unpacked where its name ends in `.gz`; InputError when that fails."""
    try:
        mode = os.stat(path).st_mode
        data = Path(path).read_bytes() if stat.S_ISREG(mode) else b""
        data = gzip.decompress(data) if stat.S_ISREG(mode) and str(path).endswith(".gz") else data
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, check the path") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the gzip data is damaged or cut short ({error}), fetch the file again") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}), check the path and its permissions") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a directory, give the path of one file in it")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is not a regular file, copy its text into one and give that")
    return data


def _refuse_other_encodings(path, data):
    """Raise InputError for UTF-16 and UTF-32, with or without a byte order mark, and for any NUL byte."""
    fix = "convert it: iconv -f UTF-16 -t UTF-8"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}:1: UTF-16 text (it starts with bytes {data[:2].hex(' ').upper()}), {fix}")
    nul = data.find(b"\0")
    if nul < 0:
        return
    sample = data[:10_000]
    if sample.count(b"\0") * 4 >= len(sample):
        raise InputError(f"{path}:1: UTF-16 text (every other byte is NUL), {fix}")
    raise InputError(f"{path}:{line_of(data, nul)}: NUL byte (byte {nul} of the file), not a text file or damaged")


def read_paragraphs(path):
    """The paragraphs of a plain text file, one a line; `.gz` and `.xz` are unpacked on the way.

    Returns:
        A list of strings without the empty ones.

    Raises:
        InputError: no such file, not text in UTF-8 (with the line), damaged, or nothing in it.
    """
    opener = next((opener for suffix, opener in OPENERS.items() if str(path).endswith(suffix)), open)
    paragraphs, lines = [], 0
    try:
        with opener(path, "rb") as file:
            for raw in file:
                lines += 1
                if text := raw.decode("utf-8").strip():
                    paragraphs.append(text)
    except FileNotFoundError:
        raise InputError(f"--text {path}: no such file, check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}:{lines}: not UTF-8 (byte 0x{error.object[error.start]:02X}); convert it") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"--text {path}: cannot be read ({error})") from None
    if not paragraphs:
        raise InputError(f"{path}:1: no text in it; give a file with a paragraph a line")
    return paragraphs
