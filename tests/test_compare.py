"""Comparing runs: p-values and intervals with known answers, and runs that must not be compared."""

import json

import numpy as np
import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from ner_data import InputError
from ner_eval.compare import compare_runs, main, p_value, text

WORDS = ["Angela", "Merkel", "visited", "Paris"]
GOLD = ["B-per", "I-per", "O", "B-geo"]


def write_run(directory, predicted, tokens=None, gold=None):
    """A run's directory with predictions: a list of tags per sentence."""
    directory.mkdir()
    tokens = tokens or [WORDS] * len(predicted)
    gold = gold or [GOLD] * len(predicted)
    rows = zip(tokens, gold, predicted, range(2, 1000), strict=False)
    lines = (json.dumps({"tokens": t, "tags": g, "predicted": p, "row": row}) for t, g, p, row in rows)
    (directory / "test_predictions.jsonl").write_text("\n".join(lines) + "\n")
    return str(directory)


def noisy(seed, share, sentences=120):
    rng = np.random.default_rng(seed)
    return [[tag if rng.random() > share else "O" for tag in GOLD] for _ in range(sentences)]


def test_one_run_against_itself_is_no_difference(tmp_path):
    run = write_run(tmp_path / "a", noisy(0, 0.3))
    result = compare_runs([run], [run])
    assert (result["difference"], result["interval"], result["p"]) == (0.0, [0.0, 0.0], 1.0)
    assert result["a"]["deviation"] is None and result["sentences"] == 120


def test_a_clear_difference_is_found_and_changes_sign_with_the_sides(tmp_path):
    tags = noisy(1, 0.1), noisy(2, 0.4)
    good, bad = (write_run(tmp_path / name, part) for name, part in zip("ab", tags, strict=True))
    result, turned = compare_runs([good], [bad]), compare_runs([bad], [good])
    scores = [f1_score([GOLD] * 120, part, mode="strict", scheme=IOB2) for part in tags]
    assert (result["a"]["f1"], result["b"]["f1"]) == ([scores[0]], [scores[1]])
    assert result["difference"] == scores[0] - scores[1] == -turned["difference"]
    assert result["interval"] == pytest.approx([-limit for limit in turned["interval"][::-1]])
    assert 0 < result["interval"][0] < result["difference"] < result["interval"][1]
    assert result["p"] == turned["p"] == 2 / 10_001
    assert compare_runs([good], [bad]) == result
    assert compare_runs([good], [bad], seed=1)["interval"] != result["interval"]


def test_pairing_sees_what_two_intervals_do_not(tmp_path):
    """B makes A's mistakes and a few more: the scores' own intervals overlap, their difference is certain."""
    tags = noisy(3, 0.3)
    worse = [list(sentence) for sentence in tags]
    for sentence in worse[::10]:
        sentence[:] = ["O"] * 4
    a, b = write_run(tmp_path / "a", tags), write_run(tmp_path / "b", worse)
    assert compare_runs([a], [b])["p"] < 0.01


def test_two_draws_of_the_same_system_seldom_differ(tmp_path):
    """Under no difference the p-value is about uniform: a tenth of the pairs fall under 0.1."""
    runs = [write_run(tmp_path / str(seed), noisy(seed, 0.3, 60)) for seed in range(60)]
    pairs = zip(runs[::2], runs[1::2], strict=True)
    values = np.array([compare_runs([a], [b], resamples=500)["p"] for a, b in pairs])
    assert (values < 0.1).mean() < 0.25 and 0.3 < values.mean() < 0.7


def test_several_runs_on_a_side_give_mean_and_deviation(tmp_path):
    side_a = [write_run(tmp_path / f"a{seed}", noisy(seed, 0.2)) for seed in range(3)]
    side_b = [write_run(tmp_path / f"b{seed}", noisy(seed + 10, 0.3)) for seed in range(2)]
    result = compare_runs(side_a, side_b)
    scores = [compare_runs([run], [run], resamples=1)["a"]["f1"][0] for run in side_a]
    assert result["a"]["f1"] == scores
    assert result["a"]["mean"] == pytest.approx(np.mean(scores))
    assert result["a"]["deviation"] == pytest.approx(np.std(scores, ddof=1))
    assert result["difference"] == result["a"]["mean"] - result["b"]["mean"]
    assert result["interval"][0] < result["difference"] < result["interval"][1]


def test_p_values_with_known_answers():
    assert p_value(np.array([1.0] * 99)) == 0.02
    assert p_value(np.array([-1.0] * 99)) == 0.02
    assert p_value(np.array([1.0] * 94 + [-1.0] * 5)) == 0.12
    assert p_value(np.zeros(99)) == 1.0


@pytest.mark.parametrize("sentences", [1, 5])
def test_the_same_difference_everywhere_has_neither_interval_nor_p(sentences, tmp_path):
    a = write_run(tmp_path / "a", [GOLD] * sentences)
    result = compare_runs([a], [write_run(tmp_path / "b", [["O"] * 4] * sentences)])
    assert (result["difference"], result["interval"], result["p"], result["differing"]) == (1.0, None, None, sentences)
    last, warning = text(result).splitlines()[-2:]
    assert last == "A - B +1.0000; no interval and no p, since every resample has the same difference"
    assert warning.startswith(f"the runs differ in {sentences} sentence") and "too few" in warning


def test_few_sentences_that_differ_are_remarked_upon(tmp_path):
    a = write_run(tmp_path / "a", [GOLD] * 20)
    for number in (5, 6):
        b = write_run(tmp_path / str(number), [["O"] * 4] * number + [GOLD] * (20 - number))
        result = compare_runs([a], [b])
        assert result["differing"] == number and result["p"] < 0.05
        assert ("the runs differ in 5 sentences only: too few" in text(result)) == (number == 5)


@pytest.mark.parametrize(
    ("tokens", "gold", "message"),
    [
        ([WORDS, ["Angela", "Merkel", "visited", "Rome"]], None, "Rome/B-geo'"),
        (None, [GOLD, ["B-per", "I-per", "O", "O"]], "Angela/B-per Merkel/I-per visited Paris'"),
        ([WORDS, [*WORDS, "again"]], [GOLD, [*GOLD, "O"]], "Paris/B-geo again'"),
        ([WORDS, WORDS, WORDS], [GOLD, GOLD, GOLD], "Paris/B-geo'"),
    ],
)
def test_runs_over_different_sentences_are_refused(tmp_path, tokens, gold, message):
    a = write_run(tmp_path / "a", [GOLD, GOLD])
    predicted = [["O"] * len(sentence) for sentence in tokens or gold]
    b = write_run(tmp_path / "b", predicted, tokens, gold)
    with pytest.raises(InputError, match="different test sentences") as error:
        compare_runs([a], [b])
    assert f"{a}/test_predictions.jsonl:2 and {b}/test_predictions.jsonl:" in str(error.value)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_sentence_breaks_must_be_the_same(tmp_path):
    a = write_run(tmp_path / "a", [GOLD, GOLD])
    b = write_run(
        tmp_path / "b",
        [GOLD[:3], [*GOLD[3:], *GOLD]],
        [WORDS[:3], [*WORDS[3:], *WORDS]],
        [GOLD[:3], [*GOLD[3:], *GOLD]],
    )
    with pytest.raises(InputError, match="different test sentences"):
        compare_runs([a], [b])


def test_the_command_line(tmp_path, capsys):
    a, b = write_run(tmp_path / "a", noisy(1, 0.1)), write_run(tmp_path / "b", noisy(2, 0.4))
    assert main([a, f"{b}/test_predictions.jsonl", "--resamples", "200"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("A  F1 0.") and out[2].startswith("A - B +0.") and out[3].startswith("p 0.0100: two-sided")
    assert main(["--side_a", a, a, "--side_b", b, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (result["a"]["deviation"], result["b"]["deviation"], err) == (0.0, None, "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["{a}"], "1 run: give two"),
        (["{a}", "{a}", "--side_a", "{a}"], ": given beside --side_a or --side_b; give two runs, or these"),
        (["{a}", "/nowhere"], "/nowhere: no such file, give the directory of a finished run"),
        (["{a}", "{a}/.."], "no such file"),
        (["{a}", "{a}", "--resamples", "0"], "--resamples 0: give 1 or more"),
        (["{a}", "{a}", "--seed", "x"], "--seed: invalid int value: 'x'"),
        (["{a}", "{csv}"], "not the predictions of a run"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, capsys, argv, message):
    a = write_run(tmp_path / "a", [GOLD])
    (tmp_path / "b.csv").write_text("Word,Tag\nParis,B-geo\n")
    assert main([part.format(a=a, csv=tmp_path / "b.csv") for part in argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("ner_eval.compare: ") and message in err and err.count("\n") == 1
