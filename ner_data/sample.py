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



SIZES = {"train": 3700, "validation": 500, "test": 700}
FILES = {"train": "sample.csv", "validation": "sample_validation.csv", "test": "sample_test.csv"}
SEED = 2018
PLAIN_SHARE = 0.21  # of the sentences are drawn from the topic "plain", which holds no entity
KNOWN_SHARE = 0.30  # of the names' parts are drawn from the list that is open to every split
MAX_WORDS = 80
SLOT = re.compile(r"\{(\w+)\}")
WHOLE_SENTENCE = (".", "?", "!", ":")
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
    """{template id: pattern} of a split; an id is `split/topic/place`, and the frames are two topics of their own."""
    topics = {topic: lines.strip().splitlines() for topic, lines in TEMPLATES[split].items() if topic != "plain"} | {
        "plain": TEMPLATES[split]["plain"].strip().splitlines(),
        "frames": FRAMES[split].strip().splitlines(),
        "plain_frames": PLAIN_FRAMES[split].strip().splitlines(),
    }
    return {f"{split}/{topic}/{i}": line.strip() for topic, lines in topics.items() for i, line in enumerate(lines)}
