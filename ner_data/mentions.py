"""More sentences to learn from: the training sentences again, with other entities of the same types in them.

Mention replacement (Dai and Adel 2020, arXiv:2010.11683). Where sentences are few, passes over such copies teach more
than further passes over the same sentences: figures in `benchmarks/TRIALS.md`.
"""

import numpy as np
import pyarrow as pa

REPLACED = 0.7  # share of the entities of a copy that are drawn anew


def with_other_mentions(sentences, copies, seed, say=print):
    """A sentence table with copies of its sentences behind them, in which entities are other ones of the same type.

    An entity of a copy is with the probability `REPLACED` one that is drawn from all entities of its type in the table
    (frequent ones more often); it may be the same again. Sentences without an entity are not copied.

    Args:
        sentences: sentence table (`tokens`, `tags`: list<string>, legal BIO; further columns are copied as they are).
        copies: how many of each sentence.
        seed: int.
        say: called with a line unless there are no copies.

    Returns:
        sentence table; the one that was given if there is nothing to copy.
    """
    if not copies:
        return sentences
    random = np.random.default_rng((seed, 4, copies))  # no other draw in the project begins so
    tokens, tags = (sentences[name].to_pylist() for name in ("tokens", "tags"))
    spans = [_spans(own) for own in tags]
    mentions = {}
    for own, found in zip(tokens, spans, strict=True):
        for begin, end, type_ in found:
            mentions.setdefault(type_, []).append(own[begin:end])
    rows = [row for row, found in enumerate(spans) if found] * copies
    if not rows:
        return sentences
    copied = [_copy(tokens[row], spans[row], mentions, random) for row in rows]
    added = sentences.take(pa.array(rows, pa.int64()))
    for name, column in zip(("tokens", "tags"), zip(*copied, strict=True), strict=True):
        place = added.column_names.index(name)
        added = added.set_column(place, name, pa.array(column, sentences.schema.field(name).type))
    say(
        f"train: {len(rows):,} copies of sentences beside the {len(sentences):,}, {REPLACED:.0%} of their entities"
        " drawn anew from those of the same type (--augment 0: none)"
    )
    return pa.concat_tables([sentences, added.cast(sentences.schema)])


def _spans(tags):
    """The entities of a sentence in legal BIO: a list of (begin, end, type)."""
    begins = [k for k, tag in enumerate(tags) if tag.startswith("B-")]
    return [(begin, _end(tags, begin), tags[begin][2:]) for begin in begins]


def _end(tags, begin):
    end = begin + 1
    while end < len(tags) and tags[end].startswith("I-"):
        end += 1
    return end


def _copy(tokens, spans, mentions, random):
    """A sentence with entities drawn anew: its tokens, its tags."""
    new_tokens, new_tags, done = [], [], 0
    for begin, end, type_ in spans:
        mention = tokens[begin:end]
        if random.random() < REPLACED:
            mention = mentions[type_][random.integers(len(mentions[type_]))]
        new_tokens += tokens[done:begin] + mention
        new_tags += ["O"] * (begin - done) + [f"B-{type_}"] + [f"I-{type_}"] * (len(mention) - 1)
        done = end
    return new_tokens + tokens[done:], new_tags + ["O"] * (len(tokens) - done)
