"""Words to subword windows, and window rows back to word rows.

The contract: every word of a split is owned by exactly one window. There its first subword carries its label; every
other position (further subwords, words of context, special tokens, padding) carries -100. So the number of labelled
positions is the number of words, whatever the tokenizer deletes and whatever the model's limit is.
"""

import contextlib
import itertools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ner_data.labels import IGNORED, flat, label_ids, sentence_offsets
from ner_data.text_file import printable


@dataclass(frozen=True)
class Encoded:
    """A split as windows, with what was done to its words.

    Attributes:
        table: `pyarrow.Table`, a row per window: `input_ids: list<int32>` with special tokens, `labels: list<int32>`
            of the same length, `sentence: int64` (index in the split), `first_word: int64` (index in the sentence of
            the first word that the window owns; the owned words are consecutive).
        words: words in the split.
        split_sentences: sentences that did not fit into one window.
        deleted_words: words for which the tokenizer has no subword; they hold the unknown token.
        cut_words: words with more subwords than a window has room for; the first ones were kept.
    """

    table: pa.Table
    words: int
    split_sentences: int
    deleted_words: int
    cut_words: int


def encode(sentences, tokenizer, names, max_length, stride):
    """Lay the words and tags of sentences on windows of subwords.

    Each distinct word is tokenised once: the tokenizers of encoders treat words given with `is_split_into_words=True`
    one by one (a test holds every family to that). Everything else is integer arrays.

    Args:
        sentences: sentence table (`tokens: list<string>`, `tags: list<string>`).
        tokenizer: a fast tokenizer.
        names: label names, as `labels.label_names` gives them.
        max_length: subwords in a window at most, special tokens included.
        stride: words of context on each side of a join. Context never takes more than a quarter of the window.

    Returns:
        `Encoded`.

    Raises:
        ValueError: `max_length` leaves no room for a subword.
    """
    prefix, suffix = special_tokens(tokenizer)
    room = max_length - len(prefix) - len(suffix)
    if room < 1:
        raise ValueError(f"max_length {max_length} leaves no room beside {len(prefix) + len(suffix)} special tokens")
    offsets = sentence_offsets(sentences)
    words = pc.dictionary_encode(flat(sentences["tokens"]))
    word = words.indices.to_numpy(zero_copy_only=False)
    pieces, begins, deleted = word_pieces(tokenizer, words.dictionary.to_pylist())
    length = np.minimum(np.diff(begins), room)
    windows, split_sentences = lay_windows(offsets, length[word], room, stride)

    # the words of all windows, one after the other, and where their subwords come to stand
    begin, end, own_begin, own_end = windows.T
    of_window, at = _ranges(begin, end)
    lengths = length[word[at]]
    window_length = np.bincount(of_window, weights=lengths, minlength=len(windows)).astype(np.int64)
    window_begin = np.concatenate(([0], np.cumsum(window_length + len(prefix) + len(suffix))))
    before = np.concatenate(([0], np.cumsum(lengths)))[:-1]
    word_begin = before + of_window * (len(prefix) + len(suffix)) + len(prefix)

    input_ids = np.empty(window_begin[-1], np.int32)
    for k, token in enumerate(prefix):
        input_ids[window_begin[:-1] + k] = token
    for k, token in enumerate(reversed(suffix), start=1):
        input_ids[window_begin[1:] - k] = token
    _, source = _ranges(begins[:-1][word[at]], begins[:-1][word[at]] + lengths)
    _, target = _ranges(word_begin, word_begin + lengths)
    input_ids[target] = pieces[source]
    owned = (at >= own_begin[of_window]) & (at < own_end[of_window])
    labels = np.full(len(input_ids), IGNORED, np.int32)
    labels[word_begin[owned]] = label_ids(sentences, names)[at[owned]]

    sentence = np.searchsorted(offsets, own_begin, side="right") - 1
    table = pa.table(
        {
            "input_ids": pa.LargeListArray.from_arrays(window_begin, input_ids),
            "labels": pa.LargeListArray.from_arrays(window_begin, labels),
            "sentence": sentence,
            "first_word": own_begin - offsets[sentence],
        }
    )
    cut = int((np.diff(begins) > room)[word].sum())
    return Encoded(table, len(word), split_sentences, int(deleted[word].sum()), cut)


def encode_to_file(path, sentences, tokenizer, names, max_length, stride, at_once=1_000_000):
    """`encode`, about so many words at a time, into a file: memory does not grow with the corpus.

    Args:
        path: the file to write, in Arrow's stream format, which `datasets.Dataset.from_file` maps.
        sentences, tokenizer, names, max_length, stride: as for `encode`.
        at_once: words that are encoded together, and sentences to their end; they become a record batch of the file.

    Returns:
        `Encoded`, with the windows mapped from the file.

    Raises:
        ValueError: as `encode`.
    """
    counts = dict.fromkeys(("words", "split_sentences", "deleted_words", "cut_words"), 0)
    offsets = sentence_offsets(sentences)
    cuts = np.searchsorted(offsets[:-1], np.arange(0, offsets[-1], at_once))
    cuts = np.unique(np.append(cuts, len(sentences))).tolist()
    with contextlib.ExitStack() as files:
        file, writer = files.enter_context(pa.OSFile(str(path), "wb")), None
        for begin, end in itertools.pairwise(cuts):
            part = encode(sentences.slice(begin, end - begin), tokenizer, names, max_length, stride)
            column = part.table.column_names.index("sentence")
            table = part.table.set_column(column, "sentence", pc.add(part.table["sentence"], begin))
            writer = writer or files.enter_context(pa.ipc.new_stream(file, table.schema))
            writer.write_table(table)
            counts = {name: count + getattr(part, name) for name, count in counts.items()}
    return Encoded(pa.ipc.open_stream(pa.memory_map(str(path))).read_all(), **counts)


def lay_windows(offsets, lengths, room, stride):
    """Choose the windows: which words each one reads and which of them it owns.

    A sentence that fits is one window. A longer one is laid greedily from the left: up to `stride` words of context,
    then as many words as fit, of which the last `stride` are context for the next window's sake. The last window takes
    all the context on its left that it has room for.

    Args:
        offsets: int array (sentences + 1,), where each sentence begins among the words.
        lengths: int array (words,), subwords of each word, at most `room` each.
        room: subwords in a window.
        stride: words of context on each side.

    Returns:
        int64 array (windows, 4): first word read, end of words read, first word owned, end of words owned, as indices
        among all words, in order; and the number of sentences with more than one window.
    """
    total = np.concatenate(([0], np.cumsum(lengths)))
    begin, end = offsets[:-1], offsets[1:]
    begin, end = begin[begin < end], end[begin < end]
    fits = total[end] - total[begin] <= room
    whole = np.stack([begin, end, begin, end], axis=1)
    if fits.all():
        return whole, 0
    rows = []
    for sentence in np.flatnonzero(~fits):
        rows.extend(_windows_of(int(begin[sentence]), int(end[sentence]), total, room, stride))
    windows = np.concatenate((whole[fits], np.array(rows, np.int64)))
    return windows[np.argsort(windows[:, 2], kind="stable")], int((~fits).sum())


def _windows_of(begin, end, total, room, stride):
    """The windows of one long sentence. `total` are running sums of subwords."""
    own, quarter = begin, room // 4
    while own < end:
        left = max(begin, own - stride)
        budget = min(quarter, room - (total[own + 1] - total[own]))
        while total[own] - total[left] > budget:
            left += 1
        right = int(np.searchsorted(total, total[left] + room, side="right")) - 1
        if right >= end:
            left = max(begin, int(np.searchsorted(total, total[end] - room, side="left")))
            yield left, end, own, end
            return
        own_end = max(own + 1, right - stride)
        while total[right] - total[own_end] > quarter:
            own_end += 1
        yield left, right, own, own_end
        own = own_end


def put_spaces_before_words(tokenizer):
    """Byte-level BPE: make a word that stands alone the same as one after a space.

    `add_prefix_space=True` does this for RoBERTa; a tokenizer that is only a `tokenizer.json` (ModernBERT) ignores it.

    Args:
        tokenizer: `tokenizers.Tokenizer`, changed in place.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    pre_tokenizer = tokenizer.pre_tokenizer
    if isinstance(pre_tokenizer, ByteLevel) and not pre_tokenizer.add_prefix_space:
        pre_tokenizer.add_prefix_space = True
        tokenizer.pre_tokenizer = pre_tokenizer


def reads_words_as_running_text(tokenizer):
    """Whether a `tokenizers.Tokenizer` makes the same of words given one by one as of a text."""
    return tokenizer.encode(["a", "a"], is_pretokenized=True).ids == tokenizer.encode("a a").ids


def word_pieces(tokenizer, words):
    """The subwords of words, each word for itself, without special tokens.

    Args:
        tokenizer: a fast tokenizer.
        words: list of any strings.

    Returns:
        pieces: int32 array, the subword ids of all words, one word after the other.
        begins: int64 array (words + 1,), where each word's subwords begin.
        deleted: bool array (words,), words that have no subword of their own and got the unknown token.

    Raises:
        ValueError: a word has no subword and the tokenizer has no token that could stand for it.
    """
    encoded = tokenizer(
        [[word] for word in words],
        is_split_into_words=True,
        add_special_tokens=False,
        truncation=False,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    deleted = np.array([not ids for ids in encoded], bool)
    if deleted.any():
        stand_in = next((t for t in (tokenizer.unk_token_id, tokenizer.mask_token_id) if t is not None), None)
        if stand_in is None:
            raise ValueError("the tokenizer deletes words and has neither an unknown nor a mask token to hold them")
        encoded = [ids or [stand_in] for ids in encoded]
    begins = np.concatenate(([0], np.cumsum([len(ids) for ids in encoded], dtype=np.int64))).astype(np.int64)
    pieces = np.fromiter((i for ids in encoded for i in ids), np.int32, int(begins[-1]))
    return pieces, begins, deleted


def special_tokens(tokenizer):
    """The special tokens that the tokenizer puts before and after a sentence: two lists of ids."""
    probe = ["a"]
    bare = tokenizer(probe, is_split_into_words=True, add_special_tokens=False)["input_ids"]
    full = tokenizer(probe, is_split_into_words=True)["input_ids"]
    at = next(k for k in range(len(full)) if full[k : k + len(bare)] == bare)
    return full[:at], full[at + len(bare) :]


def join_windows(rows, gold, sentence, first_word):
    """Window rows to word rows, in the order of the split, whatever the order the windows came in.

    Args:
        rows: list over batches of float arrays (windows, owned words, labels): a row per owned word, then padding.
        gold: list over batches of int arrays (windows, owned words): label ids, -100 where `rows` is padding.
        sentence: list over batches of int arrays (windows,).
        first_word: list over batches of int arrays (windows,).

    Returns:
        rows: float array (words, labels); gold: int array (words,); offsets: int64 array (sentences + 1,). A window
        that came twice (the last batch under several processes) counts once. Sentences without a window are left out.
    """
    kept_rows, kept_gold, sentence_of, word_of = [], [], [], []
    for r, g, s, f in zip(rows, gold, sentence, first_word, strict=True):
        owned = g != IGNORED
        window, place = np.nonzero(owned)
        kept_rows.append(r[owned])
        kept_gold.append(g[owned])
        sentence_of.append(s[window])
        word_of.append(f[window] + place)
    sentence_of, word_of = np.concatenate(sentence_of), np.concatenate(word_of)
    order = np.lexsort((word_of, sentence_of))
    s, w = sentence_of[order], word_of[order]
    once = np.ones(len(order), bool)
    once[1:] = (s[1:] != s[:-1]) | (w[1:] != w[:-1])
    order, s = order[once], s[once]
    begins = np.flatnonzero(np.concatenate(([True], s[1:] != s[:-1]))) if len(s) else np.array([], np.int64)
    return np.concatenate(kept_rows)[order], np.concatenate(kept_gold)[order], np.append(begins, len(s))


def say_encoded(split, encoded, labelled, say=print):
    """Say in one line how the words of a split came through; refuse to go on if one was lost.

    Args:
        split: its name.
        encoded: `Encoded`.
        labelled: labelled positions, counted from the batches that the model will get.
        say: called with the line.

    Raises:
        RuntimeError: labelled positions are not as many as words. That is a fault of this program.
    """
    if labelled != encoded.words:
        raise RuntimeError(f"{split}: {encoded.words} words but {labelled} labelled positions")
    counts = {
        "sentences in several windows": encoded.split_sentences,
        "words deleted by the tokenizer and held by an unknown token": encoded.deleted_words,
        "words longer than a window and cut": encoded.cut_words,
    }
    notes = "".join(f", {count:,} {what}" for what, count in counts.items() if count)
    windows = f"{len(encoded.table):,} windows{notes}"
    say(f"{split}: {encoded.words:,} words, {labelled:,} labelled positions in {windows}")


def say_first_sentence(sentences, encoded, tokenizer, names, say=print):
    """Say the first sentence fully converted: a line per word with its tag, label id, subwords and window."""
    words, tags = sentences["tokens"][0].as_py(), sentences["tags"][0].as_py()
    say(f"the first sentence, line {sentences['row'][0].as_py()}: word, tag, label id, subwords, window")
    for number, row in enumerate(encoded.table.filter(pc.field("sentence") == 0).to_pylist()):
        begins = [k for k, label in enumerate(row["labels"]) if label != IGNORED]
        for word, begin in enumerate(begins, start=row["first_word"]):
            rest = row["input_ids"][begin + 1 :]
            count = len(word_pieces(tokenizer, [words[word]])[0])
            pieces = tokenizer.convert_ids_to_tokens([row["input_ids"][begin], *rest[: count - 1]])
            line = f"  {words[word]:16} {tags[word]:6} {row['labels'][begin]:3d}  {' '.join(pieces):24} {number}"
            say(printable(line))


def _ranges(begin, end):
    """The integers of many ranges [begin, end), one after the other: (the number of the range each is from, they)."""
    size = end - begin
    of = np.repeat(np.arange(len(size)), size)
    return of, np.arange(len(of)) - np.repeat(np.cumsum(size) - size, size) + np.repeat(begin, size)
