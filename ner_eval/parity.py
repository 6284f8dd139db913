"""Does a saved model say the same to everybody? Our predictor against transformers' own pipeline.

`check_parity` reloads what was saved and reads the first sentences of a split four ways: as words and as running text
(the words joined by single spaces), with our predictor and with `pipeline("token-classification")`. In fp32, each word
for itself, both must give a word the same label: that of its first subword. Where they differ there is a cause, and
each is counted.
"""

import numpy as np

from ner_data.labels import flat, label_ids, sentence_offsets
from ner_eval.decode import decode
from ner_eval.recognizer import Recognizer
from ner_eval.span_counts import find_spans, label_parts
from ner_eval.word_rules import words_of

SENTENCES = 100  # that are compared, the first of the split: some seconds
TIE = 1e-3  # nats between the two best labels, below which the rounding of padded batches may decide
CAUSES = {
    "several_labels": "several labels inside one word (the pipeline labels subwords)",
    "cut": "text cut by the pipeline, which we read in windows",
    "windows": "text read whole by the pipeline, which we read in windows",
    "no_subword": "words that the tokenizer deletes, which we hold by an unknown token",
    "word_splitting": "our rule splits the text into other words",
    "tie": f"two labels within {TIE} nats",
    "unexplained": "without a cause that is known: please report",
}


def check_parity(directory, sentence_table, names, sentences=SENTENCES, trust_remote_code=False, use_cpu=False):
    """Compare our predictor and the pipeline on the first sentences of a split.

    Args:
        directory: a saved model.
        sentence_table: `tokens: list<string>`, `tags: list<string>` (gold, BIO).
        names: label names in the order of the model's ids.
        sentences: how many are compared at most.
        trust_remote_code: run code that comes with the model.
        use_cpu: whatever GPU there is, as the model was trained.

    Returns:
        `sentences`, `words`, `words_rule`, `precision`, `decoding`; `split` and `text`, for the two inputs, each
        `whole` (words that the pipeline keeps whole), `equal` (those of them with our tag) and `causes`, a number of
        words for every key of `CAUSES`; `decoding_changed` and `bf16_changed`, words that the stored decoding and
        bf16 change in ours; `f1`: strict F1 of characters' spans of `ours` (as served), `ours_text`, `pipeline` and
        `pipeline_text` (`aggregation_strategy="first"`).

    Raises:
        ValueError: the saved model has other label names.
        InputError: it cannot be loaded.
    """
    exact, served = (
        Recognizer(directory, no_bf16=no_bf16, trust_remote_code=trust_remote_code, use_cpu=use_cpu)
        for no_bf16 in (True, False)
    )
    if exact.settings.names != list(names):
        raise ValueError(f"{directory} has the labels {exact.settings.names}, not {list(names)}")
    table = sentence_table.slice(0, sentences).select(["tokens", "tags"])
    tokens = table["tokens"].to_pylist()
    offsets = sentence_offsets(table)
    exact_rows, served_rows = exact.scores(tokens), served.scores(tokens)
    best, ids = decode(exact_rows, offsets, names, "argmax"), exact.decode(exact_rows, offsets)
    served_ids = served.decode(served_rows, offsets)
    serve = _pipeline(directory, trust_remote_code, exact.model.device)
    texts = [" ".join(words) for words in tokens]
    splits = [[text[a:b] for a, b in words_of(text, exact.settings.rule)] for text in texts]
    whole = np.array([words == split for words, split in zip(tokens, splits, strict=True)])
    found = {
        "ours": _spans_of(served_ids, offsets, names, tokens, served.settings.reading),
        "ours_text": [{(s["start"], s["end"], s["type"]) for s in one["spans"]} for one in served(texts)],
        "pipeline": [_served_spans(serve, words, names) for words in tokens],
        "pipeline_text": [_served_spans(serve, text, names) for text in texts],
    }
    gold = _spans_of(label_ids(table, names), offsets, names, tokens)
    return {
        "sentences": len(table),
        "words": len(flat(table["tokens"])),
        "words_rule": exact.settings.rule,
        "precision": served.precision,
        "decoding": exact.settings.decoding,
        "split": _compare(exact, serve, tokens, tokens, exact_rows, best, np.ones(len(table), bool)),
        "text": _compare(exact, serve, tokens, texts, exact_rows, best, whole),
        "decoding_changed": int((ids != best).sum()),
        "bf16_changed": int((served_ids != ids).sum()),
        "f1": {who: strict_f1(gold, spans) for who, spans in found.items()},
    }


def parity_lines(report):
    """The result of `check_parity` as lines for the terminal."""
    sentences, words = report["sentences"], report["words"]
    lines = [f"parity on the first {sentences:,} sentences ({words:,} words), fp32, each word for itself:"]
    for part, what in (("split", "words"), ("text", "running text")):
        found = report[part]
        lines.append(f"  {what}: pipeline and predictor agree on {found['equal']:,} of {found['whole']:,} whole words")
        lines += [f"    {count:,} words: {CAUSES[cause]}" for cause, count in found["causes"].items() if count]
    if report["decoding"] != "argmax":
        lines.append(f"  {report['decoding']} changes {report['decoding_changed']:,} words against argmax")
    lines.append(f"  as served ({report['precision']}): {report['bf16_changed']:,} words differ from fp32")
    f1 = report["f1"]
    lines.append(f"  strict F1 on words: ours {f1['ours']:.4f}, pipeline {f1['pipeline']:.4f}")
    lines.append(f"  strict F1 on running text: ours {f1['ours_text']:.4f}, pipeline {f1['pipeline_text']:.4f}")
    return lines


def strict_f1(gold, predicted):
    """F1 of (start, end, type): lists of sets, one per sentence; 0 where nothing is right."""
    correct = sum(len(one & other) for one, other in zip(gold, predicted, strict=True))
    total = sum(map(len, gold)) + sum(map(len, predicted))
    return 2 * correct / total if total else 0.0


def _pipeline(directory, trust_remote_code, device):
    """transformers' own pipeline in fp32."""
    import torch
    import transformers

    return transformers.pipeline(
        "token-classification",
        model=directory,
        device=device,
        dtype=torch.float32,
        trust_remote_code=trust_remote_code,
        model_kwargs={"use_safetensors": True},
    )


def _served_spans(serve, given, names):
    """What a pipeline finds in one sentence, given as words or as text: {(start, end, type)} in characters."""
    if not given:
        return set()
    found = _served(serve, given, aggregation_strategy="first")
    types = {name[2:] for name in names if name != "O"}
    text = given if isinstance(given, str) else " ".join(given)
    spans = set()
    for entity in found:
        start = entity["start"] + len(text[entity["start"] :]) - len(text[entity["start"] :].lstrip())
        if entity["entity_group"] in types:
            spans.add((start, entity["end"], entity["entity_group"]))
    return spans


def _served(serve, given, **options):
    if isinstance(given, str):
        return serve(given, **options)
    return serve(given, is_split_into_words=True, **options)[0]


def _compare(exact, serve, tokens, inputs, rows, ids, is_same_split):
    """Words that pipeline and predictor agree on, and the causes where they do not.

    Args:
        exact: `Recognizer`.
        serve: the pipeline.
        tokens: list of lists of words.
        inputs: what the pipeline gets for each sentence: its words, or a text.
        rows: float array (words, labels), our log-probabilities.
        ids: int array (words,), our labels.
        is_same_split: bool array (sentences,), whether our rule finds these words in the text.
    """
    names, causes, whole, equal, word = exact.settings.names, dict.fromkeys(CAUSES, 0), 0, 0, 0
    best = np.sort(rows, axis=1)
    is_tie = best[:, -1] - best[:, -2] < TIE if rows.shape[1] > 1 else np.zeros(len(rows), bool)
    for words, given, same in zip(tokens, inputs, is_same_split, strict=True):
        labels = _labels_of_words(serve, words, given)
        subwords = _subwords(exact.tokenizer, words)
        deletes = any(not found for found in labels)
        for found in labels:
            ours = names[ids[word]]
            if len(set(found)) == 1:
                whole, equal = whole + 1, equal + (found[0] == ours)
            if set(found) != {ours}:
                first = found[0] if found else None
                reasons = {
                    "word_splitting": not same,
                    "several_labels": first == ours,
                    "cut": subwords > exact.model.limit,
                    "windows": subwords > exact.max_length,
                    "no_subword": deletes,
                    "tie": is_tie[word],
                    "unexplained": True,
                }
                causes[next(cause for cause, holds in reasons.items() if holds)] += 1
            word += 1
    return {"whole": whole, "equal": equal, "causes": causes}


def _labels_of_words(serve, words, given):
    """The labels that the pipeline gives to the subwords of each word: a list of lists, empty where it has none."""
    labels = [[] for _ in words]
    text = " ".join(words)
    ends = np.cumsum([len(word) + 1 for word in words])
    for entity in _served(serve, given, aggregation_strategy="none", ignore_labels=[]) if words else []:
        start = entity["start"]
        while start < len(text) - 1 and text[start] == " ":  # SentencePiece: the space is part of the subword
            start += 1
        labels[int(np.searchsorted(ends, start, side="right"))].append(entity["entity"])
    return labels


def _subwords(tokenizer, words):
    """Subwords of a sentence with special tokens, uncut."""
    return len(tokenizer(words, is_split_into_words=True, truncation=False, verbose=False)["input_ids"])


def _spans_of(ids, offsets, names, tokens, reading="strict"):
    """Label ids of words -> {(start, end, type)} per sentence, in characters of the words joined by single spaces."""
    parts = label_parts(names)
    found = find_spans(ids, offsets, parts, reading)
    spans = [set() for _ in tokens]
    begins = [np.concatenate(([0], np.cumsum([len(word) + 1 for word in words]))) for words in tokens]
    sentence_of = np.searchsorted(offsets, found.begin, side="right") - 1
    for sentence, begin, end, type_ in zip(sentence_of, *found, strict=True):
        places, first = begins[sentence], offsets[sentence]
        spans[sentence].add((int(places[begin - first]), int(places[end - first] - 1), parts.names[type_]))
    return spans
