"""JSON lines in every layout become the same sentences."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_data import InputError
from ner_data.formats import jsonl
from ner_data.read import read_sentences
from ner_data.spans import words_in

SENTENCE = {"tokens": ["Ada", "Lovelace", "sings"], "tags": ["B-per", "I-per", "O"]}
TEXT = "Ada Lovelace sings"


def read(tmp_path, *records, **arguments):
    """Read records, one per line -> (the rows, the lines that were said but for the tag scheme)."""
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(record if isinstance(record, str) else json.dumps(record) for record in records))
    said = []
    rows = read_sentences(path, say=said.append, **arguments).to_pylist()
    return rows, [line.removeprefix(f"{path}:") for line in said if ": tag scheme " not in line]


@pytest.mark.parametrize(
    "record",
    [
        {"tokens": SENTENCE["tokens"], "ner_tags": SENTENCE["tags"]},
        {"id": 7, "words": SENTENCE["tokens"], "labels": SENTENCE["tags"]},
        {"tokens": SENTENCE["tokens"], "tags": SENTENCE["tags"], "text": TEXT},
        {"tokens": SENTENCE["tokens"], "labels": SENTENCE["tags"], "text": TEXT},
        {"tokens": SENTENCE["tokens"], "ner_tags": SENTENCE["tags"], "text": TEXT, "entities": []},
        {"label_names": ["O", "B-per", "I-per"], "tokens": SENTENCE["tokens"], "ner_tags": [1, 2, 0]},
        {"text": TEXT, "entities": [], "label": [[0, 12, "per"]]},
        {"text": TEXT, "spans": [[0, 12, "per"]], "label": "per"},
        {"text": TEXT, "label": [[0, 12, "per"]]},
        {"text": TEXT, "labels": [[0, 12, "per"]], "tags": []},
        {"text": TEXT, "entities": [{"id": 1, "label": "per", "start_offset": 0, "end_offset": 12}], "relations": []},
        {"text": TEXT, "spans": [{"start": 0, "end": 12, "label": "per", "token_start": 0}], "answer": "accept",
         "tokens": [{"text": "Ada", "start": 0, "end": 3, "id": 0}]},
        {"text": TEXT, "ents": [{"start": 0, "end": 12, "type": "per"}], "tokens": [{"id": 0, "start": 0, "end": 3}]},
        {"tokenized_text": SENTENCE["tokens"], "ner": [[0, 1, "per"]]},
    ],
)  # fmt: skip
def test_every_layout_reads_the_same(tmp_path, record):
    assert read(tmp_path, "", record, "  ", record) == ([SENTENCE | {"row": 2}, SENTENCE | {"row": 4}], [])


def test_ids_take_their_names_from_the_first_line(tmp_path):
    names = {"label_names": ["O", "B-per", "I-per"]}
    rows, _ = read(tmp_path, names, {"tokens": SENTENCE["tokens"], "ner_tags": [1, 2, 0]})
    assert rows == [SENTENCE | {"row": 2}]


def test_words_stay_exactly_what_they_are(tmp_path):
    tokens = ["None", "007", '"', "a b", "😀", "\u2028", "\t.", "\x00x"]
    rows, _ = read(tmp_path, {"tokens": [token for token in tokens if token != "\u2028"], "tags": ["O"] * 7})
    assert rows[0]["tokens"] == [token for token in tokens if token != "\u2028"]


def test_rejected_lines_are_skipped_and_counted(tmp_path):
    record = {"text": TEXT, "spans": []}
    rows, said = read(tmp_path, record, record | {"answer": "reject"}, record | {"answer": "ignore"})
    assert len(rows) == 1
    assert said == ["2: 2 lines with the answer reject or ignore skipped"]


def test_spans_that_do_not_lie_on_words_are_adjusted_and_counted_when_asked(tmp_path):
    records = [
        {"text": TEXT, "label": [[0, 12, "per"]]},
        {"text": TEXT, "label": [[0, 10, "per"], [11, 12, "x"], [12, 13, "x"]]},
        {"tokenized_text": ["Ada", "sings"], "ner": [[0, 0, "per"], [1, 2, "x"]]},
    ]
    rows, said = read(tmp_path, *records, repair=True)
    assert rows[1] == SENTENCE | {"row": 2}
    assert rows[2]["tags"] == ["B-per", "B-x"]
    assert said == [
        "2: 2 spans adjusted to whole words, 2 dropped (line 2 [0, 10, 'per'] does not begin and end with a word, "
        "line 2 [11, 12, 'x'] overlaps another one, line 2 [12, 13, 'x'] holds no word, "
        "line 3 [1, 2, 'x'] leaves the text, which ends at 2)"
    ]


def test_two_fields_with_spans_are_refused(tmp_path):
    record = {"text": TEXT, "entities": [[0, 3, "per"]], "label": [[0, 12, "per"]]}
    with pytest.raises(InputError, match="a.jsonl:1: spans both in `entities` and in `label`, leave one of them out"):
        read(tmp_path, record)


BESIDE = {"text": "Ada sings", "tokens": ["Ada", "sings"], "tags": ["B-per", "O"]}


@pytest.mark.parametrize(
    "record",
    [
        BESIDE | {"label": []},
        BESIDE | {"spans": [[0, 3, "per"]]},
        BESIDE | {"spans": [{"start": 0, "end": 3, "type": "per", "text": "Ada", "score": 0.9}]},
        {"text": "Ada sings", "words": ["Ada", "sings"], "labels": ["B-per", "O"], "spans": []},
        {"text": "Ada sings", "entities": [], "tokenized_text": ["Ada", "sings"], "ner": [[0, 0, "per"]]},
        BESIDE | {"label": "news"},
        {"text": "Ada sings", "entities": [[0, 3, "per"]], "tags": ["news"], "labels": ["en"]},
        {**BESIDE, "ner_tags": ["B-per", "O"], "entities": [{"name": "Ada", "type": "per"}]},
        {**BESIDE, "tags": ["NNP", "VBZ"], "entities": [[0, 3, "per"]]},
        {**BESIDE, "tags": [3, 0], "entities": [[0, 3, "per"]]},
        {"text": "Ada sings", "tokens": [{"text": "Ada"}, {"text": "x"}], "tags": ["a", "b"], "spans": [[0, 3, "per"]]},
    ],
)
def test_annotations_are_read_beside_an_empty_field_or_one_that_says_the_same(tmp_path, record):
    ((row,), _) = read(tmp_path, record)
    assert (row["tokens"], row["tags"]) == (["Ada", "sings"], ["B-per", "O"])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            BESIDE | {"tags": ["O", "O"], "entities": [[0, 3, "per"]]},
            "`tags` and `entities` do not say the same, .O. an",
        ),
        (BESIDE | {"ner_tags": ["O", "B-x"], "spans": [[0, 3, "per"]]}, "`ner_tags` and `spans` do not say the same"),
        (
            BESIDE | {"entities": [[0, 3, "geo"]]},
            "`tags` and `entities` do not say the same, .B-per. and .B-geo.",
        ),
        (
            {"text": "Ada", "entities": [[0, 3, "per"]], "tokenized_text": ["Ada"], "ner": [[0, 0, "per"]]},
            "spans both in `entities` and in `ner`, leave one of them out",
        ),
    ],
)
def test_annotations_that_contradict_each_other_are_refused(tmp_path, record, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, record)


def test_words_that_are_not_those_of_the_text_are_not_compared(tmp_path):
    words = ["saw", "-LRB-", "Paris", "-RRB-", "and", "Paris"]
    record = {"text": "saw (Paris) and Paris", "tokens": words, "ner_tags": ["O", "O", "B-geo", "O", "O", "O"]}
    ((row,), _) = read(tmp_path, record | {"entities": [[5, 10, "geo"]]})
    assert row["tags"] == record["ner_tags"]


@pytest.mark.parametrize("name", ["Le Monde\u00a02020", "報告\u3000一", "می\u200cخواهم", 7])
def test_any_string_or_number_is_a_document(tmp_path, name):
    ((row,), _) = read(tmp_path, {"text": "It rains", "entities": [], "doc": name}, group_column="doc")
    assert row["group"] == str(name)


def test_half_a_character_is_no_document(tmp_path):
    with pytest.raises(InputError, match="`doc` is no document"):
        read(tmp_path, {"text": "It rains", "entities": [], "doc": "\ud83d"}, group_column="doc")


def test_a_sentence_beside_the_names_of_ids_is_read(tmp_path):
    first = {"label_names": ["O", "B-per"], "tokens": ["Ada"], "ner_tags": [1]}
    rows, _ = read(tmp_path, first, {"tokens": ["x"], "ner_tags": [0]})
    assert [(row["tokens"], row["tags"]) for row in rows] == [(["Ada"], ["B-per"]), (["x"], ["O"])]


@pytest.mark.parametrize("flag", ["sentence_column", "word_column", "tag_column"])
def test_columns_that_json_lines_do_not_have_are_refused(tmp_path, flag):
    with pytest.raises(
        InputError, match=f"--{flag} fine: .*a.jsonl is JSON lines, whose fields have names of their own"
    ):
        read(tmp_path, {"tokens": ["a"], "ner_tags": ["O"], "fine": ["B-x"]}, **{flag: "fine"})


def test_more_lines_than_are_held_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "AT_ONCE", 2)
    records = [{"tokens": [f"w{n}"] * (n + 1), "tags": ["O"] * (n + 1)} for n in range(5)]
    assert [(len(row["tokens"]), row["row"]) for row in read(tmp_path, *records)[0]] == [
        (n + 1, n + 1) for n in range(5)
    ]


def test_ids_have_to_be_in_the_list_of_names(tmp_path):
    names = {"label_names": ["O", "B-per"]}
    for wrong in (2, -1):
        with pytest.raises(InputError, match=f"a.jsonl:2: an id without a name, {wrong}, the ids are 0 to 1"):
            read(tmp_path, names, {"tokens": ["a"], "tags": [wrong]})


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(lambda word: word.strip())
sentences = st.lists(st.tuples(words, st.sampled_from(["O", "B-x", "B-y z"])), min_size=1, max_size=5)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(sentences, min_size=1, max_size=4), st.booleans())
def test_what_is_written_as_words_is_read_back(tmp_path, corpus, ascii_only):
    records = [{"tokens": [word for word, _ in pairs], "tags": [tag for _, tag in pairs]} for pairs in corpus]
    path = tmp_path / "a.jsonl"
    path.write_bytes("\n".join(json.dumps(record, ensure_ascii=ascii_only) for record in records).encode())
    rows = read_sentences(path, say=lambda line: None).to_pylist()
    assert rows == [record | {"row": line} for line, record in enumerate(records, start=1)]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(words_in), st.data())
def test_what_is_written_as_text_is_read_back(tmp_path, text, data):
    places = words_in(text)
    edges = sorted(data.draw(st.sets(st.integers(0, len(places)), max_size=6)))
    spans = [[places[first][0], places[last - 1][1], "x"] for first, last in zip(edges, edges[1:], strict=False)]
    (row,), said = read(tmp_path, {"text": text, "spans": spans})
    assert row["tokens"] == [text[start:end] for start, end in places]
    tags = ["O"] * len(places)
    for first, last in zip(edges, edges[1:], strict=False):
        tags[first:last] = ["B-x"] + ["I-x"] * (last - first - 1)
    assert row["tags"] == tags
