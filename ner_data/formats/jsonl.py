r"""JSON lines: one sentence (or short document) per line, as words with tags or as a text with spans.

    {"tokens": ["Ada", "sings"], "ner_tags": ["B-per", "O"]}
    {"text": "Ada sings", "entities": [[0, 3, "per"]]}
    {"tokenized_text": ["Ada", "sings"], "ner": [[0, 0, "per"]]}

Words: `tokens` or `words`, with `ner_tags`, `tags` or `labels`. The tags are strings, or ids when a first line of its
own holds their names: `{"label_names": ["O", "B-per", "I-per"]}`.

Text: `text`, with `entities`, `spans`, `ents`, `labels` or `label`. A span is [start, end, type], as in Doccano and
spaCy, or an object with `start` or `start_offset`, `end` or `end_offset`, and `label` or `type`, as in Prodigy; both
count characters, `end` is exclusive. Words are found in the text as `ner_data.spans` says. Lines that a Prodigy user
rejected or ignored are skipped.

With a group column, the field of that name, a string or a number, is the document that the line is from.

GLiNER: `tokenized_text` and `ner`, whose spans are [first word, last word, type].

Lines are parsed one at a time and become Arrow arrays a few thousand at a time. Blank lines are skipped.
"""

import io
import json
from itertools import accumulate, chain, islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ner_data import InputError
from ner_data.schemes import PREFIXED
from ner_data.sentences import Words
from ner_data.spans import lay_spans, words_in
from ner_data.text_file import counted, read_text, shown

TOKENS, TAGS = ("tokens", "words"), ("ner_tags", "tags", "labels")
SPANS = ("entities", "spans", "ents", "labels", "label")
LAYOUTS = "`tokens` and `ner_tags`, `text` and `entities`, or `tokenized_text` and `ner`"
ONE_PER_LINE = "write one JSON object per line (of an array: jq -c '.[]' a.json > a.jsonl)"
AT_ONCE = 4096  # sentences


class Sentence(NamedTuple):
    """One line's words."""

    line: int
    tokens: list
    tags: list
    group: str | None


def read_jsonl(path, repair=False, say=print, group_column=None):
    """Read the words of the JSON lines file at `path`; group_column is the field with a line's document.

    Raises InputError, with the line, for what is not JSON or has none of the layouts, for a line without its group,
    and for a span that does not lie on words, unless `repair`: then it is adjusted or dropped, and counted.
    """
    faults, skipped, empty, types = [], [], [], {}
    sentences = _sentences(path, read_text(path, say), repair, group_column, faults, skipped, empty, types)
    parts = []
    while some := list(islice(sentences, AT_ONCE)):
        lengths = np.array([len(sentence.tokens) for sentence in some])
        lines = np.array([sentence.line for sentence in some])
        groups = pa.array([sentence.group for sentence in some], pa.string())
        parts.append((_strings(path, some, 1), _strings(path, some, 2), lengths, np.repeat(lines, lengths), groups))
    for name, line in types.items():
        if name[:2] == "I-" and f"B-{name[2:]}" in types:
            both = f"spans of the types {shown('B-' + name[2:])} and {shown(name)}"
            raise InputError(
                f"{path}:{line}: {both}, write one span for each entity, and {shown(name[2:])} as its type"
            )
    of_tags = "O" in types and all(name == "O" or PREFIXED.fullmatch(name) for name in types)
    if len(types) > 1 and (of_tags or all(name.startswith("B-") for name in types)):
        name, line = next(iter(types.items()))
        fix = "write a span for each entity and its type alone"
        raise InputError(f"{path}:{line}: a span of the type {shown(name)}, which is a tag, {fix}")
    if skipped:
        say(f"{path}:{skipped[0]}: {counted(len(skipped), 'line')} with the answer reject or ignore skipped")
    if empty:
        say(f"{path}:{empty[0]}: {counted(len(empty), 'line')} without words skipped")
    if faults:
        say(f"{path}:{faults[0][0]}: {_summary(faults)}")
    if not parts:
        raise InputError(f"{path}: no words, give a file with at least one sentence")
    tokens, tags, lengths, lines, groups = zip(*parts, strict=True)
    starts = np.append(0, np.cumsum(np.concatenate(lengths))[:-1])
    return Words(
        path,
        pa.concat_arrays(tokens),
        pa.concat_arrays(tags),
        starts,
        np.concatenate(lines),
        None if group_column is None else pa.concat_arrays(groups),
        tuple((line, f"span {list(fault.span)} {fault.what}") for line, fault in faults),
    )


def _sentences(path, data, repair, group_column, faults, skipped, empty, types):
    """Yield the `Sentence` of each line; collect (line, Fault), the lines that were skipped, those of a text without
    words (a blank line, as `ner_eval.predict` writes it), the types of spans."""
    names = None
    for line, text in enumerate(io.BytesIO(data), start=1):
        place = f"{path}:{line}"
        if not text.strip():
            continue
        record = _parse(place, text)
        if "label_names" in record:
            names = _strings_in(place, record, "label_names")
            if not any(key in record for key in (*TOKENS, "text", "tokenized_text")):
                continue  # a line of its own
        if record.get("answer") in ("reject", "ignore"):
            skipped.append(line)
        else:
            tokens, tags, wrong, spans = _read_record(place, record, names)
            for *_, name in spans:
                types.setdefault(name, line)
            if record.get("tokens") == [] and not str(record.get("text", "no text")).strip():
                empty.append(line)
                continue
            if not tokens:
                raise InputError(f"{place}: no words, {shown(text.decode())}, delete the line")
            if wrong and not repair:
                unit = _other_unit(record.get("text"), spans)
                fix = f"its offsets seem to count {unit}, count characters" if unit else "correct it, or give --repair"
                raise InputError(f"{place}: a span {wrong[0].what}, {shown(list(wrong[0].span))}, {fix}")
            faults += [(line, fault) for fault in wrong]
            yield Sentence(line, tokens, tags, None if group_column is None else _group(place, record, group_column))


def _other_unit(text, spans):
    """What the offsets of a text's spans count, in words, if it is not characters and so all spans lie on words."""
    if not isinstance(text, str) or text.isascii():
        return None
    for unit, size in (("UTF-16 units", lambda c: 1 + (c > "\uffff")), ("bytes of UTF-8", lambda c: len(c.encode()))):
        characters = dict(zip(accumulate(map(size, text), initial=0), range(len(text) + 1), strict=True))
        found = [(characters.get(start, -1), characters.get(end, -1), name) for start, end, name in spans]
        if not lay_spans(words_in(text), len(text), found)[1]:
            return unit
    return None


def _group(place, record, key):
    """The document that a line is from."""
    group = record.get(key)
    if type(group) not in (str, int) or not str(group).strip() or has_half(str(group)):
        what = f"`{key}` is no document, {shown(group)}" if key in record else f"no field `{key}` for its document"
        raise InputError(f"{place}: {what}, write a string or a number")
    return str(group)


def _parse(place, text):
    """The JSON object in a line."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else getattr(error, "msg", error)
        value = shown(text.decode().strip())
        raise InputError(f"{place}: not JSON ({what}), {value}, {ONE_PER_LINE}") from None
    if not isinstance(record, dict):
        raise InputError(f"{place}: not a JSON object, {shown(record)}, {ONE_PER_LINE}")
    return record


def _read_record(place, record, names):
    """A line's object -> (tokens, tags, faults, spans)."""
    tags_key = _first_key(record, TAGS)
    tokens_key = _first_key(record, TOKENS)
    spans_key = _spans_key(place, record)
    has_text, has_words = "text" in record and spans_key, "tokenized_text" in record and "ner" in record
    if (tokens_key and tags_key) and (
        not has_text or tags_key == "ner_tags" or _are_tagged(record[tokens_key], record[tags_key], names)
    ):
        both = [record.get(name) for name in ("tags", "labels")]
        if tags_key == "tags" and all(map(_is_flat, both)) and both[0] != both[1]:
            raise InputError(f"{place}: tags both in `tags` and in `labels`, leave one of them out")
        tokens, tags, faults = _read_tags(place, record, tokens_key, tags_key, names)
        if has_text:
            _check_agreement(place, record, tokens, tags, tags_key, spans_key)
        return tokens, tags, faults, []
    if has_text and has_words and record[spans_key] and record["ner"]:
        raise InputError(f"{place}: spans both in `{spans_key}` and in `ner`, leave one of them out")
    if has_text and not (has_words and record["ner"]):
        text = record["text"]
        if not isinstance(text, str):
            raise InputError(f"{place}: `text` is not a string, {shown(text)}, write the text of the sentence")
        words, spans = words_in(text), _spans(place, record[spans_key])
        tags, faults = lay_spans(words, len(text), spans)
        return [text[start:end] for start, end in words], tags, faults, spans
    if has_words:
        tokens = _strings_in(place, record, "tokenized_text")
        spans = [(first, last + 1, name) for first, last, name in _spans(place, record["ner"])]
        tags, faults = lay_spans([(word, word + 1) for word in range(len(tokens))], len(tokens), spans)
        as_given = [fault._replace(span=(fault.span[0], fault.span[1] - 1, fault.span[2])) for fault in faults]
        return tokens, tags, as_given, spans
    keys = ", ".join(shown(key, 30) for key in list(record)[:8])
    raise InputError(f"{place}: none of the known layouts, the keys are {keys or 'none'}, give {LAYOUTS}")


def _spans_key(place, record):
    """The field with a line's spans, or None: the first that there is, but one that holds a span before an empty one.

    A list of strings or numbers is none of spans, but of tags; Prodigy's `label` beside its spans is a string. Raises
    InputError where several fields hold spans.
    """
    keys = [key for key in SPANS if key in record and not _is_flat(record[key])]
    lists = [key for key in keys if isinstance(record[key], list)]
    full = [key for key in lists if record[key]]
    if len(full) > 1:
        raise InputError(f"{place}: spans both in `{full[0]}` and in `{full[1]}`, leave one of them out")
    return next(iter(full + lists + keys), None)


def _are_tagged(tokens, tags, names):
    """Whether these are words and an entity tag for each, and not tokens and tags of another kind, as Prodigy's."""
    both = isinstance(tokens, list) and isinstance(tags, list) and len(tokens) == len(tags)
    if not both or not set(map(type, tokens)) <= {str}:
        return False
    if set(map(type, tags)) == {int}:
        return names is not None
    return all(type(tag) is str and (tag == "O" or PREFIXED.fullmatch(tag)) for tag in tags)


def _check_agreement(place, record, tokens, tags, tags_key, spans_key):
    """Raise InputError where the spans of a text say an entity that the tags of its words do not say.

    A prediction may have tags that are in no span: those that BIO does not allow. Without spans, or with words that are
    not those of the text, nobody knows.
    """
    text, words, end = record["text"], [], 0
    try:
        spans = _spans(place, record[spans_key])
    except InputError:  # a field of another kind
        return
    for token in tokens:
        start = text.find(token, end) if isinstance(text, str) else -1
        if start < 0:
            return
        end = start + len(token)
        words.append((start, end))
    for tag, other in zip(tags, lay_spans(words, len(text), spans)[0], strict=True):
        if other != "O" and (tag == "O" or not tag.endswith(other[2:])):
            both = f"`{tags_key}` and `{spans_key}` do not say the same, {shown(tag)} and {shown(other)}"
            raise InputError(f"{place}: {both}, leave one of them out")


def _is_flat(value):
    return isinstance(value, list) and bool(value) and all(isinstance(item, str | int) for item in value)


def _read_tags(place, record, tokens_key, tags_key, names):
    """Words and their tags, strings or ids."""
    tokens, tags = _strings_in(place, record, tokens_key), record[tags_key]
    kinds = set(map(type, tags)) if isinstance(tags, list) else None
    if kinds is None or not (kinds <= {str} or kinds <= {int}):
        raise InputError(f"{place}: `{tags_key}` is not a list of strings or of ids, {shown(tags)}, write one per word")
    if len(tokens) != len(tags):
        counts = f"{counted(len(tokens), 'word')} and {counted(len(tags), 'tag')}"
        raise InputError(f"{place}: {counts}, {shown(tags)}, write one tag per word")
    if kinds == {int}:
        if names is None:
            fix = 'put a line {"label_names": ["O", "B-per", ...]} before the first'
            raise InputError(f"{place}: `{tags_key}` holds ids without names, {shown(tags)}, {fix}")
        unknown = [tag for tag in tags if not 0 <= tag < len(names)]
        if unknown:
            raise InputError(f"{place}: an id without a name, {unknown[0]}, the ids are 0 to {len(names) - 1}")
        tags = [names[tag] for tag in tags]
    return tokens, tags, []


def _spans(place, spans):
    """A line's spans as (start, end, type), whichever way they are written."""
    if not isinstance(spans, list):
        raise InputError(f"{place}: the spans are not a list, {shown(spans)}, write [[start, end, type], ...]")
    found = []
    for span in spans:
        parts = span
        if isinstance(span, dict):
            keys = [_first_key(span, names) for names in (("start", "start_offset"), ("end", "end_offset"))]
            parts = [span.get(key) for key in (*keys, _first_key(span, ("label", "type")))]
        is_span = isinstance(parts, list) and [type(part) for part in parts] == [int, int, str] and parts[2].strip()
        if not is_span:
            raise InputError(f"{place}: not a span, {shown(span)}, write [start, end, type]")
        found.append(tuple(parts))
    return found


def _strings_in(place, record, key):
    """The list of strings under a key."""
    strings = record[key]
    if not isinstance(strings, list) or not set(map(type, strings)) <= {str}:
        raise InputError(f'{place}: `{key}` is not a list of strings, {shown(strings)}, write it as ["...", "..."]')
    return strings


def _first_key(record, keys):
    return next((key for key in keys if key in record), None)


def _strings(path, sentences, field):
    """The tokens (field 1) or tags (field 2) of some sentences as one Arrow array."""
    try:
        return pa.array(list(chain.from_iterable(sentence[field] for sentence in sentences)), pa.string())
    except UnicodeEncodeError:
        for sentence in sentences:
            for string in sentence[field]:
                if has_half(string):
                    what = f"half a surrogate pair, {shown(string)}, write the whole character"
                    raise InputError(f"{path}:{sentence.line}: {what}") from None
        raise


def has_half(string):
    """Whether half a surrogate pair is in a string, which Arrow cannot hold."""
    return any("\ud800" <= character <= "\udfff" for character in string)


def _summary(faults):
    """What was done to the spans that did not lie on words, with the first five places."""
    dropped = sum(fault.became is None for _, fault in faults)
    first = ", ".join(f"line {line} {list(fault.span)} {fault.what}" for line, fault in faults[:5])
    more = ", ..." * (len(faults) > 5)
    return f"{counted(len(faults) - dropped, 'span')} adjusted to whole words, {dropped:,} dropped ({first}{more})"
