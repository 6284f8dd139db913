"""Words to windows and back: exact labels, and one label per word whatever the words, the limit and the stride."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_data.labels import IGNORED, label_ids, label_names, sentence_offsets, word_counts
from ner_data.windows import (
    encode,
    encode_to_file,
    join_windows,
    lay_windows,
    say_encoded,
    say_first_sentence,
    special_tokens,
    word_pieces,
)
from ner_model.load import load_tokenizer

PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] Ange ##la Mer ##kel saw Pa ##ris . U S".split()
NAMES = ["O", "B-geo", "I-geo", "B-per", "I-per"]


def sentences(*pairs):
    return pa.table(
        {
            "tokens": pa.array([words for words, _ in pairs], pa.list_(pa.string())),
            "tags": pa.array([tags for _, tags in pairs], pa.list_(pa.string())),
            "row": pa.array(range(2, 2 + len(pairs)), pa.int64()),
        }
    )


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.BertTokenizerFast(vocab={piece: i for i, piece in enumerate(PIECES)}, do_lower_case=False)


MERKEL = (["Angela", "Merkel", "saw", "Paris", "."], ["B-per", "I-per", "O", "B-geo", "O"])


def test_first_subword_carries_the_label_and_nothing_else_does(tokenizer):
    encoded = encode(sentences(MERKEL), tokenizer, NAMES, 64, 4)
    assert encoded.table.to_pylist() == [
        {
            "input_ids": [2, 5, 6, 7, 8, 9, 10, 11, 12, 3],
            "labels": [-100, 3, -100, 4, -100, 0, 1, -100, 0, -100],
            "sentence": 0,
            "first_word": 0,
        }
    ]
    assert (encoded.words, encoded.split_sentences, encoded.deleted_words, encoded.cut_words) == (5, 0, 0, 0)


def test_a_long_sentence_becomes_windows_with_context(tokenizer):
    words = ["saw", "U", "S", ".", "saw", "U", "S", ".", "saw"]
    encoded = encode(sentences((words, ["O"] * 8 + ["B-geo"])), tokenizer, NAMES, 8, 1)
    rows = encoded.table.to_pylist()
    assert [row["input_ids"] for row in rows] == [[2, 9, 13, 14, 12, 9, 13, 3], [2, 12, 9, 13, 14, 12, 9, 3]]
    assert [row["labels"] for row in rows] == [
        [-100, 0, 0, 0, 0, 0, -100, -100],  # the last word is context for the next window's sake
        [-100, -100, -100, 0, 0, 0, 1, -100],
    ]
    assert [(row["sentence"], row["first_word"]) for row in rows] == [(0, 0), (0, 5)]
    assert encoded.split_sentences == 1


@pytest.mark.parametrize("max_length, split, cut", [(16, 2, 0), (3, 5, 19)])
@pytest.mark.parametrize("at_once, batches", [(1, 6), (7, 4), (20, 3), (1000, 1)])
def test_some_sentences_at_a_time_into_a_file_are_the_same_windows(
    tokenizer, tmp_path, at_once, batches, max_length, split, cut
):
    long = (["saw", "Angela", "U", "\u200b"] * 5, ["O", "B-per", "O", "O"] * 5)
    table = sentences(MERKEL, long, MERKEL, (["."], ["O"]), long, MERKEL)  # they end after 5, 25, 30, 31, 51, 56 words
    whole = encode(table, tokenizer, NAMES, max_length, 2)
    parts = encode_to_file(tmp_path / "windows.arrow", table, tokenizer, NAMES, max_length, 2, at_once)
    assert parts.table.schema == whole.table.schema and parts.table.to_pylist() == whole.table.to_pylist()
    assert parts.table["labels"].num_chunks == batches
    for encoded in (whole, parts):
        counts = encoded.words, encoded.split_sentences, encoded.deleted_words, encoded.cut_words
        assert counts == (56, split, 10, cut)


def test_words_are_counted(tokenizer):
    counts = word_counts(sentences(MERKEL, (["Paris", "saw", "Paris"], ["O"] * 3)))
    assert counts == {"Angela": 1, "Merkel": 1, "saw": 2, "Paris": 3, ".": 1}
    assert sorted(counts.elements()) == sorted([*MERKEL[0], "Paris", "saw", "Paris"])


def test_a_deleted_word_holds_an_unknown_token_and_its_label(tokenizer):
    encoded = encode(sentences((["saw", "\u200b", "U"], ["O", "B-geo", "O"])), tokenizer, NAMES, 16, 2)
    assert encoded.table["input_ids"].to_pylist() == [[2, 9, 1, 13, 3]]
    assert encoded.table["labels"].to_pylist() == [[-100, 0, 1, 0, -100]]
    assert encoded.deleted_words == 1


def test_a_word_longer_than_a_window_is_cut_and_counted(bert_dir):
    tokenizer = load_tokenizer(bert_dir, [])
    word = "a" * 90  # WordPiece gives words of over 100 characters up; this one has many subwords
    assert len(word_pieces(tokenizer, [word])[0]) > 8
    encoded = encode(sentences((["x", word, "y"], ["O", "B-geo", "O"])), tokenizer, NAMES, 10, 2)
    assert encoded.cut_words == 1
    assert max(map(len, encoded.table["input_ids"].to_pylist())) == 10
    assert sum(label != IGNORED for row in encoded.table["labels"].to_pylist() for label in row) == 3


def test_original_mistake_word_tags_laid_along_subwords_drift(tokenizer):
    """The 2018 recipe gave the i-th tag to the i-th subword: `B-geo` came to stand on `##kel`."""
    row = encode(sentences(MERKEL), tokenizer, NAMES, 64, 4).table.to_pylist()[0]
    pieces = tokenizer.convert_ids_to_tokens(row["input_ids"])
    tagged = dict(zip(pieces, row["labels"], strict=True))
    assert tagged["Pa"] == NAMES.index("B-geo") and tagged["##kel"] == IGNORED


def test_75_subwords_lose_no_word(tokenizer):
    """The 2018 recipe cut every sentence at 75 tokens."""
    words = ["Merkel"] * 200
    encoded = encode(sentences((words, ["B-per"] * 200)), tokenizer, NAMES, 75, 16)
    labels = np.concatenate([np.array(row) for row in encoded.table["labels"].to_pylist()])
    assert (labels == NAMES.index("B-per")).sum() == 200
    assert max(map(len, encoded.table["input_ids"].to_pylist())) <= 75


INVISIBLE = ["", " ", "\u00a0", "\u200b", "\u00ad", "\x00", "\ufffd", "\u202e"]
ODD_WORDS = [*INVISIBLE, "🙂", "👩\u200d👩\u200d👧", "東京", "שלום", "سلام", "é", "x" * 5000]
word = st.one_of(st.sampled_from(ODD_WORDS), st.text(max_size=12), st.sampled_from("Angela Merkel saw Paris .".split()))


@pytest.fixture(scope="module")
def tokenizers_by_family(tmp_path_factory):
    from families import FAMILIES, write_encoder

    found = {}
    for family in FAMILIES:
        directory = tmp_path_factory.mktemp(family)
        write_encoder(family, directory)
        found[family] = load_tokenizer(str(directory), [])
    return found


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_word_is_owned_once_whatever_it_is(tokenizers_by_family, data):
    tokenizer = data.draw(st.sampled_from(sorted(tokenizers_by_family)).map(tokenizers_by_family.get))
    texts = data.draw(st.lists(st.lists(word, min_size=1, max_size=40), min_size=1, max_size=5))
    tag = st.sampled_from(NAMES)
    table = sentences(*((t, data.draw(st.lists(tag, min_size=len(t), max_size=len(t)))) for t in texts))
    max_length = data.draw(st.integers(3, 80))
    encoded = encode(table, tokenizer, NAMES, max_length, data.draw(st.integers(0, 20)))
    rows = encoded.table.to_pylist()
    assert max(len(row["input_ids"]) for row in rows) <= max_length
    owned = {}
    for row in rows:
        assert len(row["input_ids"]) == len(row["labels"])
        for k, label in enumerate([label for label in row["labels"] if label != IGNORED]):
            key = row["sentence"], row["first_word"] + k
            assert key not in owned
            owned[key] = label
    expected = label_ids(table, NAMES).tolist()
    assert [owned[key] for key in sorted(owned)] == expected
    assert len(owned) == encoded.words == sum(map(len, texts))


def test_words_one_by_one_are_the_words_of_a_sentence(encoder_dir):
    """What makes it right to tokenise each distinct word once, for every family; the library's own way is oracle."""
    tokenizer = load_tokenizer(encoder_dir, [])
    texts = [
        "Angela Merkel didn't visit U.S. bases in São Paulo ( Brazil ) , she said .".split(),
        ["naïve", "NAÏVE", "東京", "a_b", "x/y", "\u200b", "'s", '"', "Ⅻ", "ﬁn", "e\u0301", "🙂"],
        ["Paris"],
    ]
    for words in texts:
        pieces, begins, deleted = word_pieces(tokenizer, words)
        direct = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
        mine = [i for k in range(len(words)) if not deleted[k] for i in pieces[begins[k] : begins[k + 1]].tolist()]
        assert mine == direct["input_ids"]
        of_word = direct.word_ids()
        assert [k for k in range(len(words)) if k not in of_word] == np.flatnonzero(deleted).tolist()
        first = [of_word.index(k) for k in range(len(words)) if k in of_word]
        kept = np.flatnonzero(~deleted)
        lengths = np.diff(begins)[kept]
        assert first == (np.cumsum(lengths) - lengths).tolist()


def test_words_stand_as_in_running_text(encoder_dir):
    tokenizer = load_tokenizer(encoder_dir, [])
    words = "Angela Merkel visited New York on Monday .".split()
    pieces, _, _ = word_pieces(tokenizer, words)
    assert pieces.tolist() == tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]


def test_special_tokens(encoder_dir):
    tokenizer = load_tokenizer(encoder_dir, [])
    assert special_tokens(tokenizer) == ([tokenizer.cls_token_id], [tokenizer.sep_token_id])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 9), max_size=60), min_size=1, max_size=4),
    st.integers(9, 30),
    st.integers(0, 12),
)
def test_windows_tile_the_words(lengths, room, stride):
    offsets = np.concatenate(([0], np.cumsum([len(sentence) for sentence in lengths]))).astype(np.int64)
    flat = np.array([length for sentence in lengths for length in sentence], np.int64)
    windows, _ = lay_windows(offsets, flat, room, stride)
    assert [w for row in windows for w in range(row[2], row[3])] == list(range(len(flat)))
    for first, last, own_first, own_last in windows:
        assert first <= own_first < own_last <= last
        assert flat[first:last].sum() <= room
        sentence = np.searchsorted(offsets, own_first, side="right") - 1
        assert offsets[sentence] <= first and last <= offsets[sentence + 1]
        if own_last != offsets[sentence + 1]:
            assert max(flat[first:own_first].sum(), flat[own_last:last].sum()) <= room // 4


def test_context_is_there_on_both_sides_where_there_is_room():
    windows, long = lay_windows(np.array([0, 100]), np.ones(100, np.int64), 40, 8)
    assert long == 1
    for (_, last, _, own_last), (first, _, own_first, _) in zip(windows[:-1], windows[1:], strict=True):
        assert last - own_last == 8 and own_first - first >= 8


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_join_windows_restores_the_order_after_any_shuffle(seed):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 9, size=random.integers(1, 6))
    gold, windows = [], []
    for sentence, length in enumerate(lengths):
        labels = random.integers(0, 3, length)
        gold.extend(labels)
        cuts = [0, *sorted(set(random.integers(1, length + 1, 2).tolist()) - {length}), length]
        windows += [(sentence, b, labels[b:e]) for b, e in zip(cuts[:-1], cuts[1:], strict=True)]
    windows += windows[:1]  # several processes may see a window twice
    batches = []
    for part in np.array_split(random.permutation(len(windows)), min(3, len(windows))):
        chosen = [windows[k] for k in part]
        most = max(len(labels) for _, _, labels in chosen) + 1
        labels = np.full((len(chosen), most), IGNORED)
        rows = np.full((len(chosen), most, 1), -100.0)
        for k, (_, _, owned) in enumerate(chosen):
            labels[k, : len(owned)], rows[k, : len(owned), 0] = owned, owned
        batches.append((rows, labels, np.array([s for s, _, _ in chosen]), np.array([f for _, f, _ in chosen])))
    rows, joined, offsets = join_windows(*zip(*batches, strict=True))
    assert joined.tolist() == gold and rows[:, 0].tolist() == gold
    assert np.diff(offsets).tolist() == lengths.tolist()


def test_label_names_do_not_depend_on_order_and_hold_both_prefixes():
    one, two = sentences((["a"], ["I-per"])), sentences((["b", "c"], ["B-geo", "O"]))
    assert label_names([one, two]) == label_names([two, one]) == NAMES
    assert label_ids(two, NAMES).tolist() == [1, 0]
    assert sentence_offsets(pa.concat_tables([one, two])).tolist() == [0, 1, 3]


def test_a_lost_label_stops_the_run(tokenizer):
    encoded = encode(sentences(MERKEL), tokenizer, NAMES, 64, 4)
    lines = []
    say_encoded("train", encoded, 5, lines.append)
    assert lines == ["train: 5 words, 5 labelled positions in 1 windows"]
    with pytest.raises(RuntimeError, match="5 words but 4 labelled"):
        say_encoded("train", encoded, 4, lines.append)


def test_what_became_of_long_sentences_and_words_is_counted(tokenizer):
    encoded = encode(sentences((["Paris"], ["O"])), tokenizer, NAMES, 64, 4)
    encoded = dataclasses.replace(encoded, split_sentences=2, deleted_words=3, cut_words=4)
    lines = []
    say_encoded("train", encoded, encoded.words, lines.append)
    assert lines == [
        "train: 1 words, 1 labelled positions in 1 windows, 2 sentences in several windows, 3 words deleted by the"
        " tokenizer and held by an unknown token, 4 words longer than a window and cut"
    ]
    words = ["saw", "U", "S", ".", "saw", "U", "S", ".", "saw"]
    table = sentences((words, ["O"] * 9))
    lines.clear()
    say_first_sentence(table, encode(table, tokenizer, NAMES, 8, 1), tokenizer, NAMES, lines.append)
    assert [(line.split()[0], line.split()[-1]) for line in lines[1:]] == list(zip(words, "000001111", strict=True))


def test_first_sentence_is_shown_fully_converted(tokenizer):
    lines = []
    table = sentences(MERKEL)
    say_first_sentence(table, encode(table, tokenizer, NAMES, 64, 4), tokenizer, NAMES, lines.append)
    assert lines[0].startswith("the first sentence, line 2")
    assert [line.split() for line in lines[1:]] == [
        ["Angela", "B-per", "3", "Ange", "##la", "0"],
        ["Merkel", "I-per", "4", "Mer", "##kel", "0"],
        ["saw", "O", "0", "saw", "0"],
        ["Paris", "B-geo", "1", "Pa", "##ris", "0"],
        [".", "O", "0", ".", "0"],
    ]
    lines.clear()
    table = sentences((["\x1b[31m", "a\nb"], ["O", "O"]))
    say_first_sentence(table, encode(table, tokenizer, NAMES, 64, 4), tokenizer, NAMES, lines.append)
    assert [line.split()[0] for line in lines[1:]] == ["\\x1b[31m", "a\\nb"]
