"""Freed memory stays with the process: on Linux, large tensors of a CPU step are not mapped and cleared anew each time.

glibc gives blocks over 32 MB, and the top of its heap, back to the system as soon as they are freed; the next step gets
them back page by page, zeroed (https://man7.org/linux/man-pages/man3/mallopt.3.html).
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h


def keep_freed_memory():
    """Tell glibc to keep what is freed. Returns whether it was told; elsewhere than on Linux with glibc it is not."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**26))
    return all([mallopt(name, value) == 1 for name, value in settings])
