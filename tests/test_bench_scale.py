"""The benchmark of growth: every step of a small corpus is in its table, and a peak can begin anew."""

import mmap
import os

import pytest

from benchmarks.bench_data import peak
from benchmarks.bench_scale import ORDER, main, reset_peak, resident


def test_every_step_has_its_row(capsys):
    main(["3000"])
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [row[:2] for row in rows[2:]] == [[name, "3,000"] for name in ORDER]
    for row in rows[2:]:
        seconds, micros = float(row[2]), float(row[3])
        assert seconds > 0 and micros == pytest.approx(seconds / 3000 * 1e6, abs=0.005 / 3000 * 1e6 + 0.005)
        mib, bytes_a_word = (float(cell.replace(",", "")) for cell in row[4:6])
        assert bytes_a_word == pytest.approx(mib * 2**20 / 3000, abs=0.5 * 2**20 / 3000 + 0.5)


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux lets a peak begin anew")
def test_a_peak_begins_anew():
    before = resident("VmRSS")
    with mmap.mmap(-1, 200 << 20) as block:  # not from the allocator, which may have kept as much
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        assert resident("VmRSS") - before > 150 << 20
    high = peak()
    assert high - before > 150 << 20
    reset_peak()
    assert peak() < high - (100 << 20)
