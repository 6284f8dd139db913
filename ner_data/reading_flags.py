"""The flags that say how a file of labelled words is read, for the command lines beside `run_ner.py`."""

from ner_data.formats.word_csv import Columns
from ner_data.schemes import LETTERS

FLAGS = ("format", "sentence_column", "word_column", "tag_column", "tag_scheme")


def add_reading_flags(parser, repair=True):
    """Add the flags to an `argparse.ArgumentParser`, with the defaults of `run_ner.py`.

    Args:
        parser: gets `FLAGS`.
        repair: and --repair, where a file is not read as `repair` always.
    """
    usual = Columns()
    parser.add_argument("--format", help="word_csv, conll or jsonl; by the file's suffix if not given")
    for column, default in (("sentence", usual.sentence), ("word", usual.word), ("tag", usual.tag)):
        parser.add_argument(f"--{column}_column", default=default, help=f"as in run_ner.py; {default!r} if not given")
    parser.add_argument("--tag_scheme", choices=LETTERS, help="found out if not given")
    if repair:
        parser.add_argument("--repair", action="store_true", help="mend tags and spans that are out of place, counted")


def reading_of(args):
    """What the flags said, as the arguments of `ner_data.read.read_sentences`: a dict."""
    return {name: getattr(args, name) for name in (*FLAGS, "repair")}
