"""Freed memory is used again: asserted by the page faults of a process of its own."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource, sys
import torch
from ner_model.allocator import keep_freed_memory

assert not sys.argv[1:] or keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.zeros(16 * 2**20).add_(1)  # 64 MiB of float32
before = faults()
for _ in range(4):
    torch.zeros(16 * 2**20).add_(1)
print(faults() - before)
"""


PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
@pytest.mark.skipif(
    PAGES.exists() and "[always]" in PAGES.read_text() or resource.getpagesize() != 4096,
    reason="counts pages of 4096 bytes",
)
def test_a_large_tensor_is_not_mapped_anew():
    given_back, kept = (
        int(subprocess.run([sys.executable, "-c", PROGRAM, *flag], capture_output=True, text=True, check=True).stdout)
        for flag in ([], ["keep"])
    )
    assert kept < 100 and given_back > 4 * 16_000
