"""A text file as a user gave it -> its bytes in UTF-8, or one line that says what is wrong with it."""

import codecs
import gzip
import lzma
import os
import stat
import zlib
from pathlib import Path

import numpy as np

from ner_data import InputError

OPENERS = {".gz": gzip.open, ".xz": lzma.open}
CHUNK = 1 << 20  # bytes
MANY = 12  # pairs of letters beyond ASCII, from which on their share tells what language they are not
NOT_1252 = {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # bytes that stand for nothing there
LETTERS_1252 = np.zeros(256, bool)  # those beyond ASCII
LETTERS_1252[[0x8A, 0x8C, 0x8E, 0x9A, 0x9C, 0x9E, 0x9F, *range(0xC0, 0x100)]] = True
LETTERS_1252[[0xD7, 0xF7]] = False  # times, divided by
ENCODING_NAMES = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}


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

    The text is UTF-8 or, failing that, Windows-1252 or Latin-1, which is said in a line; so are line ends of CR CR LF,
    which become CR LF. What gzip wrote is unpacked, whatever its name. Raises InputError when there is no such file,
    when it is not a regular file, cannot be read or unpacked, is larger than 2 GiB or empty, is UTF-16 or UTF-32 or
    damaged UTF-8, or holds a NUL byte.
    """
    data = _read_bytes(path)
    _refuse_large(path, data)
    _refuse_other_encodings(path, data)
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise InputError(f"{path}:1: the file is empty ({len(data)} bytes), give a file with one word per row")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"{path}:{line_of(data, error.start)}: not UTF-8 (byte 0x{data[error.start]:02X})"
        encoding = other_encoding(place, (data[first : first + CHUNK] for first in range(0, len(data), CHUNK)))
        say(f"{place}, so the whole file is read as {ENCODING_NAMES[encoding]}")
        data = data.decode(encoding).encode("utf-8")
        _refuse_large(path, data)
    if doubled := data.count(b"\r\r\n"):  # text written twice in Windows' way
        say(f"{path}: {counted(doubled, 'line end')} of CR CR LF, read as one each")
        data = data.replace(b"\r\r\n", b"\r\n")
    return data


def other_encoding(place, chunks):
    """The encoding of a text that is not UTF-8: "cp1252" where it has what Latin-1 has not (quotes, dashes, the euro),
    else "latin-1".

    Args:
        place: the beginning of the message.
        chunks: its bytes, in parts.

    Raises:
        InputError: most of what is not ASCII in it is UTF-8: it is damaged, or two files of different encodings. Or so
            many letters that stand together are not ASCII that it is neither of the two: Cyrillic, Greek, Chinese.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    whole, broken, letters, neighbours, between = 0, 0, 0, 0, set()
    for chunk in chunks:
        codes = np.frombuffer(decoder.decode(chunk).encode("utf-32-le", "surrogatepass"), np.uint32)
        is_broken = (codes >= 0xDC80) & (codes <= 0xDCFF)
        broken += int(is_broken.sum())
        whole += int(((codes >= 0x80) & ~is_broken).sum())
        numbers = np.frombuffer(chunk, np.uint8)
        letters += int((((numbers | 0x20) >= ord("a")) & ((numbers | 0x20) <= ord("z"))).sum())
        is_accented = LETTERS_1252[numbers]
        letters += int(is_accented.sum())
        neighbours += int((is_accented[1:] & is_accented[:-1]).sum())
        between |= set(np.unique(numbers[(numbers >= 0x80) & (numbers < 0xA0)]).tolist())
    if whole > broken:
        others = counted(whole, "character")
        raise InputError(f"{place}, but {others} that are not ASCII are, so it is damaged or two files in one, mend it")
    if neighbours >= MANY and neighbours > 0.2 * letters:
        what = f"of {letters:,} letters {neighbours:,} follow one another that are not ASCII"
        fix = "convert it from what it is in: iconv -f CP1251 -t UTF-8 (if it is Western: -f WINDOWS-1252)"
        raise InputError(f"{place}, nor Western text: {what}, {fix}")
    return "cp1252" if between and not between & NOT_1252 else "latin-1"


def _refuse_large(path, data):
    if len(data) >= 2**31:  # the offsets of Arrow's strings are 32 bits wide
        raise InputError(f"{path}: {len(data):,} bytes, over 2 GiB, split it and give a pattern for the parts")


def _read_bytes(path):
    """The bytes of a regular file, unpacked if they are gzip's; InputError when that fails."""
    try:
        mode = os.stat(path).st_mode
        data = Path(path).read_bytes() if stat.S_ISREG(mode) else b""
        is_gzip = data.startswith(b"\x1f\x8b") or (str(path).lower().endswith(".gz") and stat.S_ISREG(mode))
        data = gzip.decompress(data) if is_gzip else data
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
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        bytes_ = data[:4].hex(" ").upper()
        raise InputError(f"{path}:1: UTF-32 text (it starts with bytes {bytes_}), {fix.replace('16', '32')}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}:1: UTF-16 text (it starts with bytes {data[:2].hex(' ').upper()}), {fix}")
    nul = data.find(b"\0")
    if nul < 0:
        return
    sample = data[:10_000]
    if sample.count(b"\0") * 10 >= 7 * len(sample):
        raise InputError(f"{path}:1: UTF-32 text (three of four bytes are NUL), {fix.replace('16', '32')}")
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
                raw = raw.removeprefix(codecs.BOM_UTF8) if lines == 1 else raw
                if b"\0" in raw:
                    raise InputError(f"{path}:{lines}: NUL byte, not a text file or UTF-16; convert it to UTF-8")
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
