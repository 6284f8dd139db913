r"""Running text -> words: two stated rules, and which of them fits the words that a model was trained on.

    plain      a run of letters, digits and underscores, or one other character (`ner_data.spans.words_in`); a letter of
               a script that is written without spaces (Chinese, Thai) is a word, under both rules
    treebank   as in the Penn Treebank, GMB and CoNLL-2003: `U.S.`, `Mr.`, `10,000`, `a.m.`, `half-hour` and `O'Brien`
               are one word each; `'s` and `n't` stand apart; so does all other punctuation, `...` and `--` unbroken

The name of the rule is stored with the model (`ner_words` in its config.json), so that text is cut at serving as the
words of training were. Under both rules every character that is not white space belongs to exactly one word.
"""

import re
from functools import cache

from ner_data.spans import UNSPACED, combining_marks, words_in

CAPITAL = "[A-ZÀ-ÖØ-ÞΑ-ΩА-Я]"
FLAG = "[\U0001f1e6-\U0001f1ff]{2}"  # a pair of regional indicators
CLITIC = r"['’](?:s|m|d|re|ve|ll)"
TITLES = (  # a point after one of these belongs to it; so does one after a capital, as in `J. Smith`
    "Mr Mrs Ms Dr Prof Rev Gen Col Lt Sgt Capt Cmdr Adm Maj Sen Rep Gov Pres St Jr Sr Inc Corp Co Ltd vs "
    "Jan Feb Aug Sept Sep Oct Nov Dec"
)


def words_of(text, rule):
    """The words of a text by a rule, a key of `RULES`, as (start, end) in characters.

    Raises KeyError if there is no such rule.
    """
    return RULES[rule](text)


def treebank_words(text):
    """The words of a text as (start, end) in characters, see above: `He didn't.` -> `He`, `did`, `n't`, `.`"""
    words = []
    pattern, clitic = _treebank()
    for match in pattern.finditer(text):
        start, end = match.span()
        split = clitic.search(text, start + 1, end) if end - start > 2 else None
        words += [(start, split.start()), (split.start(), end)] if split else [(start, end)]
    return words


def fitting_rule(words):
    """The rule that leaves the most of the given words whole, the simpler one if both do equally well.

    Args:
        words: iterable of strings, the words of the training sentences, as often as they occur.

    Returns:
        A key of `RULES`, and the share of the words that this rule leaves whole.
    """
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    whole = {
        name: sum(count for word, count in counts.items() if rule(word) == [(0, len(word))])
        for name, rule in RULES.items()
    }
    best = max(whole, key=whole.get)
    return best, whole[best] / max(1, sum(counts.values()))


@cache
def _treebank():
    """The two patterns of the rule: a word, and what stands apart at the end of one that has something before it."""
    marks = combining_marks()
    letter, mark = rf"[^\W{UNSPACED}]", f"[{marks}]"
    letters, no_letter = f"{letter}+(?:{mark}+{letter}*)*", f"(?!{letter}|{mark})"
    unit = "|".join(
        (
            # U.S., a.m.; an end, or such a text would take its length squared
            rf"(?:[^\W\d_{UNSPACED}]\.){{2,20}}{no_letter}",
            rf"(?:{'|'.join(TITLES.split())})\.(?!\w)",
            rf"{CAPITAL}\.(?=[ \t]+{CAPITAL})",  # J. Smith
            rf"\d+(?:[.,:/]\d+)+{no_letter}",  # 10,000
            letters,
        )
    )
    other = rf"\S{mark}*(?:\u200d\S{mark}*)*"  # with the joiner, emoji of several characters
    word = rf"{CLITIC}(?!\w)|(?:{unit})(?:[-'’&](?:{unit}))*|-{{2,}}|\.{{2,}}|``|''|{FLAG}|{other}"
    return re.compile(word), re.compile(rf"(?:n['’]t|{CLITIC})\Z", re.IGNORECASE)


RULES = {"plain": words_in, "treebank": treebank_words}
