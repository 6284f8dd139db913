"""What a prediction writes, by the suffix of the file: JSON lines, the CSV with a column more, CoNLL columns.

    .jsonl, .ndjson, .json    {"text": ..., "tokens": [...], "tags": [...], "spans": [...]} and the input's own fields
    .csv, .tsv                the rows of the CSV read, and a column `Predicted`; of other input, sentence, word, tag
    .conll, .iob2, ...        the lines of the CoNLL file read, and a column; of other input, word, tab, tag

A sentence is a number of whole lines, known before it is predicted: so a file that was cut short can be continued.
"""

import csv
import io
import json
from pathlib import Path

from ner_data import InputError
from ner_data.formats.jsonl import SPANS, TAGS
from ner_data.read import FORMATS
from ner_data.text_file import shown
from ner_eval.recognizer import character_spans

PREDICTED = "Predicted"  # the column's name
OWN = ("tags", "spans")  # JSON fields that are written
OF_A_RUN = ("predicted", "confidence")  # those of an earlier run's predictions


def output_format(path):
    """A key of `ner_data.read.FORMATS` for an output path; JSON lines for None, which is standard output.

    Raises:
        InputError: the suffix says no format.
    """
    if path is None:
        return "jsonl"
    for name, suffixes in FORMATS.items():
        if Path(path).suffix.lower() in suffixes and not path.lower().endswith(".txt"):
            return name
    known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes if suffix != ".txt")
    raise InputError(f"--output {path}: no format has the suffix {Path(path).suffix!r}, give one of {known}")


class Lines:
    """`Record` and its prediction -> lines.

    Args:
        source: `ner_eval.records.Source`.
        path: of the output, or None.
        names: label names that a prediction may have.

    Raises:
        InputError: the output's suffix says no format, or the CSV read has a column `Predicted`.
    """

    def __init__(self, source, path, names=()):
        self.format, self.source = output_format(path), source
        self.spaced = [name for name in names if " " in name]
        self.repeats = self.format == source.format and self.format != "jsonl"  # the rows read are written again
        self.separator = "\t" if self.format == "conll" or str(path).lower().endswith(".tsv") else ","
        suffixes = {str(name).lower().removesuffix(".gz")[-4:] for name in (source.path, path)}
        other = self.format == "word_csv" and (source.separator == "\t") != (self.separator == "\t")
        self.converts = self.repeats and other and len(suffixes) > 1  # a .tsv of a .csv, and the other way round
        if self.repeats and self.format == "word_csv" and PREDICTED in source.names:
            raise InputError(f"{source.path}: has a column {PREDICTED} already, rename it, or write a .jsonl file")

    def header(self):
        """The lines before the first sentence, as text."""
        if self.format != "word_csv":
            return ""
        if self.repeats:
            return self._row(self.source.header, PREDICTED) + "\n"
        return self.separator.join(("Sentence #", "Word", PREDICTED)) + "\n"

    def count(self, record):
        """How many lines a sentence takes."""
        if self.format == "jsonl":
            return 1
        if self.repeats:
            return sum(row.text.count("\n") + 1 for row in record.rows)
        return len(record.words) + (self.format == "conll")

    def check(self, record):
        """Raise InputError for a word, or a label that may come, that the output's format cannot hold."""
        if self.repeats and self.format == "conll" and self.source.separator == " " and self.spaced:
            what = f"{self.source.path}: columns by spaces cannot hold the label {shown(self.spaced[0])}"
            raise InputError(f"{what}, write a .jsonl file")
        if self.format == "jsonl" or self.repeats:
            return
        marks = "\t\n\r" if self.format == "conll" else "\n\r"
        for word in record.tokens:
            if any(mark in word for mark in marks):
                what = f"{self.source.path}:{record.line}: a word with a tab or a line end, {shown(word)}"
                raise InputError(f"{what}, which --output cannot hold, write a .jsonl file")

    def write(self, number, record, tags, spans):
        """The lines of a sentence as text.

        Args:
            number: of the sentence in the input, from 0.
            record: `Record`.
            tags: list of str, one per word.
            spans: list of (first word, end of words, type, score).

        Raises:
            InputError: as `check` says.
        """
        self.check(record)
        if self.format == "jsonl":
            return json.dumps(_json_fields(record, tags, spans), ensure_ascii=False) + "\n"
        if self.repeats:
            return self._repeated(record, tags)
        if self.format == "conll":
            return "".join(f"{word}\t{tag}\n" for word, tag in zip(record.tokens, tags, strict=True)) + "\n"
        return self._csv_rows(number, record.tokens, tags)

    def is_of(self, number, record, text):
        """Whether `text` is what `write` makes of a sentence, whatever its tags are."""
        if self.format == "jsonl":
            try:
                fields = json.loads(text)
                return fields["tokens"] == record.tokens and {"tags", "spans"} <= fields.keys()
            except (ValueError, KeyError, TypeError, AttributeError):
                return False
        bare = self.write(number, record, [""] * len(record.words), [])
        written, expected = text.splitlines(), bare.splitlines()
        if len(written) != len(expected):
            return False
        return all(line.startswith(start) if start else not line for line, start in zip(written, expected, strict=True))

    def has(self, number, record, tags, text):
        """Whether `text`, of which `is_of` is true, has these tags."""
        if self.format == "jsonl":
            return json.loads(text)["tags"] == tags
        return self.write(number, record, tags, []) == text

    def _repeated(self, record, tags):
        cells = iter(tags)
        return "".join(self._row(row.text, *([next(cells)] if row.is_word else [])) + "\n" for row in record.rows)

    def _row(self, text, *more):
        """A row that was read, with no or one cell more."""
        if not self.converts:
            return self.source.separator.join((text, *map(self._cell, more)))
        cells = next(csv.reader(io.StringIO(text), delimiter=self.source.separator), [])
        row = io.StringIO()
        csv.writer(row, delimiter=self.separator, lineterminator="\r\n").writerow([*cells, *more])  # quotes both
        return row.getvalue().removesuffix("\r\n")

    def _cell(self, tag):
        """A tag as the cell of a row, quoted if it has to be."""
        if self.format == "conll" or not any(mark in tag for mark in (self.source.separator, '"')):
            return tag
        text = io.StringIO()
        csv.writer(text, delimiter=self.source.separator, lineterminator="").writerow([tag])
        return text.getvalue()

    def _csv_rows(self, number, tokens, tags):
        text = io.StringIO()
        rows = csv.writer(text, delimiter=self.separator, lineterminator="\n")
        for place, row in enumerate(zip(tokens, tags, strict=True)):
            rows.writerow([f"Sentence: {number + 1}" if place == 0 else "", *row])
        return text.getvalue()


def _json_fields(record, tags, spans):
    """The input's fields and those of the prediction. Annotations become `given_tags`, `given_entities` and so on,
    with one more `given_` where that name is taken: who reads the line finds the predicted ones alone."""
    given = record.fields or {}
    fields = {}
    for key, value in given.items():
        is_list = isinstance(value, list)
        is_gold = key in OWN or (key in (*TAGS, *SPANS, "ner", *OF_A_RUN) and is_list)
        name = f"given_{key}" if is_gold else key
        while name != key and name in given:
            name = f"given_{name}"
        fields[name] = value
    fields["text"] = record.text  # of words, these with spaces between: what the spans' characters count in
    fields["tokens"], fields["tags"] = record.tokens, tags
    fields["spans"] = character_spans(record.text, record.words, spans)
    return fields
