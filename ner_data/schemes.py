"""Tag schemes: which one a corpus is in, what is illegal in it, and the way to BIO and back.

    scheme       an entity of three words   of one word   two of one type in a row
    IO           I-x I-x I-x                I-x           cannot be told from one
    unprefixed   x x x                      x             cannot be told from one
    IOB1         I-x I-x I-x                I-x           the second starts with B-x
    BIO (IOB2)   B-x I-x I-x                B-x
    BIOES        B-x I-x E-x                S-x
    BILOU        B-x I-x L-x                U-x

Tags come as one Arrow array, one per word, of strings or dictionary-encoded (which is faster where several functions
are called); `starts` are the places of the sentences' first words.

Illegal sequences are read as conlleval reads them: an entity starts at B- and S-, after E- and S-, and wherever the
tag before is O or of another type.
"""

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa

LETTERS = {"IO": "I", "unprefixed": "", "IOB1": "BI", "BIO": "BI", "BIOES": "BIES", "BILOU": "BILU"}
PREFIXED = re.compile(r"([BIESLU])-(\S(?:.*\S)?)")
UNPREFIXED = re.compile(r"(?![BIESLUo0_]$)(?![A-Za-z][-_.:])(\S(?:.*\S)?)")  # b-per, B_per and o are slips, not types
SLIP = re.compile(r"(\S.*)[-_.:/ –]([BIESLU])|([BIESLU])[/ –](.*\S)")  # PER-B, B/PER: prefixes of another kind
OUTSIDE, BEGIN, INSIDE, END, SINGLE = range(5)
CODES = {"B": BEGIN, "I": INSIDE, "E": END, "S": SINGLE, "L": END, "U": SINGLE}


class Tags(NamedTuple):
    """n tags taken apart; BILOU's L and U are E and S here."""

    letters: np.ndarray  # (n,) int8: OUTSIDE, BEGIN, INSIDE, END or SINGLE
    types: np.ndarray  # (n,) int32, -1 for O
    names: list  # the name of each type
    starts: np.ndarray  # (sentences,) int64, each sentence's first word


def take_apart(tags, starts, scheme):
    """Tags of a scheme, (n,) string -> `Tags`. What is not a tag of the scheme counts as O: see `ill_formed`."""
    coded = tags.dictionary_encode()
    types, letters, places = {}, [], []
    for tag in coded.dictionary.to_pylist():
        letter, name = _letter_and_type(tag, scheme) or (OUTSIDE, None)
        letters.append(letter)
        places.append(-1 if name is None else types.setdefault(name, len(types)))
    codes = coded.indices.to_numpy()
    return Tags(np.array(letters, np.int8)[codes], np.array(places, np.int32)[codes], list(types), starts)


def put_together(tags, scheme):
    """`Tags` whose letters are B, I and O, legal in BIO -> (n,) string in another scheme."""
    is_inside, begins, goes_on = tags.types >= 0, entity_begins(tags), entity_goes_on(tags)
    if scheme == "BIO":
        first = begins
    elif scheme == "IOB1":
        first = begins & (_before(tags.types, tags.starts) == tags.types)
    else:
        first = begins & (scheme in ("BIOES", "BILOU"))
    letters = np.where(first, BEGIN, INSIDE)
    if scheme in ("BIOES", "BILOU"):
        letters = np.where(goes_on, letters, np.where(begins, SINGLE, END))
    shown = {"BIOES": "OBIES", "BILOU": "OBILU"}.get(scheme, "OBI")
    names = [name if scheme == "unprefixed" else f"{letter}-{name}" for name in tags.names for letter in shown]
    codes = np.where(is_inside, tags.types * len(shown) + letters, len(names))
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array([*names, "O"])).cast(pa.string())


def entity_begins(tags):
    """Where an entity starts, as conlleval reads it: (n,) bool."""
    last_letter, last_type = _before(tags.letters, tags.starts, OUTSIDE), _before(tags.types, tags.starts)
    is_after_end = np.isin(last_letter, (OUTSIDE, END, SINGLE)) | (last_type != tags.types)
    return (tags.types >= 0) & (np.isin(tags.letters, (BEGIN, SINGLE)) | is_after_end)


def entity_goes_on(tags):
    """Which words are followed by another word of the same entity: (n,) bool."""
    return np.append((tags.types >= 0) & ~entity_begins(tags), False)[1:]


def illegal(tags, scheme):
    """The places of the tags that a scheme does not allow where they stand: (k,) int64, ascending."""
    begins = entity_begins(tags)
    if scheme == "BIO":
        wrong = begins & (tags.letters == INSIDE)
    elif scheme == "IOB1":
        wrong = (tags.letters == BEGIN) & (_before(tags.types, tags.starts) != tags.types)
    elif scheme in ("BIOES", "BILOU"):
        starts_wrong = begins & np.isin(tags.letters, (INSIDE, END))
        wrong = starts_wrong | (np.isin(tags.letters, (BEGIN, INSIDE)) & ~entity_goes_on(tags))
    else:
        wrong = np.zeros(len(begins), bool)
    return np.flatnonzero(wrong)


def ill_formed(tags, scheme):
    """The places of the tags that no sequence in the scheme may hold: (k,) int64, ascending."""
    coded = tags.dictionary_encode()
    wrong = [tag != "O" and not _letter_and_type(tag, scheme) for tag in coded.dictionary.to_pylist()]
    return np.flatnonzero(np.array(wrong, bool)[coded.indices.to_numpy()])


def detect(tags, starts):
    """Find the scheme of tags, (n,) string -> (name, evidence); name is None where there is no tag but O.

    I- alone is IO; tags without any prefix, and O among them, are unprefixed (parts of speech know no O). Otherwise
    it is the scheme that the fewest tags break: those with a prefix that it does not have, and those that it does
    not allow where they stand.
    """
    counts = {item["values"].as_py(): item["counts"].as_py() for item in tags.value_counts()}
    has_outside = counts.pop("O", None) is not None
    letters = dict.fromkeys("BIESLU", 0)
    for tag, count in counts.items():
        if PREFIXED.fullmatch(tag):
            letters[tag[0]] += count
    numbers = ", ".join(f"{count:,} {letter}-" for letter, count in letters.items() if count)
    if not counts:
        return None, "no tag but O"
    if not numbers:
        is_types = has_outside and any(_letter_and_type(tag, "unprefixed") for tag in counts)
        slips = [match.groups() for tag in counts if (match := SLIP.fullmatch(tag))]
        types = {type_ or rest for type_, *_, rest in slips}
        is_types = is_types and len(types) == len(slips) < len(counts)  # no PER-B with PER-I, nor PER-B and LOC-B alone
        what = f"{sum(counts.values()):,} tags without B- or I-, {len(counts):,} different ones"
        return ("unprefixed", what) if is_types else ("BIO", what)
    if set(numbers.split()[1::2]) == {"I-"}:
        return "IO", f"{numbers} tags and no B-"
    broken = {}
    for scheme in ("BIO", "IOB1", "BIOES", "BILOU"):
        broken[scheme] = len(ill_formed(tags, scheme)) + len(illegal(take_apart(tags, starts, scheme), scheme))
        if not broken[scheme]:
            break
    best = min(broken, key=broken.get)
    return best, f"{numbers} tags, {broken[best] or 'none'} of them out of place"


def are_several(tag):
    """Whether a tag is the tags of several words: `B-per I-per O`."""
    parts = tag.split(" ")
    return len(parts) > 1 and all(part == "O" or PREFIXED.fullmatch(part) for part in parts)


def _letter_and_type(tag, scheme):
    """The code of a tag's letter, and its type; None for O and for what is not a tag of the scheme."""
    match = (UNPREFIXED if scheme == "unprefixed" else PREFIXED).fullmatch(tag)
    if tag == "O" or match is None or (match.lastindex == 2 and match[1] not in LETTERS[scheme]) or are_several(tag):
        return None
    return (CODES[match[1]], match[2]) if match.lastindex == 2 else (INSIDE, match[1])


def _before(values, starts, nothing=-1):
    """The value of the word before in the same sentence; `nothing` for a sentence's first word."""
    before = np.append(nothing, values[:-1]).astype(values.dtype)
    before[starts] = nothing
    return before
