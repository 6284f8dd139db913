"""One corpus, written in every format and every scheme, is the same table read from each."""

import csv
import gzip
import json

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_data.read import read_corpus, read_sentences
from ner_data.spans import words_in

NAMES = ["O", "B-per", "I-per", "B-geo", "I-geo"]


def write_csv(path, corpus, separator=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, delimiter=separator)
        rows.writerow(["Sentence #", "Word", "POS", "Tag"])
        for number, (tokens, tags) in enumerate(corpus):
            for place, (token, tag) in enumerate(zip(tokens, tags, strict=True)):
                rows.writerow([f"Sentence: {number}" if place == 0 else "", token, "X", tag])


def write_conll(path, corpus, separator="\t", middle="", end="\n"):
    text = ""
    for tokens, tags in corpus:
        lines = [f"{token}{separator}{middle}{tag}{end}" for token, tag in zip(tokens, tags, strict=True)]
        text += "".join(lines) + end
    path.write_bytes(text.encode())


def write_universal(path, corpus):
    """CoNLL with a number before the word, two columns after the tag, and comments."""
    text = ""
    for number, (tokens, tags) in enumerate(corpus):
        text += f"# sent_id = {number}\n"
        for place, (token, tag) in enumerate(zip(tokens, tags, strict=True), start=1):
            text += f"{place}\t{token}\t{tag}\t-\t-\n"
        text += "\n"
    path.write_text(text, encoding="utf-8")


def write_jsonl(path, records):
    text = "".join(json.dumps(record) + "\n" for record in records)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def entities(tags):
    """Tags in BIO -> [(first word, one past the last, type)]."""
    starts = [place for place, tag in enumerate(tags) if tag[0] == "B"]
    found = []
    for start in starts:
        end = start + 1
        while end < len(tags) and tags[end][0] == "I":
            end += 1
        found.append((start, end, tags[start][2:]))
    return found


def as_text(tokens, tags):
    """A sentence as a text and character spans; the words are joined by spaces."""
    places, at = [], 0
    for token in tokens:
        places.append((at, at + len(token)))
        at += len(token) + 1
    return " ".join(tokens), [[places[first][0], places[end - 1][1], name] for first, end, name in entities(tags)]


def write_everywhere(directory, corpus):
    """Write a corpus in every format; returns what to give to `read_sentences` for each."""
    write_csv(directory / "comma.csv", corpus)
    write_csv(directory / "semicolon.csv", corpus, ";")
    write_csv(directory / "tab.tsv", corpus, "\t")
    write_conll(directory / "tab.conll", corpus)
    write_conll(directory / "four.txt", corpus, " ", "NNP x ", "\r\n")
    write_universal(directory / "universal.iob2", corpus)
    write_jsonl(directory / "words.jsonl", [{"tokens": tokens, "ner_tags": tags} for tokens, tags in corpus])
    ids = [{"tokens": tokens, "tags": [NAMES.index(tag) for tag in tags]} for tokens, tags in corpus]
    write_jsonl(directory / "ids.json.gz", [{"label_names": NAMES}, *ids])
    texts = [as_text(tokens, tags) for tokens, tags in corpus]
    write_jsonl(directory / "doccano.jsonl", [{"text": text, "label": spans} for text, spans in texts])
    prodigy = [
        {"text": text, "spans": [{"start": start, "end": end, "label": name} for start, end, name in spans]}
        for text, spans in texts
    ]
    write_jsonl(directory / "prodigy.jsonl", prodigy)
    gliner = [
        {"tokenized_text": tokens, "ner": [[first, end - 1, name] for first, end, name in entities(tags)]}
        for tokens, tags in corpus
    ]
    write_jsonl(directory / "gliner.jsonl", gliner)
    columns = {"universal.iob2": {"word_column": 2, "tag_column": 3}}
    return {path.name: (path, columns.get(path.name, {})) for path in sorted(directory.iterdir()) if path.is_file()}


def same(table, corpus):
    assert list(zip(table["tokens"].to_pylist(), table["tags"].to_pylist(), strict=True)) == corpus


words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=6).map(
    lambda text: text[slice(*words_in(text)[0])]
)
corpora = st.lists(
    st.lists(st.tuples(words, st.sampled_from([None, None, "per", "geo"]), st.booleans()), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


def legal(sentence):
    """(word, type or None, does it go on?) -> (tokens, tags in BIO)."""
    tags, before = [], None
    for _, name, goes_on in sentence:
        tags.append("O" if name is None else f"{'I' if goes_on and name == before else 'B'}-{name}")
        before = name
    return [word for word, _, _ in sentence], tags


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(corpora)
def test_every_format_reads_the_same(tmp_path, sentences):
    corpus = [legal(sentence) for sentence in sentences]
    corpus.append((["Ada", "Lovelace", "is", "in", "Rome"], ["B-per", "I-per", "O", "O", "B-geo"]))
    written = write_everywhere(tmp_path, corpus)
    assert len(written) == 11
    for path, columns in written.values():
        same(read_sentences(path, **columns, say=lambda line: None), corpus)


def test_a_saved_data_set_reads_the_same_as_its_files(tmp_path):
    corpus = [(["Ada", "None", str(n)], ["B-per", "I-per", "O"]) for n in range(30)]
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=NAMES))})
    ids = [{"tokens": tokens, "ner_tags": [NAMES.index(tag) for tag in tags]} for tokens, tags in corpus]
    DatasetDict(train=Dataset.from_list(ids, features=features)).save_to_disk(tmp_path / "saved")
    write_csv(tmp_path / "a.csv", corpus)
    from_files = read_corpus(tmp_path / "a.csv", say=lambda line: None)
    saved = read_corpus(dataset_name=str(tmp_path / "saved"), say=lambda line: None)
    for split, table in from_files.items():
        assert table.drop_columns("row").equals(saved[split].drop_columns("row"))


@pytest.mark.parametrize("suffix", ["csv", "conll", "jsonl"])
def test_a_packed_file_reads_as_it_is(tmp_path, suffix):
    corpus = [(["Ada", "is"], ["B-per", "O"]), (["Bob"], ["B-per"])]
    plain = tmp_path / f"a.{suffix}"
    if suffix == "jsonl":
        write_jsonl(plain, [{"tokens": tokens, "tags": tags} for tokens, tags in corpus])
    else:
        {"csv": write_csv, "conll": write_conll}[suffix](plain, corpus)
    packed = tmp_path / f"b.{suffix}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    same(read_sentences(packed, say=lambda line: None), corpus)
    assert read_sentences(packed, say=lambda line: None).equals(read_sentences(plain, say=lambda line: None))
