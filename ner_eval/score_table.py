"""Scores as text for a terminal, and as Markdown for a page."""

SEEN = {
    "same_type": "surface an entity of this type in training",
    "other_type": "surface an entity of other types only",
    "never": "surface never an entity",
}
KEYS = ("precision", "recall", "f1")


def table(scores):
    """The figures of a split as text: a row per entity type, micro and macro averages, then what else there is.

    Args:
        scores: as `ner_eval.score.score` or `score_files` returns them.
    """
    tables = [_text(*_types(scores)) + "\n" + "\n".join(_notes(scores))]
    if "semeval" in scores:
        tables.append(_text(*_measures(scores)))
        tables.append("\n".join(_further_notes(scores)))
    return "\n\n".join(tables)


def markdown(scores):
    """The same as Markdown."""
    parts = [_markdown(*_types(scores)), "\n".join(f"- {line}" for line in _notes(scores))]
    if "semeval" in scores:
        parts.append(_markdown(*_measures(scores)))
        parts.append("\n".join(f"- {line}" for line in _further_notes(scores)))
    return "\n\n".join(parts)


def _types(scores):
    """Header and rows of the table of entity types."""
    rows = [
        (type_, *(f"{row[key]:.4f}" for key in KEYS), str(row["support"])) for type_, row in scores["per_type"].items()
    ]
    support = str(sum(row["support"] for row in scores["per_type"].values()))
    for name, prefix in (("micro", ""), ("macro", "macro_")):
        rows.append((name, *(f"{scores[prefix + key]:.4f}" for key in KEYS), support))
    return ("entity type", "precision", "recall", "F1", "support"), rows


def _measures(scores):
    """Header and rows of the other ways to count an entity as right."""
    lenient = scores["lenient"]
    support = sum(row["support"] for row in lenient["per_type"].values())
    measures = {"conlleval reading (I- may begin an entity)": lenient | {"gold": support}}
    for name, row in scores["semeval"].items():
        gold = row["correct"] + row["incorrect"] + row["partial"] + row["missed"]
        measures[f"SemEval-2013 {name}"] = row | {"gold": gold}
    measures["unique surfaces (WNUT-17)"] = scores["surface"]
    for name, row in scores.get("seen", {}).items():
        measures[SEEN[name]] = row
    rows = [(name, *(f"{row[key]:.4f}" for key in KEYS), str(row["gold"])) for name, row in measures.items()]
    return ("measure", "precision", "recall", "F1", "gold"), rows


def _notes(scores):
    line = f"{scores['words']} words in {scores['sentences']} sentences: accuracy {scores['accuracy']:.4f}"
    lines = [line + (f", loss {scores['loss']:.4f} a word" if "loss" in scores else "")]
    if "intervals" in scores:
        names = {"precision": "precision", "recall": "recall", "f1": "F1", "macro_f1": "macro F1"}
        ends = {name: scores["intervals"][key] for key, name in names.items()}
        shown = (f"{name} {pair[0]:.4f} to {pair[1]:.4f}" if pair else f"{name} none" for name, pair in ends.items())
        shown = ", ".join(shown) if any(ends.values()) else "none, every resample has the same scores"
        share, resamples = scores["intervals"]["level"], scores["intervals"]["resamples"]
        lines.append(f"{share:.0%} intervals ({resamples:,} bootstrap resamples of sentences): {shown}")
    return lines


def _further_notes(scores):
    lines = ["errors: " + ", ".join(f"{count} {kind}" for kind, count in scores["errors"].items() if kind != "correct")]
    if "calibration" in scores and scores["calibration"]["entities"]:
        row = scores["calibration"]
        means = f"mean confidence {row['confidence']:.4f}, precision {row['precision']:.4f}"
        lines.append(f"calibration: {means}, expected calibration error {row['ece']:.4f}")
    if "joins" in scores and scores["joins"]["beside"]["words"]:
        beside, others = (
            f"{part['accuracy']:.4f} ({part['words']} words)" if part["words"] else "no words"
            for part in (scores["joins"]["beside"], scores["joins"]["elsewhere"])
        )
        lines.append(f"accuracy beside joins of windows {beside}, elsewhere {others}")
    if "decoding" in scores:
        weight = f", transitions {scores['transition_weight']}" if scores.get("transition_weight") else ""
        lines.append(f"decoding: {scores['decoding']}{weight}, {scores['words_changed']} words other than by argmax")
    return lines


def _text(header, rows):
    widths = [max(6, *map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        f"{row[0]:{widths[0]}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in (header, *rows)
    )


def _markdown(header, rows):
    escaped = [[cell.replace("\\", "\\\\").replace("|", "\\|") for cell in row] for row in (header, *rows)]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    lines.insert(1, "|---" + "|---:" * (len(header) - 1) + "|")
    return "\n".join(lines)
