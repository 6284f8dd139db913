"""Freed memory is used again: asserted by the page faults of a process of its own. And few kernels are kept."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ner_model.allocator import keep_few_kernels

ROOT = Path(__file__).parent.parent
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
        int(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, *flag], capture_output=True, text=True, check=True, cwd=ROOT
            ).stdout
        )
        for flag in ([], ["keep"])
    )
    assert kept < 100 and given_back > 4 * 16_000


@pytest.mark.parametrize(("width", "given", "found"), [(768, None, "16"), (256, None, None), (768, "99", "99")])
def test_wide_encoders_keep_few_kernels_unless_somebody_says_how_many(width, given, found, monkeypatch):
    monkeypatch.setattr(os, "environ", {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": given} if given else {})
    keep_few_kernels(width)
    assert os.environ.get("ONEDNN_PRIMITIVE_CACHE_CAPACITY") == found


def test_onednn_hears_of_it_before_the_first_product():
    """Convolutions of 20 sizes, twice: with 16 kernels those of the first time are forgotten, and compiled again."""
    program = (
        "import sys, torch\nfrom ner_model.allocator import keep_few_kernels\nkeep_few_kernels(int(sys.argv[1]))\n"
        "for _ in range(2):\n    for size in range(8, 28):\n"
        "        torch.nn.functional.conv2d(torch.ones(16, 16, size, size), torch.ones(16, 16, 3, 3))\n"
    )
    compiled, verbose = [], {"ONEDNN_VERBOSE": "profile_create"}
    for width in ("256", "768"):
        done = subprocess.run(
            [sys.executable, "-c", program, width],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if "ONEDNN" not in name} | verbose,
        )
        assert done.returncode == 0, done.stderr
        compiled.append(done.stdout.count("create:cache_miss,cpu,convolution"))
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    assert compiled == [20, 40]
