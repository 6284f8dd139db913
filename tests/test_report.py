"""The report: one safe page of a bounded size with the right figures, and its command line."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from reported_runs import AUDIT, FACTS, HISTORY, odd_sentences, random_sentences, scores_of, sentence, written

from ner_eval.entity_errors import find_entities
from ner_eval.report import browser_data, main, read_run, write_report

ROOT = Path(__file__).parent.parent
PAIR = [sentence("Ada in Rome", "B-per O B-geo", "B-per O O"), sentence("so it is", "O O O", "B-org O O")]


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_both_splits_are_in_errors_csv_and_the_test_split_in_the_page(tmp_path):
    metrics = {"validation": scores_of(PAIR), "test": scores_of(PAIR[:1])}
    page = write_report(tmp_path, metrics, {"validation": PAIR, "test": PAIR[:1]}).read_text()
    assert len(data_of(page)["sentences"]) == 1 and "1 test sentences" in page
    splits = [line.split(",")[0] for line in (tmp_path / "errors.csv").read_text("utf-8-sig").splitlines()[1:]]
    assert Counter(splits) == {"validation": 2, "test": 1}


def test_without_a_test_split_the_page_says_that_validation_flatters(tmp_path):
    page = write_report(tmp_path, {"validation": scores_of(PAIR), "test": None}, {"validation": PAIR}).read_text()
    assert "they flatter" in page and len(data_of(page)["sentences"]) == 2
    with pytest.raises(ValueError, match="no scores with sentences"):
        write_report(tmp_path, {"test": None}, {"validation": PAIR})


def test_sentences_without_any_entity_make_a_report_too(tmp_path):
    page = written(tmp_path, [sentence("it rains", "O O", "O O", [0.9, 0.8])] * 3)
    assert "Which type was taken for which" not in page and "3 test sentences" in page


def test_lists_of_different_lengths_are_refused(tmp_path):
    one = {"tokens": ["a", "b"], "tags": ["O"], "predicted": ["O"]}
    with pytest.raises(ValueError, match="not as many tags as words"):
        write_report(tmp_path, {"test": scores_of(PAIR)}, {"test": [one]})


# the page

VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """Checks that every element is closed in its order; collects the attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.ids = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()


@pytest.fixture(scope="module")
def sentences():
    return odd_sentences()


@pytest.fixture(scope="module")
def report(sentences, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    written(folder, sentences, history=HISTORY, audit=AUDIT)
    return folder / "report.html"


def test_the_page_is_well_formed_and_loads_nothing(report):
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert len(page.ids) == len(set(page.ids))
    links = {value for _, name, value in page.attributes if name == "href"}
    assert links == {"data:,"} | {link for link in links if link.startswith("#") and link[1:] in page.ids}
    names = {name for _, name, _ in page.attributes}
    assert not names & {"src", "srcset", "action", "xlink:href", "onclick", "onload", "ping", "poster"}
    assert "url(" not in text and "@import" not in text and "://" not in text
    assert "default-src 'none'" in text


def test_words_of_the_corpus_stay_text(report, sentences):
    text = report.read_text(encoding="utf-8")
    assert "<script>alert" not in text and "<!--" not in text and "<b>twice" not in text
    assert text.count("</script>") == 2
    data = data_of(text)
    words = [part.split(" ") if isinstance(part, str) else part for part, *_ in data["sentences"]]
    assert words == [one["tokens"] for one in sentences]
    assert data["files"] == ["sample.csv"] and data["sentences"][0][2] == 7


def test_names_of_types_files_and_models_stay_text(tmp_path):
    one = {"tokens": ["a"], "tags": ["B-<kbd>&"], "predicted": ["B-<kbd>&"], "row": 1, "file": "</script><img src=x>"}
    metrics = {
        "test": scores_of([one]),
        "model": "<samp>",
        "training": {"<var>": "<var>"},
        "versions": {"<dfn>": "<dfn>"},
    }
    page = write_report(tmp_path, metrics, {"test": [one]}, audit=["<em>"]).read_text()
    Page(page)
    assert not re.search(r"<(kbd|img|samp|var|dfn|em)[ >]", page)


def test_size_of_5000_sentences(tmp_path):
    text = written(tmp_path, random_sentences(5000))
    assert len(data_of(text)["sentences"]) == 5000
    assert (tmp_path / "report.html").stat().st_size < 1_500_000


def test_the_size_is_bounded_whatever_the_sentences(tmp_path):
    sentences = random_sentences(1000)
    for one in sentences:
        one["tokens"] = [20 * word for word in one["tokens"]]
    text = written(tmp_path, sentences)
    kept = data_of(text)["sentences"]
    assert 2_000_000 < (tmp_path / "report.html").stat().st_size < 3_000_000
    assert f"{1000 - len(kept)} of them are not in this page" in text
    assert [row for _, _, row, _ in kept] == sorted(row for _, _, row, _ in kept)


def test_sentences_without_errors_are_left_out_first(monkeypatch):
    right = sentence("a b", "B-per O", "B-per O")
    wrong = sentence("c d", "B-per O", "O O")
    monkeypatch.setattr("ner_eval.report.MOST_DATA", 80)
    text, left_out = browser_data([right, right, wrong], find_entities([right, right, wrong]), {"per": 25})
    assert [words for words, *_ in json.loads(text)["sentences"]] == ["a b", "c d"] and left_out == 1


def test_figures_of_the_page(report, sentences):
    text = report.read_text(encoding="utf-8")
    scores = scores_of(sentences)
    names = {"F1": "f1", "Precision": "precision", "Recall": "recall", "Macro F1": "macro_f1", "Accuracy": "accuracy"}
    shown = re.findall(r"<dt>([\w ]+)</dt><dd><b>([\d.]+)</b>", text)[:5]
    assert shown == [(name, f"{scores[key]:.3f}") for name, key in names.items()]
    for ends in (scores["intervals"][key] for key in ("f1", "precision", "recall", "macro_f1")):
        assert f"{ends[0]:.3f} to {ends[1]:.3f}" in text
    assert "2,000 training words a second" in text and "torch 2.15.0" in text
    assert "Validation chose epoch 2." in text and "newest checkpoint" not in text
    kinds = re.findall(r'data-kind="(\w+)">\w+</button></th><td class="what">[^<]*</td><td>([\d,]+)</td>', text)
    assert dict(kinds) == {kind: f"{count:,}" for kind, count in scores["errors"].items() if kind != "correct"}


def test_every_optional_key_may_be_absent(tmp_path):
    metrics = {"test": {"f1": 0.5}}
    page = write_report(tmp_path, metrics, {"test": [sentence("a b", "B-per O", "O O")]}).read_text()
    Page(page)
    ids = set(re.findall(r'href="#(\w+)"', page))
    assert ids == {"overview", "run", "sentences"}
    assert data_of(page)["files"] == [None]


def test_the_same_run_gives_the_same_bytes_and_no_scraps(report, sentences, tmp_path):
    written(tmp_path, sentences, history=HISTORY, audit=AUDIT)
    assert (tmp_path / "report.html").read_bytes() == report.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["errors.csv", "report.html"]


# the command line


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    rows = random_sentences(5)
    (folder / "metrics.json").write_text(json.dumps(FACTS | {"test": scores_of(rows), "validation": None}))
    (folder / "test_predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_the_command_line_writes_both_files(run_dir, capsys):
    for step in (5, 40, 100):
        (run_dir / f"checkpoint-{step}").mkdir()
        state = {"log_history": [{"epoch": 1.0, "loss": step}]}
        (run_dir / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps(state))
    assert main([str(run_dir)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{run_dir / 'report.html'} (") and out.endswith(f" and {run_dir / 'errors.csv'}\n")
    assert read_run(run_dir)[2] == [{"epoch": 1.0, "loss": 100}]
    assert "The curves end at the newest checkpoint." in (run_dir / "report.html").read_text()


def spoil(name, text):
    return lambda folder: (folder / name).write_text(text)


GOOD = '{"tokens": ["a"], "tags": ["O"], "predicted": ["O"]}\n'
LINES = "test_predictions.jsonl"


@pytest.mark.parametrize(
    "mistake, says",
    [
        (shutil.rmtree, "metrics.json: no such file"),
        (lambda folder: (folder / LINES).unlink(), "no predictions with scores"),
        (spoil("metrics.json", "{"), "metrics.json: not JSON"),
        (spoil("metrics.json", "[1]"), "metrics.json: not a JSON object, [1]"),
        (spoil("metrics.json", "{}"), "no predictions with scores"),
        (spoil(LINES, GOOD + "{"), f"{LINES}:2: not JSON"),
        (spoil(LINES, GOOD + "[]"), f"{LINES}:2: not a sentence with `tokens`, []"),
        (spoil(LINES, GOOD.replace('["O"]', '["O", "O"]', 1)), f"{LINES}:1: `tags` is not a list with a value for"),
        (spoil(LINES, GOOD.replace('["a"]', "[1]")), f"{LINES}:1: `tokens` is not a list with a value for each word"),
        (spoil(LINES, GOOD.replace('"O"', '"X-y"', 1)), f"{LINES}:1: tag 'X-y' is neither O, nor B- or I- and a type"),
        (
            spoil(LINES, GOOD[:-2] + ', "confidence": 1}'),
            f"{LINES}:1: `confidence` is not a list with a value for each",
        ),
        (spoil(LINES, ""), f"{LINES}:1: the file is empty"),
        (lambda folder: (folder / "report.html").mkdir(), "cannot be written (Is a directory)"),
    ],
)
def test_mistakes_are_told_in_one_line(run_dir, capsys, mistake, says):
    mistake(run_dir)
    assert main([str(run_dir)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("ner_eval.report: ") and says in err and err.count("\n") == 1


@pytest.mark.parametrize("argv", [[], ["--nothing"], ["a", "b"]])
def test_wrong_arguments_are_told_in_one_line(argv, capsys):
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith("ner_eval.report: ") and err.count("\n") == 1


def test_torch_is_not_imported(run_dir):
    code = f"import sys; from ner_eval.report import main; main([{str(run_dir)!r}]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
