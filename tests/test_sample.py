"""The bundled corpus is what its generator writes, and keeps the promises of the generator's docstring."""

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest

from ner_data import sample

COMMITTED = Path(sample.__file__).parent
SPLITS = ["train", "validation", "test"]
TYPES = {"geo", "org", "per", "gpe", "tim", "art", "eve", "nat"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sample")
    sample.write_corpus(directory)
    return directory


@pytest.fixture(scope="module")
def corpus():
    """{split: [([word], [tag])]} of the committed files, read by their layout and not by the generator."""
    splits = {}
    for split in SPLITS:
        splits[split] = []
        with open(COMMITTED / sample.FILES[split], encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["Sentence #"]:
                    assert row["Sentence #"] == f"Sentence: {len(splits[split]) + 1}"
                    splits[split].append(([], []))
                splits[split][-1][0].append(row["Word"])
                splits[split][-1][1].append(row["Tag"])
    return splits


def entities(sentences):
    """[(entity type, surface)] of the spans."""
    found = []
    for words, tags in sentences:
        for word, tag in zip(words, tags, strict=True):
            if tag.startswith("B-"):
                found.append((tag[2:], [word]))
            elif tag.startswith("I-"):
                found[-1][1].append(word)
    return [(entity_type, " ".join(words)) for entity_type, words in found]


@pytest.mark.parametrize("split", SPLITS)
def test_generator_writes_the_committed_bytes(written, split):
    name = sample.FILES[split]
    assert (written / name).read_bytes() == (COMMITTED / name).read_bytes()


@pytest.mark.parametrize("split", SPLITS)
def test_layout(written, split):
    data = (written / sample.FILES[split]).read_bytes()
    assert data.startswith(b"Sentence #,Word,POS,Tag\nSentence: 1,") and b"\r" not in data
    rows = list(csv.reader(data.decode("utf-8").splitlines()))
    assert {len(row) for row in rows} == {4}
    assert all(cell and cell.split() == [cell] for row in rows[1:] for cell in row[1:])


def test_counts(corpus):
    assert {split: len(sentences) for split, sentences in corpus.items()} == sample.SIZES
    assert sample.SIZES == {"train": 3700, "validation": 500, "test": 700}
    lengths = [len(words) for words, _ in corpus["train"]]
    assert min(lengths) <= 3 and max(lengths) > 60 and 14 < sum(lengths) / len(lengths) < 20


@pytest.mark.parametrize("split", SPLITS)
def test_tags_are_legal_bio(corpus, split):
    for _, tags in corpus[split]:
        for before, tag in zip(["O", *tags], tags, strict=False):
            assert tag == "O" or (tag[:2] in ("B-", "I-") and tag[2:] in TYPES)
            assert not tag.startswith("I-") or before[2:] == tag[2:]


@pytest.mark.parametrize("split", SPLITS)
def test_every_type_and_sentences_without_any(corpus, split):
    support = defaultdict(int)
    for entity_type, _ in entities(corpus[split]):
        support[entity_type] += 1
    assert set(support) == TYPES and min(support.values()) >= 20
    without = sum(set(tags) == {"O"} for _, tags in corpus[split])
    assert without / len(corpus[split]) >= 0.15


def test_no_sentence_twice(corpus):
    sentences = [tuple(word.casefold() for word in words) for split in SPLITS for words, _ in corpus[split]]
    assert len(set(sentences)) == len(sentences)


def test_most_names_of_the_test_split_are_new(corpus):
    seen = {surface for _, surface in entities(corpus["train"])}
    surfaces = {surface for _, surface in entities(corpus["test"])}
    assert len(surfaces - seen) / len(surfaces) >= 0.6


def test_splits_share_no_template():
    blanked = {
        split: {re.sub(r"\{\w+\}", "{}", line).casefold() for line in sample.templates(split).values()}
        for split in SPLITS
    }
    for one, other in ("train", "validation"), ("train", "test"), ("validation", "test"):
        assert not blanked[one] & blanked[other]
    assert len({name for split in SPLITS for name in sample.templates(split)}) == sum(
        len(sample.templates(split)) for split in SPLITS
    )


def test_every_slot_is_known_and_plain_templates_hold_no_name():
    for split in SPLITS:
        writer = sample.Writer(split, sample.random.Random(0))
        for name, line in sample.templates(split).items():
            writer.used.clear()
            tokens = writer.fill(line.replace("{clause}", "it rained"), name.split("/")[1])
            if name.split("/")[1].startswith("plain"):
                assert {tag for _, _, tag in tokens} == {"O"}, line


def test_ambiguous_names_have_several_types(corpus):
    types = {split: defaultdict(set) for split in SPLITS}
    for split in SPLITS:
        for words, tags in corpus[split]:
            for word, tag in zip(words, tags, strict=True):
                types[split][word].add(tag[2:] or "O")
    both = ["Jordan", "Washington", "Paris", "Georgia", "Lincoln", "Chelsea", "Florence", "Victoria", "Santiago"]
    for word in both:
        assert len(types["train"][word] - {"O"}) >= 2 and len(types["test"][word] - {"O"}) >= 2, word
    for word in ["Amazon", "Ford", "Katrina", "Bush", "Brown", "August"]:
        assert len(types["train"][word]) >= 2, word
    for word in ["May", "Will", "Mark", "March", "Turkey", "Rose"]:  # also words that are no name at all
        assert "O" in types["train"][word] and len(types["train"][word]) >= 2, word


def test_words_that_look_like_missing_values_or_numbers(corpus):
    special = {"None", "NA", "N/A", "null", "nan", "007", "1e5", "true"}
    for split in SPLITS:
        words = {word for sentence, _ in corpus[split] for word in sentence}
        assert len(words & special) >= (8 if split == "train" else 5) and words >= {",", '"'}, split
    train = {word for sentence, _ in corpus["train"] for word in sentence}
    assert train >= {"Zoë", "Søren", "São", "Łódź"} and any("-" in word for word in train)
