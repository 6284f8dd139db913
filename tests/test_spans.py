"""Character spans are laid on words exactly, or the fault is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_data.spans import lay_spans, words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\u00a0", []),
        ("Ada's U.S. visit", ["Ada", "'", "s", "U", ".", "S", ".", "visit"]),
        ("10,000 (e_x) café", ["10", ",", "000", "(", "e_x", ")", "café"]),
        ("东京。😀é\u200bx", ["东", "京", "。", "😀", "é", "\u200b", "x"]),
        ("NHKのテレビ2台 ภาษาไทย 한국어", ["NHK", *"のテレビ", "2", "台", *"ภาษาไทย", "한국어"]),
        ("ที่か\u3099", ["ที่", "か\u3099"]),
        ("Mu\u0308ller, दिल्ली! می\u200cخواهم", ["Mu\u0308ller", ",", "दिल्ली", "!", "می\u200cخواهم"]),
        ("👩\u200d👩\u200d👧 👍🏽x\u200d \u0301", ["👩\u200d👩\u200d👧", "👍🏽", "x", "\u200d", "\u0301"]),
    ],
)
def test_words_are_runs_of_letters_or_single_marks(text, words):
    assert [text[start:end] for start, end in words_in(text)] == words


TEXT = "New York, Ada"  # New 0-3, York 4-8, "," 8-9, Ada 10-13


@pytest.mark.parametrize(
    ("spans", "tags", "faults"),
    [
        ([], "O O O O", []),
        ([(0, 8, "loc")], "B-loc I-loc O O", []),
        ([(10, 13, "per"), (0, 8, "loc")], "B-loc I-loc O B-per", []),
        ([(0, 3, "x"), (4, 8, "x")], "B-x B-x O O", []),
        ([(0, 7, "loc")], "B-loc I-loc O O", [("does not begin and end with a word", (0, 8, "loc"))]),
        ([(1, 8, "loc")], "B-loc I-loc O O", [("does not begin and end with a word", (0, 8, "loc"))]),
        ([(9, 13, "per")], "O O O B-per", [("does not begin and end with a word", (10, 13, "per"))]),
        ([(5, 6, "loc")], "O B-loc O O", [("does not begin and end with a word", (4, 8, "loc"))]),
        ([(10, 20, "per")], "O O O B-per", [("leaves the text, which ends at 13", (10, 13, "per"))]),
        ([(-2, 3, "x")], "B-x O O O", [("leaves the text, which ends at 13", (0, 3, "x"))]),
        ([(13, 20, "x")], "O O O O", [("leaves the text, which ends at 13", None)]),
        ([(9, 10, "x")], "O O O O", [("holds no word", None)]),
        ([(1, 1, "x")], "O O O O", [("ends where it starts, or before", None)]),
        ([(8, 1, "x")], "O O O O", [("ends where it starts, or before", None)]),
        ([(0, 8, "loc"), (4, 9, "x")], "B-loc I-loc O O", [("overlaps another one", None)]),
        ([(0, 8, "loc"), (0, 8, "loc")], "B-loc I-loc O O", [("overlaps another one", None)]),
        ([(0, 2, "x"), (2, 3, "y")], "B-x O O O",
         [("does not begin and end with a word", (0, 3, "x")), ("overlaps another one", None)]),
    ],
)  # fmt: skip
def test_spans_are_laid_on_words(spans, tags, faults):
    found, wrong = lay_spans(words_in(TEXT), len(TEXT), spans)
    assert " ".join(found) == tags
    assert [(fault.what, fault.became) for fault in wrong] == faults


@settings(max_examples=200, deadline=None)
@given(st.text("ab .'", max_size=20), st.data())
def test_spans_on_words_come_back_as_they_were(text, data):
    words = words_in(text)
    edges = sorted(data.draw(st.sets(st.integers(0, len(words)), max_size=6)))
    spans = [(words[first][0], words[last - 1][1], "x") for first, last in zip(edges, edges[1:], strict=False)]
    tags, faults = lay_spans(words, len(text), spans)
    assert faults == []
    starts = [place for place, tag in enumerate(tags) if tag == "B-x"]
    assert [words[place][0] for place in starts] == [start for start, _, _ in spans]
    ends = [place for place in range(len(tags)) if tags[place] != "O" and [*tags, "O"][place + 1] != "I-x"]
    assert [words[place][1] for place in ends] == [end for _, end, _ in spans]


@settings(max_examples=200, deadline=None)
@given(
    st.text("ab .", max_size=12),
    st.lists(st.tuples(st.integers(-3, 15), st.integers(-3, 15), st.sampled_from(["x", "y"])), max_size=4),
)
def test_any_spans_give_one_legal_tag_per_word(text, spans):
    words = words_in(text)
    tags, faults = lay_spans(words, len(text), spans)
    assert len(tags) == len(words)
    assert all(tag[0] != "I" or before[1:] == tag[1:] for before, tag in zip(["O", *tags], tags, strict=False))
    kept = len(spans) - sum(fault.became is None for fault in faults)
    assert sum(tag.startswith("B-") for tag in tags) == kept
