"""Copies of sentences with other entities: the same words outside, entities of the training sentences inside."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_data import mentions
from ner_data.mentions import with_other_mentions
from ner_eval.span_counts import find_spans, label_parts, shared_ids
from ner_eval.surfaces import surfaces_of


def table_of(rows, **more):
    """[(words, tags), ...], both in one string, as a sentence table."""
    strings = pa.list_(pa.string())
    columns = {
        "tokens": pa.array([words.split() for words, _ in rows], strings),
        "tags": pa.array([tags.split() for _, tags in rows], strings),
        "row": pa.array(range(2, len(rows) + 2), pa.int64()),
    }
    return pa.table(columns | more)


def quiet(line):
    pass


CORPUS = [
    ("Ada saw New York .", "B-per O B-geo I-geo O"),
    ("Nobody slept .", "O O O"),
    ("Rio saw Bo Li Wu", "B-geo O B-per I-per I-per"),
]


def test_copies_stand_behind_the_sentences_with_their_rows_and_are_said():
    lines = []
    table = table_of(CORPUS, file=pa.array(["a", "b", "c"]))
    more = with_other_mentions(table, 2, 1, lines.append)
    assert more.slice(0, 3).equals(table)
    assert more.schema == table.schema
    assert more["row"].to_pylist() == [2, 3, 4, 2, 4, 2, 4]  # the second sentence holds no entity
    assert more["file"].to_pylist() == ["a", "b", "c", "a", "c", "a", "c"]
    assert lines == [
        "train: 4 copies of sentences beside the 3, 70% of their entities drawn anew from those of the same type"
        " (--augment 0: none)"
    ]


def test_every_entity_is_drawn_from_those_of_its_type(monkeypatch):
    monkeypatch.setattr(mentions, "REPLACED", 1.0)
    more = with_other_mentions(table_of(CORPUS), 40, 1, quiet)
    copies = {" ".join(tokens) for tokens in more["tokens"].to_pylist()[3:]}
    people, places = ("Ada", "Bo Li Wu"), ("New York", "Rio")
    assert copies == {f"{a} saw {b} ." for a in people for b in places} | {
        f"{b} saw {a}" for a in people for b in places
    }
    tags = dict(zip(map(" ".join, more["tokens"].to_pylist()), map(" ".join, more["tags"].to_pylist()), strict=True))
    assert tags["Bo Li Wu saw Rio ."] == "B-per I-per I-per O B-geo O"
    assert tags["New York saw Ada"] == "B-geo I-geo O B-per"


def test_neighbouring_entities_of_one_type_stay_two():
    more = with_other_mentions(table_of([("Ada Bo", "B-per B-per")]), 30, 1, quiet)
    assert set(map(tuple, more["tags"].to_pylist())) == {("B-per", "B-per")}
    assert {" ".join(tokens) for tokens in more["tokens"].to_pylist()} == {"Ada Ada", "Ada Bo", "Bo Ada", "Bo Bo"}


def test_a_table_in_pieces_with_files_and_documents():
    whole = table_of(CORPUS, file=pa.array(["a", "b", "c"]), group=pa.array(["x", "x", "y"]))
    pieces = pa.concat_tables([whole.slice(k, 1) for k in range(3)])
    assert with_other_mentions(pieces, 2, 1, quiet).equals(with_other_mentions(whole, 2, 1, quiet))


def test_without_copies_no_word_is_looked_at():
    assert with_other_mentions(None, 0, 1, quiet) is None


def test_without_an_entity_it_is_the_table_itself_and_no_line():
    lines = []
    table = table_of([("Nobody slept", "O O")])
    assert with_other_mentions(table, 3, 1, lines.append) is table
    assert lines == []


def test_the_seed_decides():
    draw = lambda seed: with_other_mentions(table_of(CORPUS), 5, seed, quiet)  # noqa: E731
    assert draw(1).equals(draw(1)) and not draw(1).equals(draw(2))


def mentions_of(table):
    """The entities of a table, {(type, words), ...}; its tags are legal BIO."""
    tags, words = (table[name].to_pylist() for name in ("tags", "tokens"))
    ids, _, offsets, names = shared_ids(tags, tags)
    parts = label_parts(names)
    spans, lenient = (find_spans(ids, offsets, parts, reading) for reading in ("strict", "conlleval"))
    assert all((a == b).all() for a, b in zip(spans, lenient, strict=True))
    surfaces = surfaces_of([word for tokens in words for word in tokens], spans)
    return {(parts.names[type_], surface) for type_, surface in zip(spans.type, surfaces, strict=True)}


TAGS = st.lists(st.sampled_from(["O", "B-a", "B-b", "B-a I-a", "B-b I-b I-b"]), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(TAGS, min_size=1, max_size=5), st.integers(1, 3), st.integers(0, 9))
def test_copies_are_legal_bio_with_known_entities_and_the_words_outside_in_place(sentences, copies, seed):
    rows = []
    for number, parts in enumerate(sentences):
        tags = " ".join(parts).split()
        rows.append((" ".join(f"w{number}.{k}" for k in range(len(tags))), " ".join(tags)))
    table = table_of(rows)
    more = with_other_mentions(table, copies, seed, quiet)
    assert len(more) == len(table) + copies * sum("B-" in tags for _, tags in rows)
    assert mentions_of(more) == mentions_of(table)
    for row, tokens, tags in zip(*(more[name].to_pylist() for name in ("row", "tokens", "tags")), strict=True):
        kept = [word for word, tag in zip(tokens, tags, strict=True) if tag == "O"]
        original = zip(*(part.split() for part in rows[row - 2]), strict=True)
        assert kept == [word for word, tag in original if tag == "O"]
