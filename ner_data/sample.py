"""The bundled corpus: English sentences with eight kinds of names, written by a grammar.

    python -m ner_data.sample                # rewrites sample.csv, sample_validation.csv and sample_test.csv

The corpus is synthetic: no sentence is taken from a text, and what a sentence says of a person, a company or a country
is not a fact. It was written for this project and has the project's licence (MIT). It is there to show and to test the
recipe without a download; scores on it say nothing about real news.

How a sentence is made. A clause pattern of `sample_templates` is drawn, and now and then a frame around it or around
two of a topic ("{speaker} said that {clause}"). Its slots are filled with phrases and names of `sample_words`, the
names from parts: "{title} {surname}", "University of {foreign_town}". The words of a name get its type.

What the splits share. Nothing that would let a model pass by memory: clause patterns and frames belong to one split,
and so do most parts of names (every sixth surname is one of validation, two of six are of test). What they share is
the ordinary vocabulary, and names that everybody knows or that mean several things: `Jordan` is a country, a river, a
given name, a surname, a shoe maker; only the sentence tells.

The eight types, as in the Groningen Meaning Bank (GMB), and the rules where its annotation wavers:
    geo  places: towns, countries as territories, rivers, streets, airports
    gpe  nationalities and peoples (`Danish`, `pro-Russian`), and a country that acts ("Jordan has rejected ...")
    org  companies, institutions, parties, media; a club by its town's name; a capital that stands for its government
    per  persons, with the title that stands before the name (`Mr.`, `President`); `the president` alone is no name
    tim  weekdays, months, years, dates, decades, clock times, holidays; not `last`, `next`, `in`
    art  works, products, ships, prizes, laws and treaties
    eve  battles and wars, contests, festivals
    nat  storms and diseases that have a name
A leading `the` is outside a name. Parts of speech are Penn Treebank tags by lexicon and ending, good to look at and not
checked by hand.
"""

import argparse
import csv
import random
import re
from pathlib import Path

from ner_data import sample_words as words
from ner_data.sample_templates import FRAMES, PLAIN_FRAMES, TEMPLATES

SIZES = {"train": 3700, "validation": 500, "test": 700}
FILES = {"train": "sample.csv", "validation": "sample_validation.csv", "test": "sample_test.csv"}
SEED = 2018
PLAIN_SHARE = 0.20  # of the sentences are drawn from the topic "plain", which holds no entity
KNOWN_SHARE = 0.36  # of the names' parts are drawn from the list that is open to every split
FRAMED_SHARE = 0.5  # of the clauses stand in a frame
MAX_WORDS = 80
SLOT = re.compile(r"\{(\w+)\}")
WHOLE_SENTENCE = (".", "?", "!", ":")
RANGES = {
    "percent": (2, 60),
    "age": (19, 84),
    "count": (11, 90),
    "small_digit": (2, 9),
    "day": (1, 28),
    "hour": (1, 12),
}
# Clauses that begin so read badly after "said that".
FRONTED = (
    "as ", "of ", "to ", "by ", "under ", "having ", "should ", "from ", "thanks ", "not since ", "this ", "every ",
    "because ", "since ", "for ",
)  # fmt: skip
NO_AN = ("uni", "ukr", "ugan", "u.", "eur", "one")  # start with a vowel letter, not with a vowel


def entries(text):
    """The entries of a `;`-separated list, line breaks folded."""
    return [" ".join(entry.split()) for entry in text.split(";")]


def own_part(items, split):
    """The items of a list that belong to a split: of every six, three to train, one to validation, two to test."""
    places = {"train": (0, 1, 2), "validation": (3,), "test": (4, 5)}[split]
    return [item for place, item in enumerate(items) if place % 6 in places]


def nation_parts(items):
    """`country/adjective/people` -> the four lists that name patterns use."""
    country, adjective, people = zip(*(item.split("/") for item in items), strict=True)
    bare = tuple(name.removeprefix("the ") for name in country)
    return {"country": country, "country_bare": bare, "adjective": adjective, "people": people}


def name_parts(split):
    """(known, own): two dicts from the name of a part to its entries, for one split."""
    known = {part: entries(text) for part, text in words.KNOWN.items()}
    own = {part: own_part(entries(text), split) for part, text in words.OWN.items()}
    for table in known, own:
        table.update(nation_parts(table.pop("nation")))
    own.update({part: entries(text) for part, text in words.SHARED.items()})
    return known, own


def templates(split):
    """{template id: pattern} of a split; an id is `split/topic/place`, and the two lists of frames count as topics."""
    topics = TEMPLATES[split] | {"frames": FRAMES[split], "plain_frames": PLAIN_FRAMES[split]}
    return {
        f"{split}/{topic}/{place}": line.strip()
        for topic, lines in topics.items()
        for place, line in enumerate(lines.strip().splitlines())
    }


def lexicon():
    """{word: its most usual part of speech} of `sample_words.POS`; the tag listed first wins."""
    tags = {}
    for tag, text in words.POS.items():
        for word in text.split():
            tags.setdefault(word, tag)
    return tags


LEXICON = lexicon()
BASE_VERBS = frozenset(words.POS["VB"].split())
PARTICIPLE_AFTER = frozenset(["be", "been", "is", "are", "was", "were", "has", "have", "had", "being"])
MARKS = dict(zip(',.?!:;"$£()', [",", ".", ".", ".", ":", ":", "``", "$", "$", "LRB", "RRB"], strict=True))
ENDINGS = {"ly": "RB", "ing": "VBG", "ed": "VBD", "ss": "NN", "us": "NN", "is": "NN", "s": "NNS"}


def part_of_speech(word, before):
    """Penn Treebank tag of an ordinary word from the lexicon, the words before it, or its ending."""
    last = before[-1] if before else ""
    if word in MARKS or word[0].isdigit():
        return MARKS.get(word, "CD")
    if word.lower() in BASE_VERBS and (last == "to" or LEXICON.get(last) == "MD"):
        return "VB"
    if word.lower() in LEXICON:
        return LEXICON[word.lower()]
    if before and word[0].isupper() and last != '"':
        return "NNP"
    tag = next((tag for ending, tag in ENDINGS.items() if word.endswith(ending)), "NN")
    return "VBN" if tag == "VBD" and PARTICIPLE_AFTER & set(before[-2:]) else tag


def name_part_of_speech(word, entity_type):
    """Penn Treebank tag of a word inside a name."""
    if word[0].isdigit():
        return "CD"
    if word in LEXICON:
        return LEXICON[word]
    if entity_type == "gpe" and word.endswith("s") and not word.endswith("us"):
        return "NNPS"
    return "NNP"


class Writer:
    """Writes the sentences of one split. All chance comes from `random.Random.random`, the same on every Python."""

    def __init__(self, split, rng):
        self.split = split
        self.rng = rng
        self.known, self.own = name_parts(split)
        self.phrases = {slot: entries(text) for slot, text in words.PHRASES.items()}
        self.used = set()  # names, phrases and clauses of the present sentence
        self.decks = {}  # topic -> template ids still to be dealt
        self.templates = templates(split)

    def pick(self, items):
        return items[int(self.rng.random() * len(items))]

    def between(self, low, high):
        return low + int(self.rng.random() * (high - low + 1))

    def number(self, slot):
        """The text of a number slot; KeyError for any other slot."""
        if slot == "number":
            number = self.pick([self.between(12, 99), self.between(100, 999), self.between(1000, 90000)])
            return f"{number:,}" if number > 9999 or self.rng.random() < 0.6 else str(number)
        if slot == "year":
            low, high = self.pick([(1840, 1959), (1960, 2024), (1990, 2024), (2000, 2024)])
            return str(self.between(low, high))
        if slot == "decimal":
            return f"{self.between(1, 40)}.{self.between(1, 9)}"
        if slot in ("score", "win", "draw"):
            goals = self.between(0, 4)
            lead = {"score": self.between(0, 3), "win": self.between(1, 3), "draw": 0}[slot]
            return f"{goals + lead}-{goals}"
        return str(self.between(*RANGES[slot]))

    def part(self, name):
        """One entry of a part of a name, well known or of this split alone."""
        known, own = self.known.get(name), self.own.get(name)
        if known and (not own or self.rng.random() < KNOWN_SHARE):
            return self.pick(known)
        return self.pick(own) if own else self.number(name)

    def name(self, slot):
        """The tokens of a name: [(word, POS, tag)]."""
        entity_type, patterns = words.NAMES[slot]
        for _ in range(20):  # a sentence does not use a name twice
            pattern = self.rng.choices(list(patterns), list(patterns.values()))[0]
            text = SLOT.sub(lambda match: self.part(match[1]), pattern)
            capitalised = [word for word in text.split() if word[0].isupper()]
            if text not in self.used and len(set(capitalised)) == len(capitalised):
                break
        self.used.add(text)
        article = [("the", "DT", "O")] if text.startswith("the ") else []
        span = text.removeprefix("the ").split()
        pos = ["JJ" if slot in ("adj", "demonym", "half") else name_part_of_speech(w, entity_type) for w in span]
        tags = [f"B-{entity_type}"] + [f"I-{entity_type}"] * (len(span) - 1)
        return article + list(zip(span, pos, tags, strict=True))

    def phrase(self, slot):
        """A phrase; one without a slot is not used twice in a sentence."""
        for _ in range(20):
            phrase = self.pick(self.phrases[slot])
            if "{" in phrase or phrase not in self.used:
                break
        self.used.add(phrase)
        return phrase

    def fill(self, pattern, topic):
        """The tokens of a pattern, its slots filled."""
        tokens = []
        for piece in pattern.split():
            slot = piece[1:-1] if piece.startswith("{") else None
            if slot is None:
                tokens.append((piece, None, "O"))
            elif slot == "clause":
                tokens += self.fill(self.deal(topic, embedded=bool(tokens)), topic)
            elif slot in words.NAMES:
                tokens += self.name(slot)
            elif slot in self.phrases:
                tokens += self.fill(self.phrase(slot), topic)
            else:
                tokens.append((self.number(slot), "CD", "O"))
        return tokens

    def deal(self, topic, embedded=False):
        """The next pattern of a topic, from a shuffled deck, so that all are used equally often.

        Embedded: only a clause that reads well after "said that".
        """
        kind = f"{topic} embedded" if embedded else topic
        if not self.decks.get(kind):
            deck = [line for name, line in self.templates.items() if name.split("/")[1] == topic]
            if embedded:
                deck = [line for line in deck if not line.endswith(WHOLE_SENTENCE) and not line.startswith(FRONTED)]
            self.decks[kind] = sorted(deck, key=lambda _: self.rng.random())
        pattern = self.decks[kind].pop()
        if embedded and pattern in self.used:
            return self.deal(topic, embedded)
        self.used.add(pattern)
        return pattern

    def sentence(self, topic):
        """One sentence on a topic: [(word, POS, tag)]."""
        self.used.clear()
        pattern = self.deal(topic)
        if not pattern.endswith(WHOLE_SENTENCE) and self.rng.random() < FRAMED_SHARE:
            frame = self.deal("plain_frames" if topic == "plain" else "frames")
            if frame.startswith(("{clause}", '" {clause}')) or not pattern.startswith(FRONTED):
                pattern = frame.replace("{clause}", pattern, 1)
        tokens = self.fill(pattern, topic)
        if tokens[-1][0] not in WHOLE_SENTENCE:
            tokens.append((".", ".", "O"))
        return finish(tokens)


def finish(tokens):
    """Tidy commas and articles, capitalise the first word, add the parts of speech that are missing."""
    tidy = []
    for i, (word, pos, tag) in enumerate(tokens):
        following = tokens[i + 1][0] if i + 1 < len(tokens) else "."
        if word == "," and following in (",", ".", ";", ":", "?", "!"):
            continue
        if word == "a" and tag == "O" and following[0].lower() in "aeiou" and not following.lower().startswith(NO_AN):
            word = "an"
        tidy.append((word, pos, tag))
    first = 1 if tidy[0][0] == '"' else 0
    tidy[first] = (tidy[first][0][0].upper() + tidy[first][0][1:], *tidy[first][1:])
    before = [word.lower() for word, _, _ in tidy]
    return [
        (word, pos or part_of_speech(word, before[max(0, i - 2) : i]), tag) for i, (word, pos, tag) in enumerate(tidy)
    ]


def folded(sentence):
    """The words of a sentence without their case, for telling two sentences apart."""
    return tuple(word.casefold() for word, _, _ in sentence)


def corpus(sizes=SIZES, seed=SEED):
    """{split: [sentence]}, a sentence being [(word, POS, tag)]; no sentence occurs twice, whatever its case."""
    written, taken = {}, set()
    for split, size in sizes.items():
        rng = random.Random(f"{seed} {split}")
        writer = Writer(split, rng)
        topics = [topic for topic in TEMPLATES[split] if topic != "plain"]
        weights = [len(TEMPLATES[split][topic].strip().splitlines()) for topic in topics]
        written[split] = []
        while len(written[split]) < size:
            topic = "plain" if rng.random() < PLAIN_SHARE else rng.choices(topics, weights)[0]
            sentence = writer.sentence(topic)
            while len(sentence) > MAX_WORDS or folded(sentence) in taken:
                sentence = writer.sentence(topic)
            taken.add(folded(sentence))
            written[split].append(sentence)
    return written


def write_csv(path, sentences):
    """Write the Kaggle layout: one word per row, the sentence's id on its first row only."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["Sentence #", "Word", "POS", "Tag"])
        for number, sentence in enumerate(sentences, start=1):
            for i, token in enumerate(sentence):
                rows.writerow([f"Sentence: {number}" if i == 0 else "", *token])


def write_corpus(directory):
    """Write the three files into a directory."""
    for split, sentences in corpus().items():
        write_csv(Path(directory) / FILES[split], sentences)


if __name__ == "__main__":
    argparse.ArgumentParser("python -m ner_data.sample", description=__doc__).parse_args()  # it has no flags
    write_corpus(Path(__file__).parent)
