"""The report in headless Chromium, driven over chromedriver's HTTP interface: filters, requests, contrast, widths."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections import Counter

import pytest
from reported_runs import AUDIT, HISTORY, odd_sentences, random_sentences, written

from ner_eval.entity_errors import find_entities

CHROMIUM = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1200,900"),
)


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Browser:
    """A headless Chromium."""

    def __init__(self, port, profile):
        options = {"binary": CHROMIUM[0], "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.base = f"http://127.0.0.1:{port}/session"
        self.base += "/" + self.post("", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def post(self, path, body):
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), headers)
        with OPENER.open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, path):
        self.post("/url", {"url": path.as_uri()})

    def run(self, script):
        return self.post("/execute/sync", {"script": script, "args": []})

    def set(self, command, **values):
        self.post("/goog/cdp/execute", {"cmd": f"Emulation.{command}", "params": values})

    def log(self, kind):
        return self.post("/se/log", {"type": kind})

    def quit(self):
        OPENER.open(urllib.request.Request(self.base, method="DELETE"), timeout=60).close()


@pytest.fixture(scope="module")
def sentences():
    return odd_sentences()


@pytest.fixture(scope="module")
def report(sentences, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    written(folder, sentences, history=HISTORY, audit=AUDIT)
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not CHROMIUM or not shutil.which("chromedriver"):
        pytest.skip("needs chromium and chromedriver on PATH: apt-get install chromium chromium-driver")
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        port = next(found[1] for line in driver.stdout if (found := re.search(r"success.* on port (\d+)", line)))
        browser = Browser(port, tmp_path_factory.mktemp("profile"))
        yield browser
        browser.quit()
    finally:
        driver.terminate()
        driver.wait()
        driver.stdout.close()


@pytest.fixture
def opened(browser, report):
    browser.open(report)
    return browser


FOUND = "return document.getElementById('found').firstChild.textContent"
PLACES = "return [...document.querySelectorAll('#list .place')].map((place) => place.textContent)"


def choose(browser, field, value):
    event = "input" if field == "text" else "change"
    browser.run(
        f"const field = document.getElementById('{field}'); field.value = {json.dumps(value)};"
        f"field.dispatchEvent(new Event('{event}', {{ bubbles: true }}))"
    )


def click(browser, selector):
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def count_of(browser, kind):
    return browser.run(f"return document.querySelector('#kinds [value={kind}] + span b').textContent")


def test_filters_by_kind(opened, sentences):
    entities = find_entities(sentences)
    counts = Counter(one.kind for found in entities for one in found)
    for kind, count in counts.items():
        click(opened, f"#kinds [value={kind}]")
        there = sum(any(one.kind == kind for one in found) for found in entities)
        noun = "correct entities" if kind == "correct" else "errors"
        assert opened.run(FOUND) == f"{count} {noun} in {there} of 122 sentences"
        assert count_of(opened, kind) == str(count)
    click(opened, "#kinds [value=all]")
    assert opened.run(FOUND) == f"{sum(counts.values())} entities in 122 of 122 sentences"


def test_filters_by_type_and_text_together(opened, sentences):
    entities = find_entities(sentences)
    choose(opened, "text", "AB")
    choose(opened, "type", opened.run("return [...document.querySelectorAll('#type option')][2].value"))
    kept = [
        [one for one in found if "org" in (one.gold and one.gold.type, one.predicted and one.predicted.type)]
        for row, found in zip(sentences, entities, strict=True)
        if "ab" in " ".join(row["tokens"]).lower()
    ]
    wrong = [[one for one in found if one.kind != "correct"] for found in kept]
    assert opened.run(FOUND) == f"{sum(map(len, wrong))} errors in {sum(map(bool, wrong))} of 122 sentences"
    assert count_of(opened, "correct") == str(sum(one.kind == "correct" for found in kept for one in found))


def test_a_cell_of_the_confusion_shows_its_sentences(opened, sentences):
    found = [one for entities in find_entities(sentences) for one in entities]
    pairs = Counter((one.gold and one.gold.type or "", one.predicted and one.predicted.type or "") for one in found)
    cells = opened.run(
        "return [...document.querySelectorAll('.confusion button')].map((cell) => { cell.click(); const { gold,"
        "predicted } = cell.dataset; return [gold, predicted, Number(cell.textContent), parseInt(document"
        ".getElementById('found').textContent)] })"
    )
    assert {(gold, predicted): told for gold, predicted, _, told in cells} == pairs
    assert all(shown == told for _, _, shown, told in cells)
    click(opened, "#unpair")
    assert opened.run(FOUND).startswith(f"{len(found)} entities in 122 ")


def test_sorts_by_confidence(opened, sentences):
    entities = find_entities(sentences)

    def expected(sign, pick):
        errors = [[one.confidence for one in found if one.kind != "correct"] for found in entities]
        ranked = [(round(sign * pick(map(round_, part)), 3), place) for place, part in enumerate(errors) if part]
        return [f"sample.csv:{sentences[place]['row']}" for _, place in sorted(ranked)][:20]

    def round_(value):
        return round(value * 1000)

    assert opened.run(PLACES) == expected(0, max)
    choose(opened, "order", "high")
    assert opened.run(PLACES) == expected(-1, max)
    choose(opened, "order", "low")
    assert opened.run(PLACES) == expected(1, min)


def test_more_sentences_come_when_asked_for(opened):
    click(opened, "#kinds [value=all]")
    for shown in (20, 40, 60, 80, 100, 120, 122):
        assert len(opened.run(PLACES)) == shown
        click(opened, "#more")
    assert opened.run("return document.getElementById('more').hidden")


def test_a_sentence_is_shown_with_its_tags_its_errors_and_its_place(opened):
    choose(opened, "text", "<SCRIPT>alert(1)")
    shown = opened.run("return document.querySelector('#list li').innerText.split(/\\s+/).join(' ')")
    words = 'per <script>alert(1)</script> <!-- & geo "it\'s" =x'
    errors = 'missed <script>alert(1)</script> · per · 0.90 spurious & "it\'s" · geo · 0.75'
    assert shown == f"{words} sample.csv:7 {errors}"
    assert (
        opened.run("return document.querySelector('#list .word').lastChild.textContent") == "<script>alert(1)</script>"
    )


def test_no_error_on_the_console_and_no_request_leaves_the_page(browser, report):
    browser.log("browser"), browser.log("performance")
    browser.open(report)
    click(browser, "[data-kind=missed]")
    click(browser, "#theme")
    assert browser.log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    asked = {one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"}
    assert report.as_uri() in asked
    assert {url for url in asked if url != report.as_uri() and not url.startswith("data:")} == set()
    assert browser.run("return performance.getEntriesByType('resource').length") == 0


CONTRAST = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const paint = (colours) => {
  canvas.fillStyle = "white";
  canvas.fillRect(0, 0, 1, 1);
  for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  return canvas.getImageData(0, 0, 1, 1).data;
};
const luminance = ([r, g, b]) => {
  const linear = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
};
const least = {};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text; (text = walker.nextNode()); ) {
  const element = text.parentElement;
  if (!text.data.trim() || element.closest("script, noscript, option, title, .unseen, .zero, [hidden]")) continue;
  const behind = [];
  for (let one = element; one; one = one.parentElement) behind.unshift(getComputedStyle(one).backgroundColor);
  const style = getComputedStyle(element);
  const own = element instanceof SVGElement ? style.fill : style.color;
  const [high, low] = [paint(behind), paint([...behind, own])].map(luminance).sort((a, b) => b - a);
  const name = element.tagName + "." + element.className;
  least[name] = Math.min(least[name] ?? 99, (high + 0.05) / (low + 0.05));
}
return least;
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_has_a_contrast_of_4_5(browser, report, theme):
    browser.set("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    browser.open(report)
    for selector in ("#kinds [value=all]", "#more", "#more"):
        click(browser, selector)
    least = browser.run(CONTRAST)
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert {"SPAN.gold typed first last", "SPAN.predicted typed first last", "SPAN.right typed"} <= set(least)
    assert {name: ratio for name, ratio in least.items() if ratio < 4.5} == {}
    click(browser, "#theme")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") != background
    assert {name: ratio for name, ratio in browser.run(CONTRAST).items() if ratio < 4.5} == {}
    browser.set("setEmulatedMedia", features=[])


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_nothing_sticks_out_at_the_side(browser, report, width):
    browser.set("setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    browser.open(report)
    click(browser, "#kinds [value=all]")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.set("clearDeviceMetricsOverride")


def test_5000_sentences_stay_quick(browser, tmp_path):
    written(tmp_path, random_sentences(5000))
    browser.open(tmp_path / "report.html")
    took = browser.run(
        "const began = performance.now(); const text = document.getElementById('text');"
        "for (const value of ['a', 'ab', 'abc', '', 'zz'])"
        "{ text.value = value; text.dispatchEvent(new Event('input')) }"
        "return (performance.now() - began) / 5"
    )
    assert took < 500  # milliseconds a key; about 20 on an idle core
