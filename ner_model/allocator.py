"""Memory of a training on a CPU: what is freed stays with the process, and few compiled kernels are kept.

On Linux, large tensors of a step are then not mapped and cleared anew each time.

glibc gives blocks over 32 MB, and the top of its heap, back to the system as soon as they are freed; the next step gets
them back page by page, zeroed (https://man7.org/linux/man-pages/man3/mallopt.3.html).
"""

import ctypes
import os
import sys

from ner_model.load import SMALL

# A step of a BERT takes about a dozen. oneDNN's own limit is 1,024: those of 50 steps of different lengths. They lie
# between the tensors and break the free memory into pieces (benchmarks/README.md).
KERNELS = 16
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


def keep_few_kernels(width):
    """Tell oneDNN, which multiplies bf16 on a CPU, to keep `KERNELS` compiled kernels, unless the environment says how
    many. To be called before the first product.

    Narrow encoders have steps so short that to compile again would show (`ner_model.batching.rounding` is for these).

    Args:
        width: `hidden_size` of the encoder, or None.
    """
    if width is not None and width > SMALL:
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))
