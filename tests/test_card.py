"""What the model card tells, line by line, and what it leaves out; its front matter and code: test_publish.py."""

import copy
import json

import pytest
from huggingface_hub import ModelCard

from ner_eval.card import WIDGET, write_card

LABELS = ["O", "B-geo", "I-geo", "B-per", "I-per", "B-tim", "I-tim"]
SCORES = {
    **{"precision": 0.8, "recall": 0.7, "f1": 0.7467, "accuracy": 0.95, "loss": 0.21},
    **{"macro_precision": 0.71, "macro_recall": 0.61, "macro_f1": 0.65, "sentences": 1010, "words": 20001},
    "per_type": {
        "geo": {"precision": 0.81, "recall": 0.72, "f1": 0.7624, "support": 1234},
        "per": {"precision": 1.0, "recall": 0.5, "f1": 0.6667, "support": 3},
    },
    "intervals": {
        **{"f1": [0.73, 0.76123], "macro_f1": [0.5, 0.7], "precision": [0.79, 0.81], "recall": [0.69, 0.71]},
        **{"level": 0.95, "resamples": 1000, "per_type": {"geo": [0.75, 0.77]}},
    },
    "seen": {
        "same_type": {"precision": 0.9, "recall": 0.85, "f1": 0.8743, "correct": 765, "gold": 900, "predicted": 850},
        "other_type": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "correct": 0, "gold": 7, "predicted": 0},
        "never": {"precision": 0.5, "recall": 0.25, "f1": 0.3333, "correct": 82, "gold": 330, "predicted": 165},
    },
    "errors": {"correct": 847, "boundary": 20, "type": 1200, "both": 0, "spurious": 5, "missed": 6},
    "calibration": {"entities": 2072, "confidence": 0.9, "precision": 0.8, "ece": 0.1234, "bins": []},
    "joins": {"beside": {"words": 40, "accuracy": 0.9}, "elsewhere": {"words": 19961, "accuracy": 0.951}},
    **{"decoding": "viterbi", "words_changed": 1506},
}
METRICS = {
    **{"model": "scratch", "dataset": "sample.csv", "labels": LABELS, "test": SCORES, "validation": None},
    **{"sentences": {"train": 8000}, "words": {"train": 160000}},
    "audit": ["train: 8,000 sentences", "findings: 2 <b>|x|</b> `tags`\n# not a heading"],
}
CONFIG = {"ner_words": "treebank", "ner_decoding": "viterbi", "ner_max_length": 75, "ner_stride": 16}


def body(directory, metrics=METRICS, config=CONFIG):
    """The card's text below the front matter."""
    if config is not None:
        (directory / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    path = write_card(directory, metrics, model_name="my-ner", hub_model_id="me/x", dataset_name="sample.csv")
    return path.read_text(encoding="utf-8").split("\n---\n", 1)[1]


def section(text, title):
    """The lines of a section that are not empty, or None."""
    parts = {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in text.split("\n## ")[1:]}
    return [line for line in parts[title].splitlines() if line] if title in parts else None


def without(*keys):
    metrics = copy.deepcopy(METRICS)
    for key in keys:
        del metrics["test"][key]
    return metrics


def test_intervals_stand_beside_the_strict_figures(tmp_path):
    text = body(tmp_path)
    assert "Strict F1 on the test split: 0.7467 (95% interval 0.7300–0.7612)." in text
    assert section(text, "Scores by entity type")[3:] == [
        "| geo | 0.8100 | 0.7200 | 0.7624 (0.7500–0.7700) | 1,234 |",
        "| per | 1.0000 | 0.5000 | 0.6667 | 3 |",
    ]
    rows = section(text, "Overall")
    assert rows[2:10] == [
        "| Precision | 0.8000 (0.7900–0.8100) |",
        "| Recall | 0.7000 (0.6900–0.7100) |",
        "| F1 | 0.7467 (0.7300–0.7612) |",
        "| Macro precision | 0.7100 |",
        "| Macro recall | 0.6100 |",
        "| Macro F1 | 0.6500 (0.5000–0.7000) |",
        "| Accuracy | 0.9500 |",
        "| Loss | 0.2100 |",
    ]
    assert rows[-1].endswith(" In brackets: 95% intervals of the bootstrap over sentences (1,000 resamples).")


def test_seen_and_unseen_entities(tmp_path):
    assert section(body(tmp_path), "Seen and unseen entities")[1:] == [
        "| In the training data | Precision | Recall | F1 | Support |",
        "| :-- | --: | --: | --: | --: |",
        "| as an entity of this type | 0.9000 | 0.8500 | 0.8743 | 900 |",
        "| as an entity of other types only | 0.0000 | 0.0000 | 0.0000 | 7 |",
        "| never as an entity | 0.5000 | 0.2500 | 0.3333 | 330 |",
    ]


def test_the_label_scheme_has_its_support_and_types_that_the_split_lacks(tmp_path):
    assert section(body(tmp_path), "Labels") == [
        "BIO (IOB2), 7 labels: O outside of entities, B- on the first word of an entity and I- on its other words. "
        "Types, with their entities in the test split: geo (1,234), per (3) and tim (0)."
    ]
    (line,) = section(body(tmp_path, without("per_type")), "Labels")
    assert line.endswith("test split: geo (–), per (–) and tim (–).")


def test_the_limits_are_measured(tmp_path):
    assert section(body(tmp_path), "Limits") == [
        "- Trained on 8,000 sentences of sample.csv and judged on the 1,010 of the test split.",
        "- Recall is 0.2500 on the 330 entities whose words training never shows as an entity, 0.8500 on the 900 that "
        "it shows with the same type.",
        "- Lowest F1 by type: per 0.6667 (support 3).",
        "- Errors in entities of the test split: 6 missed, 5 spurious, 1,200 of the wrong type and 20 with wrong "
        "boundaries.",
        "- Expected calibration error 0.1234: the 2,072 predicted entities have a mean confidence of 0.9000 and a "
        "precision of 0.8000.",
        "- Long sentences: accuracy 0.9000 on the 40 words beside a join of two windows, 0.9510 elsewhere.",
    ]


def test_nothing_is_said_of_what_was_not_measured(tmp_path):
    text = body(tmp_path, without("seen", "errors", "calibration", "joins", "intervals", "words_changed"))
    assert len(section(text, "Limits")) == 2
    assert section(text, "Seen and unseen entities") is None and "interval" not in text and "changed" not in text
    empty = copy.deepcopy(METRICS)
    empty["test"]["joins"]["beside"] = {"words": 0, "accuracy": None}
    empty["test"]["seen"]["never"] = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "gold": 0, "predicted": 0}
    limits = "".join(section(body(tmp_path, empty), "Limits"))
    assert "join" not in limits and "Recall" not in limits
    text = body(tmp_path, {"test": {"f1": 0.5}})
    assert section(text, "Limits") is None and section(text, "The corpus, as audited before training") is None


def test_the_audit_is_told_and_escaped(tmp_path):
    assert section(body(tmp_path), "The corpus, as audited before training") == [
        "- train: 8,000 sentences",
        r"- findings: 2 &lt;b&gt;\|x\|&lt;/b&gt; \`tags\` \# not a heading",
    ]


def test_how_it_reads_text_comes_from_its_config(tmp_path):
    assert section(body(tmp_path), "How it reads text") == [
        "- Words (treebank): as in the Penn Treebank, abbreviations, numbers and hyphenated words are whole; all other "
        "punctuation, 's and n't stand apart.",
        "- Decoding (viterbi): the labels of a sentence are the best sequence that is legal BIO. Against argmax, this "
        "changed 1,506 words of the test split.",
        "- Windows: of at most 75 subwords, with 16 words of context on each side of a join; longer text is read in "
        "several.",
    ]
    assert "differ: it takes the best label word by word, it cuts" in body(tmp_path)
    weighed = METRICS | {"test": SCORES | {"transition_weight": 0.3}}
    assert (
        "legal BIO. Which tag followed which in training has the weight 0.3, chosen on validation. Against argmax"
        in (section(body(tmp_path, weighed), "How it reads text")[1])
    )
    assert section(body(tmp_path, config={"ner_words": "<i>", "ner_decoding": "argmax"}), "How it reads text") == [
        "- Words (&lt;i&gt;).",
        "- Decoding (argmax): each word gets its own best label.",
    ]
    assert "differ: it cuts text" in body(tmp_path, config=None)


@pytest.mark.parametrize("config", [None, "{", "[]", {}])
def test_without_settings_none_are_told(tmp_path, config):
    assert section(body(tmp_path, config=config), "How it reads text") is None


def test_the_settings_that_the_card_explains_are_all_there_are():
    from ner_eval import card
    from ner_eval.decode import DECODINGS
    from ner_eval.surfaces import SEEN
    from ner_eval.word_rules import RULES

    assert (set(card.WORDS), set(card.DECODING), tuple(card.SEEN)) == (set(RULES), set(DECODINGS), SEEN)


def test_the_widget_has_its_examples_and_the_recipes_lines_are_there(tmp_path):
    text = body(tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.widget == [{"text": one} for one in WIDGET]
    start = text.index("~~~python\n")
    assert text[start : text.index("\n~~~\n", start)].splitlines()[1:] == [
        "from ner_eval.recognizer import Recognizer",
        'print(Recognizer(ner.model.name_or_path)("Angela Merkel visited Paris on Monday.")["spans"])',
    ]
    assert "The pipeline comes nearest when it is called on the words of a sentence: `ner(words, is_" in text
