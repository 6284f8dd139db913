"""Where the lines, points and ticks of the report's plots lie."""

import pytest
from reported_runs import HISTORY

from ner_eval.report_plots import curves, line_plot, reliability, ticks


def test_curves_leave_out_what_is_not_finite():
    loss, f1 = curves(HISTORY, 2.0)
    assert [(line["name"], line["last"]) for line in loss["lines"]] == [("training", 0.3), ("validation", 0.6)]
    assert [(line["name"], len(line["points"])) for line in f1["lines"]] == [("macro", 1), ("micro", 2)]
    assert loss["mark"] is not None and curves([]) == []


def test_a_line_lies_between_its_axes():
    plot = line_plot("x", {"a": [(1, 0.0), (2, 0.5), (3, 1.0)]}, "a")
    assert [point[:2] for point in plot["lines"][0]["points"]] == [(38.0, 220.0), (213.0, 116.0), (388.0, 12.0)]
    assert plot["lines"][0]["path"] == "M38.0 220.0L213.0 116.0L388.0 12.0"


@pytest.mark.parametrize("low, high", [(0, 1), (0, 0.87), (1, 12), (1, 3), (0, 0.0003), (0, 4321), (0, 0), (5, 5)])
def test_ticks_are_few_round_and_enclose(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 6 and found[0] <= low and found[-1] >= high
    assert len({round(b - a, 9) for a, b in zip(found, found[1:], strict=False)}) == 1


def test_points_of_the_reliability_curve():
    bins = [
        {"above": 0.0, "to": 0.5, "entities": 0, "confidence": None, "precision": None},
        {"above": 0.5, "to": 1.0, "entities": 4, "confidence": 0.75, "precision": 0.5},
    ]
    plot = reliability(bins)
    assert plot["points"] == [(225.0, 150.0, 9.0, "4 entities: confidence 0.750, precision 0.500")]
    assert plot["bars"] == [(0.0, 150.0, 0.0), (150.0, 150.0, 1.0)]
