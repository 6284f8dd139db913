"""Where the lines, points and ticks of the report's plots lie; the template draws them as SVG."""

import math

WIDTH, HEIGHT = 400, 250  # of a plot, in SVG units: about pixels on a phone
LEFT, RIGHT, TOP, BOTTOM = 38, 12, 12, 30
SIDE = 300  # of the square in which the reliability curve lies
MOST_POINTS = 300  # of one line


def curves(history, best_epoch=None):
    """The plots of a training: loss, and F1 of the validation split.

    Args:
        history: list of dicts, `trainer.state.log_history`: `epoch`, and `loss` or `eval_loss`, `eval_f1`, ...
        best_epoch: is marked if given.

    Returns:
        A list of `line_plot`, only those with something to draw.
    """
    plots = (
        ("Loss", {"loss": "training", "eval_loss": "validation"}, "validation"),
        ("F1 on validation", {"eval_macro_f1": "macro", "eval_f1": "micro"}, "micro"),
    )
    drawn = (
        line_plot(title, {name: _points(history, key) for key, name in names.items()}, main, best_epoch)
        for title, names, main in plots
    )
    return [plot for plot in drawn if plot["lines"]]


def line_plot(title, series, main, mark=None):
    """A plot of lines over epochs, its vertical axis from 0.

    Args:
        title: str.
        series: {name: [(x, y)]}.
        main: the name of the line that stands out.
        mark: an x to be marked, or None.

    Returns:
        `title`; `lines`, each `name`, `is_main`, `path` (SVG), `points` (x, y, text) and the `last` value; `across` and
        `up`, the ticks (position, text); `mark`, a position or None.
    """
    series = {name: points for name, points in series.items() if points}
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    low, high = (min(xs), max(xs)) if xs else (0, 1)
    low = min(low, 1) if high > 1 else 0
    across, up = ticks(low, high), ticks(0, max(ys, default=1))
    top = max(up[-1], max(ys, default=1))

    def right(x):
        return round(LEFT + (x - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT), 1)

    def down(y):
        return round(HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM), 1)

    lines = [
        {
            "name": name,
            "is_main": name == main,
            "path": "M" + "L".join(f"{right(x)} {down(y)}" for x, y in points),
            "points": [(right(x), down(y), f"epoch {x:g}: {y:.4f}") for x, y in points],
            "last": points[-1][1],
        }
        for name, points in series.items()
    ]
    return {
        "title": title,
        "lines": lines,
        "across": [(right(x), f"{x:g}") for x in across if low <= x <= high],
        "up": [(down(y), f"{y:g}") for y in up],
        "mark": right(mark) if mark is not None and low <= mark <= high else None,
    }


def reliability(bins):
    """The reliability curve in a square of `SIDE`, and how many entities each bin holds.

    Args:
        bins: as in `calibration.calibration`.

    Returns:
        `points`, each (x, y, radius, text); `path`, the line through them (SVG); `bars`, each (x, width, share of the
        fullest bin).
    """
    fullest = max((part["entities"] for part in bins), default=0) or 1
    points = [
        (
            round(part["confidence"] * SIDE, 1),
            round((1 - part["precision"]) * SIDE, 1),
            round(3 + 6 * math.sqrt(part["entities"] / fullest), 1),
            f"{part['entities']:,} entities: confidence {part['confidence']:.3f}, precision {part['precision']:.3f}",
        )
        for part in bins
        if part["entities"]
    ]
    bars = [
        (round(part["above"] * SIDE, 1), round((part["to"] - part["above"]) * SIDE, 1), part["entities"] / fullest)
        for part in bins
    ]
    return {"points": points, "path": "M" + "L".join(f"{x} {y}" for x, y, *_ in points), "bars": bars}


def ticks(low, high, most=6):
    """At most `most` round numbers, at equal distances, the first at or below `low` and the last at or above `high`."""
    span = (high - low) or abs(high) or 1
    power = 10 ** math.floor(math.log10(span))
    for step in (power / 10 * factor for factor in (1, 2, 2.5, 5, 10, 20, 25, 50, 100)):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first < most:
            break
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def _points(history, key):
    """(epoch, value) of a key, finite ones only, and of a long history every n-th."""
    points = [
        (float(entry["epoch"]), float(entry[key]))
        for entry in history
        if isinstance(entry.get(key), int | float) and math.isfinite(entry[key]) and entry.get("epoch") is not None
    ]
    step = -(-len(points) // MOST_POINTS) or 1
    return points[::-1][::step][::-1]
