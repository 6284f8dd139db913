"""Scores: exact figures, and the mistakes of the 2018 recipe pinned."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import evaluate
import numpy as np
import pyarrow as pa
import pytest

from ner_data.labels import IGNORED
from ner_eval import score as scoring
from ner_eval.score import ComputeMetrics, beside_joins, main, score, score_files, table
from ner_eval.seqeval_metric import StrictSeqeval

ROOT = Path(__file__).resolve().parent.parent

NAMES = ["O", "B-geo", "I-geo", "B-per", "I-per"]


def prediction(gold, predicted, shuffle=False):
    """What NerTrainer returns for sentences of label ids, in one batch with padding."""
    words = max(map(len, gold))
    labels = np.full((len(gold), words), IGNORED)
    rows = np.full((len(gold), words, len(NAMES)), float(IGNORED))
    for k, (g, p) in enumerate(zip(gold, predicted, strict=True)):
        labels[k, : len(g)] = g
        rows[k, : len(g)] = np.log(0.1 / 4)
        rows[k, np.arange(len(p)), p] = np.log(0.9)
    order = np.random.default_rng(0).permutation(len(gold)) if shuffle else np.arange(len(gold))
    meta = labels[order], np.arange(len(gold))[order], np.zeros(len(gold), int)
    return SimpleNamespace(predictions=[rows[order]], label_ids=[meta])


GOLD = [[3, 4, 0, 1, 0], [1, 2], [0, 0, 3]]
PREDICTED = [[3, 4, 0, 1, 1], [1, 0], [0, 0, 3]]  # 3 right of 5 predicted, 4 gold


@pytest.mark.parametrize("shuffle", [False, True])
def test_exact_figures(shuffle):
    scored = score(prediction(GOLD, PREDICTED, shuffle), NAMES)
    scores = scored.scores
    assert scores["precision"] == 3 / 5 and scores["recall"] == 3 / 4
    assert scores["f1"] == pytest.approx(2 * 0.6 * 0.75 / 1.35)
    assert scores["per_type"]["per"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2}
    assert scores["per_type"]["geo"] == {"precision": 1 / 3, "recall": 1 / 2, "f1": pytest.approx(0.4), "support": 2}
    assert scores["macro_f1"] == pytest.approx(0.7)
    assert scores["accuracy"] == 8 / 10
    assert scores["loss"] == pytest.approx(-(8 * np.log(0.9) + 2 * np.log(0.025)) / 10)
    assert (scores["sentences"], scores["words"]) == (3, 10)
    assert scored.gold[1] == ["B-geo", "I-geo"] and scored.predicted[1] == ["B-geo", "O"]


def test_epoch_figures_are_the_final_figures():
    flat = ComputeMetrics(NAMES)(prediction(GOLD, PREDICTED))
    scores = score(prediction(GOLD, PREDICTED), NAMES).scores
    assert flat == {name: value for name, value in scores.items() if name != "per_type"}


@pytest.mark.parametrize("change", [{"f1": 0.6}, {"per_type": {}}, {"accuracy": 0.800001}])
def test_figures_that_are_not_seqevals_are_told(change, monkeypatch):
    counted = scoring.span_scores
    monkeypatch.setattr(scoring, "span_scores", lambda *given: counted(*given) | change)
    with pytest.warns(UserWarning, match=f"^seqeval and span_counts differ in {next(iter(change))}: please report$"):
        scores = score(prediction(GOLD, PREDICTED), NAMES).scores
    assert scores["f1"] == pytest.approx(2 / 3)  # seqeval's


def test_original_mistake_precision_and_recall_are_not_swapped():
    """`f1_score(predictions, gold)`: the 2018 recipe's arguments; precision and recall changed places."""
    scores = score(prediction([[1, 0, 3, 0]], [[1, 0, 0, 0]]), NAMES).scores
    assert (scores["precision"], scores["recall"]) == (1.0, 0.5)


def test_original_mistake_entities_do_not_run_across_sentences():
    """Flattened together, `B-per | I-per` of two sentences became one entity."""
    scores = score(prediction([[0, 3], [3, 0]], [[0, 3], [4, 0]]), NAMES).scores
    assert (scores["precision"], scores["recall"]) == (1.0, 0.5)


def test_original_mistake_padding_is_not_a_correct_word():
    """75 padded positions, most of them `O` on `O`: accuracy near 1 for a model that says `O`."""
    scores = score(prediction([[1, 2, 1], [0] * 5], [[0, 0, 0], [0] * 5]), NAMES).scores
    assert scores["accuracy"] == 5 / 8 and scores["words"] == 8


def test_strict_mode_wants_a_beginning():
    assert score(prediction([[3, 4]], [[4, 4]]), NAMES).scores["f1"] == 0.0


def test_constant_and_perfect_predictors():
    constant = score(prediction(GOLD, [[0] * len(g) for g in GOLD]), NAMES).scores
    assert (constant["f1"], constant["precision"], constant["recall"]) == (0.0, 0.0, 0.0)
    assert score(prediction(GOLD, GOLD), NAMES).scores["f1"] == 1.0


def test_without_entities_the_scores_are_zero_and_nothing_fails():
    scores = score(prediction([[0, 0]], [[0, 0]]), NAMES).scores
    assert (scores["f1"], scores["accuracy"], scores["per_type"]) == (0.0, 1.0, {})
    assert "entity type" in table(scores)


def test_evaluate_loads_the_module_offline_and_agrees_with_the_class():
    tags = {"predictions": [["B-per", "O", "B-geo"]], "references": [["B-per", "O", "O"]]}
    loaded = evaluate.load(str(ROOT / "ner_eval" / "seqeval_metric.py"))
    assert loaded.compute(**tags) == StrictSeqeval(keep_in_memory=True).compute(**tags)


def test_the_table_shows_every_type_and_its_support():
    lines = table(score(prediction(GOLD, PREDICTED), NAMES).scores).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["geo", "per", "micro", "macro"]
    assert lines[1].split() == ["geo", "0.3333", "0.5000", "0.4000", "2"]
    assert lines[3].split() == ["micro", "0.6000", "0.7500", "0.6667", "4"]


# beyond the headline

TOKENS = ["Angela Merkel in Paris today".split(), "New York".split(), "he saw Angela".split()]


def sentences(tokens, ids):
    tags = [[NAMES[label] for label in row] for row in ids]
    return pa.table({"tokens": tokens, "tags": tags, "row": [2 + 10 * k for k in range(len(ids))]})


def detailed(**others):
    return score(prediction(GOLD, PREDICTED), NAMES, sentences=sentences(TOKENS, GOLD), **others)


def test_further_scores_stand_beside_the_headline():
    plain, scores = score(prediction(GOLD, PREDICTED), NAMES).scores, detailed().scores
    assert {key: scores[key] for key in plain} == plain
    assert set(scores) - set(plain) == {
        *("reading", "lenient", "semeval", "errors", "confusion", "surface", "intervals", "calibration", "joins"),
        *("decoding", "transition_weight", "words_changed"),
    }
    assert scores["errors"] == {"correct": 3, "boundary": 1, "type": 0, "both": 0, "spurious": 1, "missed": 0}
    assert scores["semeval"]["type"]["f1"] == pytest.approx(2 * 0.8 / 1.8)
    assert scores["surface"]["correct"] == 3 and scores["surface"]["gold"] == 4
    assert scores["confusion"] == {"types": ["geo", "per"], "counts": [[2, 0, 0], [0, 2, 0], [1, 0, 0]]}
    assert scores["intervals"]["f1"][0] <= scores["f1"] <= scores["intervals"]["f1"][1]
    assert scores["calibration"]["entities"] == 5
    assert scores["calibration"]["confidence"] == pytest.approx((4 * 0.9 + 0.81) / 5)
    assert scores["joins"] == {"beside": {"words": 0, "accuracy": None}, "elsewhere": {"words": 10, "accuracy": 0.8}}
    json.dumps(scores, allow_nan=False)


def test_the_confidence_of_every_word_is_its_tags_probability():
    exact = prediction(GOLD, PREDICTED)
    exact.predictions[0] -= 1e-9
    confidence = score(exact, NAMES, sentences=sentences(TOKENS, GOLD)).confidence
    assert [len(row) for row in confidence] == [5, 2, 3]
    assert set(sum(confidence, [])) == {0.9}  # six digits


def test_seen_and_unseen_need_the_training_sentences():
    assert "seen" not in detailed().scores
    seen = detailed(training=sentences([["Paris", ",", "Angela"]], [[1, 0, 1]])).scores["seen"]
    gold = {name: row["gold"] for name, row in seen.items()}
    assert gold == {"same_type": 1, "other_type": 1, "never": 2}
    assert seen["other_type"]["recall"] == 1.0 and seen["never"]["recall"] == 0.5


def test_intervals_follow_the_seed():
    assert detailed().scores == detailed().scores
    assert detailed(resamples=50, seed=3).scores["intervals"]["seed"] == 3
    assert "intervals" not in detailed(resamples=0).scores


def test_viterbi_is_scored_and_its_changes_are_counted():
    broken = [[3, 4, 0, 1, 0], [2, 2], [0, 0, 3]]
    argmax = score(prediction(GOLD, broken), NAMES, sentences=sentences(TOKENS, GOLD))
    viterbi = score(prediction(GOLD, broken), NAMES, "viterbi", sentences=sentences(TOKENS, GOLD))
    assert argmax.predicted[1] == ["I-geo", "I-geo"] and viterbi.predicted[1] == ["B-geo", "I-geo"]
    assert (argmax.scores["decoding"], argmax.scores["words_changed"]) == ("argmax", 0)
    assert (viterbi.scores["decoding"], viterbi.scores["words_changed"]) == ("viterbi", 1)
    assert viterbi.scores["transition_weight"] == 0
    assert argmax.scores["recall"] == 0.75 and argmax.scores["lenient"]["recall"] == 1.0
    assert viterbi.scores["f1"] == viterbi.scores["lenient"]["f1"] == 1.0
    assert ComputeMetrics(NAMES, "viterbi")(prediction(GOLD, broken))["f1"] == 1.0
    assert ComputeMetrics(NAMES)(prediction(GOLD, broken))["f1"] < 1.0


def test_words_beside_a_join():
    """Three sentences in five windows, in any order: joins before word 3 and 5 of the first, before 1 of the last."""
    windows = np.array([[0, 0], [4, 1], [0, 5], [4, 0], [2, 0], [0, 3]])  # sentence, first word; 2 of 3 sentences cut
    label_ids = [(None, windows[:4, 0], windows[:4, 1]), (None, windows[4:, 0], windows[4:, 1])]
    label_ids = [(np.zeros(1), *part[1:]) for part in label_ids]
    offsets = np.array([0, 7, 8, 10])
    assert np.flatnonzero(beside_joins(label_ids, offsets)).tolist() == [2, 3, 4, 5, 8, 9]


def test_sentences_of_another_split_are_refused():
    with pytest.raises(ValueError, match="2 tokens, but 10 labels"):
        score(prediction(GOLD, PREDICTED), NAMES, sentences=sentences(TOKENS[1:2], GOLD[1:2]))


def test_a_shuffled_predictor_is_worth_nothing():
    rng = np.random.default_rng(0)
    gold = [rng.choice([0, 0, 0, 0, 0, 0, 1, 3], 20).tolist() for _ in range(400)]
    shuffled = rng.permutation(np.concatenate(gold)).reshape(400, 20).tolist()
    assert score(prediction(gold, shuffled), NAMES).scores["f1"] < 0.2  # by chance 0.125
    assert score(prediction(gold, gold), NAMES).scores["f1"] == 1.0


# python -m ner_eval.score


@pytest.fixture
def predictions_file(tmp_path):
    """What a run leaves behind, with a calibrated-looking confidence."""
    scored = detailed(training=sentences([["Paris", ",", "Angela"]], [[1, 0, 1]]))
    rows = zip(sentences(TOKENS, GOLD).to_pylist(), scored.predicted, scored.confidence, strict=True)
    lines = [json.dumps(row | {"predicted": tags, "confidence": confidence}) for row, tags, confidence in rows]
    path = tmp_path / "test_predictions.jsonl"
    path.write_text("\n".join(lines) + "\n")
    (tmp_path / "train.conll").write_text("Paris B-geo\n, O\nAngela B-geo\n")
    return path, scored


def test_figures_from_the_file_are_those_of_the_run_to_the_last_digit(predictions_file):
    path, scored = predictions_file
    from_file = score_files(path, train_file=path.parent / "train.conll", say=lambda _: None)
    only_in_the_run = {"loss", "joins", "decoding", "transition_weight", "words_changed"}
    assert from_file == {key: value for key, value in scored.scores.items() if key not in only_in_the_run}


def test_two_files_of_other_formats_give_the_same_figures(predictions_file, tmp_path):
    path, _ = predictions_file
    columns = [[(w, NAMES[t]) for w, t in zip(*row, strict=True)] for row in zip(TOKENS, PREDICTED, strict=True)]
    (tmp_path / "p.conll").write_bytes("\r\r".join("\r".join(map("\t".join, rows)) for rows in columns).encode())
    (tmp_path / "p.csv").write_text(
        "Word;Tag\n" + "\n".join(";".join(pair) for rows in columns for pair in rows) + "\n"
    )
    (tmp_path / "p.out").write_text("\n".join("  ".join(pair) for rows in columns for pair in rows) + "\n")
    whole = score_files(path, say=lambda _: None)
    whole.pop("calibration")  # files of tags hold no probabilities
    for name in ("p.conll", "p.csv", "p.out"):  # CR, semicolons, spaces; the last two without sentence breaks
        assert score_files(path, tmp_path / name, say=lambda _: None) == whole, name


def run_main(capsys, *argv):
    code = main([str(part) for part in argv])
    return code, *capsys.readouterr()


def test_formats_of_the_output(predictions_file, capsys):
    path, _ = predictions_file
    code, out, _ = run_main(capsys, path)
    assert code == 0 and out.splitlines()[3].split() == ["micro", "0.6000", "0.7500", "0.6667", "4"]
    assert "SemEval-2013 partial" in out and "1 boundary, 0 type, 0 both, 1 spurious, 0 missed" in out
    code, out, _ = run_main(capsys, path, "--format", "json")
    assert code == 0 and json.loads(out)["precision"] == 0.6
    code, out, _ = run_main(capsys, path, "--format", "markdown")
    assert code == 0 and "| micro | 0.6000 | 0.7500 | 0.6667 | 4 |" in out


def test_the_lenient_reading(tmp_path, capsys):
    (tmp_path / "gold.conll").write_text("in O\nNew B-geo\nYork I-geo\n")
    (tmp_path / "pred.conll").write_text("in O\nNew I-geo\nYork I-geo\n")
    files = tmp_path / "gold.conll", tmp_path / "pred.conll"
    strict = json.loads(run_main(capsys, *files, "--format", "json")[1])
    lenient = json.loads(run_main(capsys, *files, "--format", "json", "--lenient")[1])
    assert (strict["reading"], strict["f1"], strict["lenient"]["f1"]) == ("strict", 0.0, 1.0)
    assert (lenient["reading"], lenient["f1"], lenient["semeval"]["strict"]["f1"]) == ("conlleval", 1.0, 1.0)


def test_mistakes_are_one_line_and_exit_code_2(tmp_path, capsys):
    (tmp_path / "gold.conll").write_text("in O\nNew B-geo\nYork I-geo\n")
    (tmp_path / "other.conll").write_text("in O\n\nNewark B-geo\nYork I-geo\n")
    gold, other = tmp_path / "gold.conll", tmp_path / "other.conll"
    for argv, message in (
        ((gold, other), f"{gold}:2 and {other}:3: the words differ, 'New' and 'Newark'"),
        ((gold,), f"{gold}: gold tags and no predicted ones, give a second file"),
        ((gold, tmp_path / "none.conll"), f"{tmp_path}/none.conll: no such file"),
        ((gold, gold, "--format", "xml"), "--format: invalid choice: 'xml'"),
        ((gold, gold, "--resamples", "-1"), "--resamples -1: give 0 or more"),
        ((), "the following arguments are required: GOLD"),
    ):
        code, out, err = run_main(capsys, *argv)
        assert (code, out) == (2, "") and message in err
        assert err.startswith("ner_eval.score: ") and err.count("\n") == 1


def test_the_command_line_does_not_import_torch(predictions_file):
    path, _ = predictions_file
    program = (
        "import sys; from ner_eval.score import main; code = main(sys.argv[1:]);"
        "sys.exit(code or ('torch' in sys.modules) * 3 or ('evaluate' in sys.modules) * 4)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), "--train_file", str(path.parent / "train.conll")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    done = subprocess.run([sys.executable, "-m", "ner_eval.score", str(path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("entity type") and done.stderr.count("\n") == 1
