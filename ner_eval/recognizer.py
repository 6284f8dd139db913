"""A trained model in use: text or words -> tags and entities, as they were evaluated.

    from ner_eval.recognizer import Recognizer

    ner = Recognizer("runs/my-run")
    ner("Angela Merkel visited Paris.")["spans"]

What is needed beside the weights stands in the model's config.json: `ner_words` (how text becomes words, a key of
`word_rules.RULES`, "plain" if absent), `ner_decoding` ("argmax" if absent), `ner_transitions`
(`ner_eval.transitions`; none if absent), `ner_max_length` and `ner_stride` (the
windows; the model's limit and 16 if absent), `ner_precision` ("fp32" where it was evaluated in that; if absent, bf16 on
hardware that is made for it). With runtime="onnx" torch is never imported.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ner_data import InputError
from ner_data.labels import IGNORED
from ner_data.windows import encode, join_windows
from ner_eval.calibration import entity_confidence
from ner_eval.decode import DECODINGS, decode, tag_sentences
from ner_eval.span_counts import find_spans, label_parts
from ner_eval.transitions import Transitions, from_config, to_config
from ner_eval.word_rules import RULES, fitting_rule, words_of
from ner_model.load import read_config

RUNTIMES = ("torch", "onnx")
STRIDE = 16  # the recipe's default
BLOCK_WORDS = 32768  # that are sorted by length and predicted together


class Labelled(NamedTuple):
    """Sentences as the model sees them: a list per sentence of each."""

    tags: list  # of str, one per word
    confidence: list  # of float, the probability of each tag, to six digits
    spans: list  # of (first word, end of words, type, score): the tags as `Settings.reading` reads them; score is
    # `calibration.entity_confidence`, to six digits


class Settings(NamedTuple):
    """What a model's config.json says beyond its weights."""

    names: list  # label names in the order of their ids
    rule: str  # a key of `word_rules.RULES`
    decoding: str  # one of `decode.DECODINGS`
    max_length: int | None  # subwords in a window; None: the model's limit
    stride: int  # words of context on each side of a join
    transitions: Transitions | None  # which tag follows which
    reading: str  # one of `span_counts.READINGS`: how tags become spans
    precision: str | None  # "fp32": evaluated in that


class Recognizer:
    """A token classifier with its tokenizer, words, windows and decoding.

    Args:
        model: a directory, or a name on the Hub.
        runtime: "torch", or "onnx": onnxruntime runs the directory's `model.onnx` (`ner_eval.onnx_export`).
        no_bf16: fp32 also on hardware that is made for bf16 (runtime "torch").
        trust_remote_code: load also a model that brings code of its own or pickled weights.
        use_cpu: whatever GPU there is (runtime "torch").

    Raises:
        InputError: the model cannot be loaded, or is no named-entity recogniser.

    Attributes:
        settings: `Settings`.
        precision: what it computes in, in words.
        subwords, padding: positions that the model has read so far, and how many of them were padding.
    """

    def __init__(self, model, runtime="torch", no_bf16=False, trust_remote_code=False, use_cpu=False):
        if runtime not in RUNTIMES:
            raise InputError(f"--runtime {runtime}: give one of {', '.join(RUNTIMES)}")
        self.settings = read_settings(model, trust_remote_code)
        self.parts = label_parts(self.settings.names)
        if runtime == "onnx":
            from ner_eval.onnx_runtime import OnnxModel

            self.model = OnnxModel(model)
        else:
            from ner_eval.torch_runtime import TorchModel

            refused = "as it was evaluated" if self.settings.precision == "fp32" else None
            refused = "as --no_bf16 asks" if no_bf16 else refused
            self.model = TorchModel(model, self.settings.names, refused, use_cpu, trust_remote_code)
        self.tokenizer, self.precision = self.model.tokenizer, self.model.precision
        self.max_length = min(self.settings.max_length or self.model.limit, self.model.limit)
        self.subwords = self.padding = 0

    def __call__(self, text):
        """The entities of a text, or of each text in a list.

        Returns:
            {"text": str, "tokens": [str], "tags": [str], "spans": [...]}, or a list of these. A span is {"start",
            "end", "type", "text", "score"}: `start` and `end` count characters, and `text[start:end]` is its text.

        Raises:
            ValueError: a text is not a string, or holds half a surrogate pair.
        """
        gives_keys = isinstance(text, Mapping) or hasattr(text, "columns")
        if gives_keys or isinstance(text, bytes | bytearray) or not hasattr(text, "__iter__"):
            raise ValueError(f"give a text or a list of texts, not {type(text).__name__}")
        texts = [text] if isinstance(text, str) else list(text)
        for number, one in enumerate(texts):
            check_text(one, "the text" if isinstance(text, str) else f"text {number}")
        words = [words_of(one, self.settings.rule) for one in texts]
        labelled = self.label([[t[a:b] for a, b in w] for t, w in zip(texts, words, strict=True)])
        found = [
            {"text": t, "tokens": [t[a:b] for a, b in w], "tags": tags, "spans": character_spans(t, w, spans)}
            for t, w, tags, spans in zip(texts, words, labelled.tags, labelled.spans, strict=True)
        ]
        return found[0] if isinstance(text, str) else found

    def label(self, sentences):
        """Tags of sentences that are words already.

        Args:
            sentences: list of lists of strings; a sentence may be empty, and of any length.

        Returns:
            `Labelled`.
        """
        found, begin, words = Labelled([], [], []), 0, 0
        for end, sentence in enumerate(sentences, start=1):
            words += len(sentence)
            if words >= BLOCK_WORDS or end == len(sentences):
                for field, part in zip(found, self._label(sentences[begin:end]), strict=True):
                    field.extend(part)
                begin, words = end, 0
        return found

    def _label(self, sentences):
        """`label` of a block of sentences, whose scores fit into memory."""
        lengths = np.array([len(words) for words in sentences], np.int64)
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        if offsets[-1] == 0:
            return Labelled(*([[] for _ in sentences] for _ in Labelled._fields))
        rows = self.scores(sentences)
        ids = self.decode(rows, offsets)
        probabilities = np.exp(rows[np.arange(len(ids)), ids].astype(np.float64)).round(6)
        found = find_spans(ids, offsets, self.parts, self.settings.reading)
        scores = entity_confidence(probabilities, found).round(6).tolist()
        spans = [[] for _ in sentences]
        sentence_of = np.searchsorted(offsets, found.begin, side="right") - 1
        for sentence, begin, end, type_, score in zip(sentence_of, *found, scores, strict=True):
            first = offsets[sentence]
            spans[sentence].append((int(begin - first), int(end - first), self.parts.names[type_], score))
        confidence = [probabilities[a:b].tolist() for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
        return Labelled(tag_sentences(ids, offsets, self.settings.names), confidence, spans)

    def decode(self, rows, offsets):
        """Label ids of words, as the model's config.json has it; arguments and result as for `ner_eval.decode`."""
        settings = self.settings
        return decode(rows, offsets, settings.names, settings.decoding, settings.transitions)

    def scores(self, sentences):
        """The log-probabilities of each word's labels.

        Args:
            sentences: list of lists of strings, at least one word in all.

        Returns:
            float32 array (words, labels), in order.
        """
        names = self.settings.names
        table = pa.table(
            {
                "tokens": pa.array(sentences, pa.list_(pa.string())),
                "tags": pa.array([[names[0]] * len(words) for words in sentences], pa.list_(pa.string())),
            }
        )
        windows = encode(table, self.tokenizer, names, self.max_length, self.settings.stride).table
        columns = [windows[name].combine_chunks() for name in ("input_ids", "labels", "sentence", "first_word")]
        with self.model.computing():
            parts = [self._batch(columns, batch) for batch in batches(windows, self.model.batch_subwords)]
        return join_windows(*zip(*parts, strict=True))[0]

    def _batch(self, columns, batch):
        """The windows of a batch -> what `join_windows` takes: rows, gold, sentence, first word."""
        begins = columns[0].offsets.to_numpy()
        ids, labels = (column.values.to_numpy() for column in columns[:2])
        lengths = begins[batch + 1] - begins[batch]
        mask = np.arange(lengths.max()) < lengths[:, None]
        source = np.concatenate([np.arange(begins[k], begins[k + 1]) for k in batch])
        padded = np.full(mask.shape, self.tokenizer.pad_token_id, np.int64)
        padded[mask] = ids[source]
        owned = np.zeros(mask.shape, bool)
        owned[mask] = labels[source] != IGNORED
        self.subwords += mask.size
        self.padding += mask.size - len(source)
        found = log_softmax(self.model.forward(padded, mask.astype(np.int64))[owned])
        counts = owned.sum(axis=1)
        place = np.arange(counts.max()) < counts[:, None]
        rows = np.zeros((*place.shape, found.shape[-1]), np.float32)
        rows[place] = found
        gold = np.where(place, 0, IGNORED)
        return rows, gold, *(column.to_numpy()[batch] for column in columns[2:])


def store_settings(config, train_words, decoding, transitions, max_length, stride, precision):
    """Write into a model's configuration how it was evaluated, for `read_settings` to find.

    Args:
        config: the model's `PreTrainedConfig`.
        train_words: iterable of strings, the words of the training sentences; the rule that fits them is stored.
        decoding: one of `ner_eval.decode.DECODINGS`.
        transitions: `ner_eval.transitions.Transitions`, or None.
        max_length, stride: of the windows.
        precision: "no" for fp32, "bf16" or "fp16", as accelerate has it.
    """
    rule, _ = fitting_rule(train_words)
    config.update({"ner_words": rule, "ner_decoding": decoding, "ner_max_length": max_length, "ner_stride": stride})
    config.update({"ner_precision": "fp32" if precision == "no" else None})
    config.update({"ner_transitions": to_config(transitions, [config.id2label[k] for k in sorted(config.id2label)])})


def read_settings(model, trust_remote_code=False):
    """The `Settings` of a model, without loading it.

    Raises:
        InputError: there is no such model, it may not be loaded (`ner_model.load.read_config`), it is no token
            classifier, its labels are not O, B- and I-, or a setting has a value that this program does not know.
    """
    config = read_config(model, trust_remote_code, others=" with a finished run")
    if not any("ForTokenClassification" in name for name in config.get("architectures") or []):
        raise InputError(f"--model {model}: no token classifier; give the directory of a finished run")
    try:
        names = [name for _, name in sorted((int(i), name) for i, name in config["id2label"].items())]
        label_parts(names)
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"--model {model}: its config.json has no usable id2label ({error}); save BIO labels"
        ) from None
    settings = Settings(
        names,
        config.get("ner_words", "plain"),
        config.get("ner_decoding", "argmax"),
        config.get("ner_max_length"),
        config.get("ner_stride", STRIDE),
        _transitions(model, config, names),
        # models of other hands may have entities that begin with I- (IO, IOB1)
        "strict" if "ner_decoding" in config else "conlleval",
        config.get("ner_precision"),
    )
    for key, value, choices in (
        ("words", settings.rule, RULES),
        ("decoding", settings.decoding, DECODINGS),
        ("precision", settings.precision or "fp32", ("fp32",)),
    ):
        if value not in choices:
            possible = ", ".join(choices)
            raise InputError(f"--model {model}: ner_{key} in its config.json is {value!r}, not one of {possible}")
    for key, value, least in (("max_length", settings.max_length or 8, 8), ("stride", settings.stride, 0)):
        if type(value) is not int or value < least:
            raise InputError(f"--model {model}: ner_{key} in its config.json is {value!r}, not {least} or more")
    return settings


def _transitions(model, config, names):
    try:
        return from_config(config.get("ner_transitions"), names)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        fault = f"{type(error).__name__}: {error}"
        raise InputError(
            f"--model {model}: ner_transitions in its config.json cannot be used ({fault}); take it out, or save the"
            " model again"
        ) from None


def batches(windows, subwords):
    """Windows of similar length together, longest first, at most `subwords` positions in a batch.

    Yields int arrays of window numbers. A window that is longer than `subwords` is a batch of its own.
    """
    begins = windows["input_ids"].combine_chunks().offsets.to_numpy()
    lengths = np.diff(begins)
    order = np.argsort(-lengths, kind="stable")
    begin = 0
    while begin < len(order):
        size = max(1, subwords // int(lengths[order[begin]]))
        yield order[begin : begin + size]
        begin += size


def log_softmax(logits):
    """Log-probabilities of float32 logits (words, labels)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def character_spans(text, words, spans):
    """Spans of words as spans of characters.

    Args:
        text: str.
        words: list of (start, end) in characters.
        spans: list of (first word, end of words, type, score).

    Returns:
        list of {"start", "end", "type", "text", "score"}.
    """
    found = []
    for first, last, type_, score in spans:
        start, end = words[first][0], words[last - 1][1]
        found.append({"start": start, "end": end, "type": type_, "text": text[start:end], "score": score})
    return found


def check_text(text, which="the text"):
    """Raise ValueError for what is no string, and for half a surrogate pair, which no tokenizer takes."""
    if not isinstance(text, str):
        raise ValueError(f"{which}: a text is a string, not {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{which}: half a surrogate pair at character {error.start}; write the whole character"
        ) from None
