"""What is wrong with a corpus, with its lines; for people before they train, and for their CI.

    python -m ner_data.audit my.csv
    python -m ner_data.audit --train_file train.conll --validation_file dev.conll --test_file test.conll
    python -m ner_data.audit my.jsonl --model bert-base-cased --json

Exit code 0: clean; 1: findings; 2: a file that cannot be read, or a wrong flag. Each finding has a code, a count and
the first places as file:line. Sizes, lengths, entities, and how much of the test training has seen, are no findings.
Files, columns and schemes are those of run_ner.py; without a file it looks at the bundled corpus.
"""

import argparse
import json
import os
import sys

import pyarrow as pa

from ner_data import InputError, raise_input_error
from ner_data.audit_corpus import corpus_of, described, part_of, part_of_table
from ner_data.audit_sentences import ambiguous_surfaces, check_documents, check_sentences, seen_shares, sizes
from ner_data.audit_tokens import check_tokens, load_word_tokenizer
from ner_data.audit_words import check_tags, check_types, check_words
from ner_data.bundled import bundled_corpus
from ner_data.formats.word_csv import Columns
from ner_data.read import check_shape, read_words
from ner_data.reading_flags import add_reading_flags
from ner_data.split import SPLITS
from ner_data.text_file import counted, printable

PROGRAM = "python -m ner_data.audit"
PLACES = 5  # of each finding


def audit(corpus, word_tokenizer=None, places=PLACES):
    """Look at a corpus.

    Args:
        corpus: `audit_corpus.Corpus`.
        word_tokenizer: `audit_tokens.WordTokenizer`, or None for an audit without.
        places: how many to name of each finding.

    Returns:
        A dict for JSON:
        `splits`: by name `sentences`, `words`, `words_per_sentence` (quantiles), `entities` (by type);
        `ambiguous_surfaces`, how many, and `most_frequent_ambiguous_surfaces` with the share of each type;
        `seen_entities`: by split, the share of its entities that are, word for word, an entity of the first split;
        `tokenizer`: see `check_tokens`, or None;
        `findings`: a list of `code`, `count`, `what`, `places` (`place` as file:line, `shown`), for what was
        found at least once.
    """
    findings = [*check_words(corpus), *check_tags(corpus), *check_types(corpus)]
    findings += [*check_sentences(corpus), *check_documents(corpus)]
    tokenizer = None
    if word_tokenizer is not None:
        tokenizer, more = check_tokens(corpus, word_tokenizer)
        findings += more
    number, most_frequent = ambiguous_surfaces(corpus)
    return {
        "splits": sizes(corpus),
        "ambiguous_surfaces": number,
        "most_frequent_ambiguous_surfaces": most_frequent,
        "seen_entities": seen_shares(corpus),
        "tokenizer": tokenizer,
        "findings": [described(corpus, finding, places) for finding in findings if len(finding.words)],
    }


def short_form(tables):
    """The audit of sentence tables by split, in a few short lines, for the start of a run.

    Where the first split is train, the last line is the leak: what of the other splits training has seen.
    """
    report = audit(corpus_of([part_of_table(split, table) for split, table in tables.items()]))
    pa.default_memory_pool().release_unused()
    lines = [f"{split}: {_size(facts)}" for split, facts in report["splits"].items()]
    lines.append(f"entities: {_shares(report['splits'])}")
    counts = [f"{finding['count']:,} {finding['code']}" for finding in report["findings"]]
    lines.append(
        f"findings: {', '.join(counts)}; {PROGRAM} on these files shows the lines" if counts else "findings: none"
    )
    return [printable(line) for line in lines + _leak(report)]


def _size(facts):
    """The facts of a split in one line."""
    lengths = facts["words_per_sentence"]
    quantiles = f"{lengths['median']} (median), {lengths['99%']} (99%), {lengths['most']} (most)"
    entities = sum(facts["entities"].values())
    size = f"{counted(facts['words'], 'word')}, {counted(entities, 'entity', 'entities')}"
    return f"{counted(facts['sentences'], 'sentence')} of {quantiles} words, {size}"


def _shares(splits):
    """How the types share in the entities, the most frequent first: `geo 33.0%, org 17.5%`."""
    totals = {}
    for facts in splits.values():
        for type_, count in facts["entities"].items():
            totals[type_] = totals.get(type_, 0) + count
    most = sorted(totals, key=lambda type_: -totals[type_])
    shown = [f"{type_} {totals[type_] / sum(totals.values()):.1%}" for type_ in most[:12]]
    return ", ".join(shown + ["..."] * (len(most) > 12)) or "none"


def _leak(report):
    """What of the later splits the first one holds: a list of one line, or of none."""
    first, *later = report["splits"]
    if not later:
        return []
    same = {finding["code"]: finding["count"] for finding in report["findings"]}.get("sentence-in-two-splits", 0)
    shares = " and ".join(f"{share:.1%} of {split}'s" for split, share in report["seen_entities"].items())
    entities = f"; {shares} entities are, word for word, entities in {first} too" if shares else ""
    return [f"leak: {counted(same, 'sentence')} in two splits{entities}"]


def lines_of(report):
    """A report of `audit` as lines of text, the findings last."""
    lines = [f"{split}: {_size(facts)}" for split, facts in report["splits"].items()]
    width = max(map(len, report["splits"]))
    for type_ in next(iter(report["splits"].values()))["entities"]:
        counts = (f"{facts['entities'][type_]:>{width},} {split}" for split, facts in report["splits"].items())
        lines.append(f"  {type_:20} {'  '.join(counts)}")
    lines += _leak(report)
    if report["ambiguous_surfaces"]:
        lines.append(f"words that are entities of several types: {report['ambiguous_surfaces']:,}, most often")
    for surface in report["most_frequent_ambiguous_surfaces"]:
        shares = ", ".join(f"{type_} {share:.1%}" for type_, share in surface["types"].items())
        lines.append(f"  {surface['surface']:30} {surface['count']:>7,}: {shares}")
    if report["tokenizer"]:
        facts = report["tokenizer"]
        limit = f"reads {facts['limit']:,} at most" if facts["limit"] else "names no limit"
        lines.append(f"{facts['name']}: {facts['subwords']:,} subwords, {facts['unknown_share']:.3%} unknown, {limit}")
    for finding in report["findings"]:
        lines.append(f"{finding['code']}: {finding['count']:,} ({finding['what']})")
        lines += [f"  {place['place']}: {place['shown']}" for place in finding["places"]]
    lines += ["no findings"] * (not report["findings"])
    return [printable(line) for line in lines]


def parse(argv):
    """The command line's flags. Raises InputError for wrong ones."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.error = raise_input_error
    parser.add_argument("files", nargs="*", metavar="FILE", help="files of one corpus that is not split")
    for split in SPLITS:
        parser.add_argument(f"--{split}_file", metavar="FILE", help=f"file of the split {split}")
    parser.add_argument("--model", help="Hub name or directory, to look with its tokenizer; `scratch` has none yet")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.add_argument("--places", type=int, default=PLACES, help="how many to name of each finding; %(default)s")
    parser.add_argument("--group_column", help="column with the document: is one in two splits?")
    add_reading_flags(parser, repair=False)
    flags = parser.parse_args(argv)
    if flags.places < 1:
        raise InputError(f"--places {flags.places}: give 1 or more")
    split_files = {split: getattr(flags, f"{split}_file") for split in SPLITS}
    if flags.files and any(split_files.values()):
        raise InputError(f"{flags.files[0]}: given beside files of splits, give one or the other")
    if not flags.files and not any(split_files.values()):
        split_files = bundled_corpus(split_files, test_fraction=1)
    flags.sources = [("corpus", file) for file in flags.files]
    flags.sources += [(split, file) for split, file in split_files.items() if file]
    return flags


def main(argv=None):
    """The command line; returns the exit code."""
    flags, notes = None, []
    try:
        flags = parse(argv)
        say = notes.append
        columns = Columns(flags.sentence_column, flags.word_column, flags.tag_column, flags.group_column)
        parts = [
            part_of(split, check_shape(words, flags.format), flags.tag_scheme, say)
            for split, source in flags.sources
            for words in read_words(source, columns, flags.format, repair=True, say=say)
        ]
        word_tokenizer = load_word_tokenizer(flags.model) if flags.model not in (None, "scratch") else None
        report = audit(corpus_of(parts), word_tokenizer, flags.places)
    except InputError as error:
        for note in [] if flags is None or flags.json else notes:
            print(note)
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    shown = json.dumps({"notes": notes} | report, indent=1, ensure_ascii=False)
    try:
        print(shown if flags.json else "\n".join(notes + lines_of(report)), flush=True)
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 1 if report["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
