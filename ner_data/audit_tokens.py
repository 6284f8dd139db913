"""Checks of an audit that need a model's tokenizer: what it deletes, cuts to pieces, or does not know.

The tokenizer is a `tokenizers.Tokenizer`, the fast part of a `transformers` tokenizer (its `backend_tokenizer`).
"""

import json
import os
from typing import NamedTuple

import numpy as np

from ner_data import InputError
from ner_data.audit_corpus import Finding, words_shown
from ner_data.bundled import model_path
from ner_data.text_file import shown
from ner_data.windows import put_spaces_before_words

MANY_PIECES = 20
POSITIONS_START_AT_2 = "camembert data2vec-text ibert longformer mpnet roberta xlm-roberta xlm-roberta-xl xmod".split()


class WordTokenizer(NamedTuple):
    """A tokenizer and how many subwords its model reads, special tokens included; None if nobody says."""

    name: str
    tokenizer: object
    limit: int | None


def load_word_tokenizer(name):
    """The tokenizer of a model: a directory with a tokenizer.json, or a name on the Hub -> `WordTokenizer`.

    Raises InputError when there is none.
    """
    import tokenizers

    try:
        tokenizer = tokenizers.Tokenizer.from_file(_model_file(name, "tokenizer.json"))
    except Exception as error:  # the libraries raise a dozen types here, bare Exception among them
        reason = shown(" ".join(str(error).split()), 200)
        fix = "give a model with a tokenizer.json"
        raise InputError(f"--model {name}: its tokenizer cannot be loaded ({reason}), {fix}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    put_spaces_before_words(tokenizer)
    settings, config = _read_json(name, "tokenizer_config.json"), _read_json(name, "config.json")
    positions = config.get("max_position_embeddings") or 0
    positions -= 2 * (config.get("model_type") in POSITIONS_START_AT_2)
    limits = [limit for limit in (settings.get("model_max_length") or 0, positions) if 0 < limit < 1_000_000]
    return WordTokenizer(name, tokenizer, min(limits, default=None))


def _model_file(name, file):
    """The path of a file of a model, fetched from the Hub unless the model is a directory."""
    name = model_path(name)
    if os.path.isdir(name):
        return os.path.join(name, file)
    from huggingface_hub import hf_hub_download

    return hf_hub_download(name, file)


def _read_json(name, file):
    """What a JSON file of a model holds, or nothing."""
    try:
        with open(_model_file(name, file), encoding="utf-8") as opened:
            return json.load(opened)
    except Exception:  # without it the limit is not known, and that is all
        return {}


def check_tokens(corpus, word_tokenizer):
    """Look at a corpus as a tokenizer does.

    Args:
        corpus: `Corpus`.
        word_tokenizer: `WordTokenizer`.

    Returns:
        facts: `name`, `limit`, `subwords` of all words, `unknown_share` of them.
        findings: sentences beyond the limit, words that are deleted or cut into more than `MANY_PIECES` pieces.
    """
    name, tokenizer, limit = word_tokenizer
    words = [[word] for word in corpus.words]
    encoded = tokenizer.encode_batch(words, is_pretokenized=True, add_special_tokens=False)
    pieces = np.array([len(word.ids) for word in encoded], np.int64)
    unknown = _unknown_id(tokenizer)
    unknowns = np.array([word.ids.count(unknown) for word in encoded], np.int64)
    in_text = pieces[corpus.word]
    total = np.concatenate(([0], np.cumsum(np.maximum(in_text, 1))))[corpus.offsets]
    lengths = np.diff(total) + tokenizer.num_special_tokens_to_add(False)
    long = np.flatnonzero(lengths > (limit or np.inf))
    deleted, cut = np.flatnonzero(in_text == 0), np.flatnonzero(in_text > MANY_PIECES)

    def show_sentence(k):
        at = long[k]
        return f"{lengths[at]} subwords: {words_shown(corpus, corpus.offsets[at], corpus.offsets[at + 1])}"

    def show_word(places):
        return lambda k: f"{in_text[places[k]]} subwords: {shown(corpus.words[corpus.word[places[k]]])}"

    findings = [
        Finding("beyond-limit", f"sentences of more subwords than {limit}", corpus.offsets[long], show_sentence),
        Finding("deleted-word", "words that the tokenizer deletes", deleted, show_word(deleted)),
        Finding("cut-to-pieces", f"words cut into more than {MANY_PIECES} subwords", cut, show_word(cut)),
    ]
    subwords = int(in_text.sum())
    share = float(unknowns[corpus.word].sum() / max(subwords, 1))
    return {"name": name, "limit": limit, "subwords": subwords, "unknown_share": share}, findings


def _unknown_id(tokenizer):
    """The id of the unknown token, or None: byte-level tokenizers know everything."""
    model = json.loads(tokenizer.to_str())["model"]
    if model["type"] == "Unigram":
        return model["unk_id"]
    return tokenizer.token_to_id(model["unk_token"]) if model.get("unk_token") else None
