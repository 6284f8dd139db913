"""How many planted label errors stand at the top of the list of suspects, against chance.

    python -m benchmarks.bench_suspects [--share 0.03] [--folds 3] [flags of run_ner.py]

In a copy of the bundled training sentences, a share of the entities gets a wrong annotation: one in three another type,
one in three a word too many if that word is free, and the rest none at all. `ner_eval.suspects` ranks what its models
contradict. A planted error counts as found when a suspect shares a word with it. Chance: the same number of suspects
drawn from all entities.
"""

import argparse
import sys
import tempfile

import numpy as np

from ner_data import InputError
from ner_data.bundled import bundled_corpus
from ner_data.read import read_sentences
from ner_eval.span_counts import find_spans, label_parts, shared_ids
from ner_eval.suspects import out_of_fold, rank_suspects
from ner_model.checkpoints import TrainingStopped


def plant_errors(tags, share, seed):
    """Spoil the annotation of a share of the entities.

    Args:
        tags: a list of tags per sentence, legal BIO.
        share: of the entities.
        seed: int.

    Returns:
        tags with errors; the places of the errors as (sentence, begin, end); the number of entities.
    """
    random = np.random.default_rng(seed)
    ids, _, offsets, names = shared_ids(tags, tags)
    parts = label_parts(names)
    spans = find_spans(ids, offsets, parts, "strict")
    spoilt, places = [list(sentence) for sentence in tags], []
    for span in random.permutation(len(spans.begin))[: int(share * len(spans.begin) + 0.5)].tolist():
        sentence = int(np.searchsorted(offsets, spans.begin[span], side="right")) - 1
        begin, end = int(spans.begin[span] - offsets[sentence]), int(spans.end[span] - offsets[sentence])
        here, type_ = spoilt[sentence], parts.names[spans.type[span]]
        kind = random.integers(3)
        if kind == 0:
            type_ = random.choice([name for name in parts.names if name != type_])
            here[begin:end] = [f"B-{type_}"] + [f"I-{type_}"] * (end - begin - 1)
        elif kind == 1 and end < len(here) and here[end] == "O":
            here[end] = f"I-{type_}"
            end += 1
        else:
            here[begin:end] = ["O"] * (end - begin)
        places.append((sentence, begin, end))
    return spoilt, places, len(spans.begin)


def main(argv=None):
    """Print the share of planted errors among the first suspects, at several lengths of the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    args, flags = parser.parse_known_args(argv)
    try:
        return measure(args, flags)
    except (InputError, TrainingStopped) as error:
        print(f"bench_suspects: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1


def measure(args, flags):
    """Plant, rank, and print the table. Returns the exit code; raises as `out_of_fold`."""
    if not 0 < args.share <= 1:
        raise InputError(f"--share {args.share:g}: give a share of the entities, over 0 and up to 1")
    path = bundled_corpus(dict.fromkeys(("train", "validation", "test")), 0)["train"]
    table = read_sentences(path)
    tags, places, entities = plant_errors(table["tags"].to_pylist(), args.share, args.seed)
    table = table.set_column(table.column_names.index("tags"), "tags", [tags])
    with tempfile.TemporaryDirectory() as directory:
        tagged = out_of_fold(table, args.folds, args.seed, flags, directory)
    suspects = rank_suspects(table, *tagged, path)
    planted = {}
    for number, (sentence, begin, end) in enumerate(places):
        planted.update(((sentence, word), number) for word in range(begin, end))
    found, ranks = set(), []
    for suspect in suspects:
        words = ((suspect["sentence_index"], word) for word in range(suspect["begin"], suspect["end"]))
        found |= {planted[word] for word in words if word in planted}
        ranks.append(len(found))
    print(f"{len(places)} errors planted in {entities:,} entities, {len(suspects)} suspects")
    print("| first suspects | planted errors found | share | by chance |\n|---:|---:|---:|---:|")
    lengths = {min(length, len(suspects)) for length in (len(places) // 2, len(places), 2 * len(places), len(suspects))}
    for length in sorted(lengths):
        hits = ranks[min(length, len(ranks)) - 1] if ranks else 0
        print(f"| {length} | {hits} | {hits / len(places):.3f} | {min(1, length / entities):.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
