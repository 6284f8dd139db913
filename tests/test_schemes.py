"""Tag schemes are found, checked, and converted without losing an entity."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_data import InputError
from ner_data.read import read_sentences
from ner_data.schemes import detect, ill_formed, illegal, put_together, take_apart

# One corpus in every scheme: New York / Ada met Bob Marley / Paris London / O
SAME = {
    "BIO": "B-loc I-loc | B-per O B-per I-per | B-loc B-loc | O",
    "IOB1": "I-loc I-loc | I-per O I-per I-per | I-loc B-loc | O",
    "BIOES": "B-loc E-loc | S-per O B-per E-per | S-loc S-loc | O",
    "BILOU": "B-loc L-loc | U-per O B-per L-per | U-loc U-loc | O",
}
LOSSY = {
    "IO": "I-loc I-loc | I-per O I-per I-per | I-loc I-loc | O",
    "unprefixed": "loc loc | per O per per | loc loc | O",
}


def corpus(text):
    """`B-x O | O` -> the tags as an Arrow array, and the places at which sentences start."""
    sentences = [sentence.split() for sentence in text.split("|")]
    starts = np.cumsum([0] + [len(sentence) for sentence in sentences[:-1]])
    return pa.array(sum(sentences, []), pa.string()), starts


def convert(text, scheme, other):
    """The text's tags in another scheme, as such a text."""
    tags, starts = corpus(text)
    words = put_together(take_apart(tags, starts, scheme), other).to_pylist()
    return " | ".join(" ".join(part) for part in np.split(words, starts[1:]))


@pytest.mark.parametrize("scheme", SAME)
@pytest.mark.parametrize("other", SAME)
def test_one_corpus_in_every_scheme(scheme, other):
    assert convert(SAME[scheme], scheme, other) == SAME[other]
    assert len(illegal(take_apart(*corpus(SAME[scheme]), scheme), scheme)) == 0


@pytest.mark.parametrize("scheme", LOSSY)
def test_schemes_that_cannot_tell_two_entities_in_a_row_make_one_of_them(scheme):
    assert convert(SAME["BIO"], "BIO", scheme) == LOSSY[scheme]
    assert convert(LOSSY[scheme], scheme, "BIO") == SAME["BIO"].replace("B-loc B-loc", "B-loc I-loc")


@pytest.mark.parametrize(
    ("text", "scheme", "evidence"),
    [
        (SAME["BIO"], "BIO", "5 B-, 2 I- tags, none of them out of place"),
        (SAME["IOB1"], "IOB1", "1 B-, 6 I- tags, none of them out of place"),
        (SAME["BIOES"], "BIOES", "2 B-, 2 E-, 3 S- tags, none of them out of place"),
        (SAME["BILOU"], "BILOU", "2 B-, 2 L-, 3 U- tags, none of them out of place"),
        (LOSSY["IO"], "IO", "7 I- tags and no B-"),
        (LOSSY["unprefixed"], "unprefixed", "7 tags without B- or I-, 2 different ones"),
        ("O O | O", None, "no tag but O"),
        ("B-x O | B-x B-y", "BIO", "3 B- tags, none of them out of place"),
        ("B-x I-x | B-x O I-x", "BIO", "2 B-, 2 I- tags, 1 of them out of place"),
        ("I-x I-x B-x | I-x | B-x I-x", "IOB1", "2 B-, 4 I- tags, 1 of them out of place"),
        ("B-x I-x | B-x I-x | B-x | E-x", "BIO", "3 B-, 2 I-, 1 E- tags, 1 of them out of place"),
        ("S-x | B-x E-x | B-x", "BIOES", "2 B-, 1 E-, 1 S- tags, 1 of them out of place"),
        ("NNP VB", "BIO", "2 tags without B- or I-, 2 different ones"),
        ("b-x O", "BIO", "1 tags without B- or I-, 1 different ones"),
        ("per B-x O", "BIO", "1 B- tags, 1 of them out of place"),
    ],
)
def test_the_scheme_is_found_from_the_tags(text, scheme, evidence):
    assert detect(*corpus(text)) == (scheme, evidence)


@pytest.mark.parametrize(
    ("text", "scheme", "places"),
    [
        ("B-x I-x I-y | I-x O I-x I-x", "BIO", [2, 3, 5]),
        ("I-x B-x B-y | B-x O B-x I-x", "IOB1", [2, 3, 5]),
        ("B-x I-x | I-x E-x | E-x | S-x I-x E-x | B-x E-x E-x | B-x S-x | B-x E-y", "BIOES",
         [1, 2, 4, 6, 10, 11, 13, 14]),
        ("B-x I-x | I-x L-x | L-x | U-x I-x L-x", "BILOU", [1, 2, 4, 6]),
        ("I-x I-y O I-x | I-x", "IO", []),
        ("x y O x | x", "unprefixed", []),
    ],
)  # fmt: skip
def test_illegal_tags_are_found_where_they_stand(text, scheme, places):
    assert illegal(take_apart(*corpus(text), scheme), scheme).tolist() == places


@pytest.mark.parametrize(
    ("text", "scheme", "bio"),
    [
        ("B-x I-y I-y | I-x O I-x I-x", "BIO", "B-x B-y I-y | B-x O B-x I-x"),
        ("S-x I-x E-x | E-x E-x | B-x I-x", "BIOES", "B-x B-x I-x | B-x B-x | B-x I-x"),
        ("B-x E-x I-x", "BIOES", "B-x I-x B-x"),
    ],
)
def test_illegal_tags_are_read_as_conlleval_reads_them(text, scheme, bio):
    assert convert(text, scheme, "BIO") == bio


@pytest.mark.parametrize(
    ("scheme", "tag"),
    [("BIO", "E-x"), ("BIO", "x"), ("BIO", "B-"), ("BIO", "B- x"), ("BIO", "B-x "), ("BIO", "b-x"), ("BIO", "I"),
     ("BIOES", "L-x"), ("BILOU", "E-x"), ("IO", "B-x"), ("unprefixed", "B-x"), ("unprefixed", "o"), ("unprefixed", "B"),
     ("unprefixed", "0"), ("unprefixed", "B_per"), ("unprefixed", " x")],
)  # fmt: skip
def test_ill_formed_tags_are_found(scheme, tag):
    assert ill_formed(pa.array(["O", tag, "O"]), scheme).tolist() == [1]


entity = st.tuples(st.sampled_from(["x", "y-z", "B-x"]), st.integers(1, 4))
corpora = st.lists(st.lists(st.none() | entity, min_size=1), min_size=1)


def in_bio(sentence):
    """Entities (type, number of words), and None for a word outside -> the sentence's tags in BIO."""
    tags = []
    for entity in sentence:
        tags += ["O"] if entity is None else [f"B-{entity[0]}"] + [f"I-{entity[0]}"] * (entity[1] - 1)
    return " ".join(tags)


@settings(max_examples=200, deadline=None)
@given(corpora, st.sampled_from(list(SAME)), st.sampled_from(list(SAME)))
def test_no_entity_is_lost_between_schemes(sentences, scheme, other):
    text = " | ".join(in_bio(sentence) for sentence in sentences)
    there = convert(text, "BIO", scheme)
    assert len(ill_formed(corpus(there)[0], scheme)) == 0
    assert len(illegal(take_apart(*corpus(there), scheme), scheme)) == 0
    assert convert(convert(there, scheme, other), other, "BIO") == text


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["O", "B-x", "I-x", "E-x", "S-x", "B-y", "I-y", "E-y", "S-y"]), min_size=1),
    st.sampled_from(["BIO", "IOB1", "BIOES"]),
)
def test_whatever_is_read_becomes_legal_bio(tags, scheme):
    bio = put_together(take_apart(pa.array(tags), np.array([0]), scheme), "BIO")
    assert len(ill_formed(bio, "BIO")) == 0
    assert len(illegal(take_apart(bio, np.array([0]), "BIO"), "BIO")) == 0


def write(path, text):
    """Write a corpus as CoNLL, words `w`."""
    path.write_text("".join("\n" if tag == "|" else f"w\t{tag}\n" for tag in text.split()))
    return path


@pytest.mark.parametrize("scheme", [*SAME, *LOSSY])
def test_every_scheme_is_read_into_bio(tmp_path, scheme):
    path = write(tmp_path / "a.conll", (SAME | LOSSY)[scheme])
    said = []
    table = read_sentences(path, say=said.append)
    expected = SAME["BIO"] if scheme in SAME else SAME["BIO"].replace("B-loc B-loc", "B-loc I-loc")
    assert " | ".join(" ".join(tags) for tags in table["tags"].to_pylist()) == expected
    assert len(said) == 1 and said[0].startswith(f"{path}: tag scheme {scheme}: ")


def test_illegal_tags_are_refused_with_their_places_or_repaired_when_asked(tmp_path):
    path = write(
        tmp_path / "a.conll", "B-x | B-x I-y | I-x | I-x I-x | O I-x | B-x I-x | B-y I-x | B-x | B-x | B-x | B-y"
    )
    what = "5 tags out of place in BIO (line 4 'I-y', line 6 'I-x', line 8 'I-x', line 12 'I-x', line 18 'I-x')"
    with pytest.raises(InputError) as error:
        read_sentences(path, say=lambda line: None)
    assert str(error.value) == f"{path}:4: {what}, correct them, or give --repair"
    said = []
    table = read_sentences(path, repair=True, say=said.append)
    assert said[1:] == [f"{path}:4: {what}, read as conlleval reads them"]
    assert table["tags"].to_pylist()[:4] == [["B-x"], ["B-x", "B-y"], ["B-x"], ["B-x", "I-x"]]


def test_the_scheme_can_be_given(tmp_path):
    path = write(tmp_path / "a.conll", "NNP VB | NNP")
    said = []
    table = read_sentences(path, tag_scheme="unprefixed", say=said.append)
    assert table["tags"].to_pylist() == [["B-NNP", "B-VB"], ["B-NNP"]]
    assert said == [f"{path}: tag scheme BIO: 3 tags without B- or I-, 2 different ones, read as unprefixed"]
    with pytest.raises(
        InputError, match="^--tag_scheme iobes: not known, give one of IO, unprefixed, IOB1, BIO, BIOES"
    ):
        read_sentences(path, tag_scheme="iobes")
    with pytest.raises(InputError, match="a.conll:1: the tag is neither O nor B-, I-, E- or S- and a type, 'NNP'"):
        read_sentences(path, tag_scheme="BIOES", say=said.append)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("B-x I-x | B-x | E-x", "6: the tag is neither O nor B- or I- and a type, 'E-x', write O, or B- and the type"),
        ("b-x O", "1: the tag is neither O nor B- or I- and a type, 'b-x', write 'B-x'"),
        ("x O B_x", "3: the tag is neither O nor a type, 'B_x', write O or the type"),
        ("S-x | B-x L-x | U-x | S-x | S-x | B-x E-x", "4: the tag is neither O nor B-, I-, E- or S- and a type, 'L-x'"),
        ("x O B-x", "1: the tag is neither O nor B- or I- and a type, 'x', write O"),
    ],
)
def test_mixed_schemes_are_refused_with_their_line(tmp_path, text, message):
    path = write(tmp_path / "a.conll", text)
    with pytest.raises(InputError) as error:
        read_sentences(path, say=lambda line: None)
    assert str(error.value).startswith(f"{path}:{message}")
