"""The recipe as its users run it: through the command line."""

import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from families import write_encoder
from safetensors import safe_open
from standin_hub import StandInHub

import run_ner
from ner_data import InputError, mentions
from ner_data.audit import short_form
from ner_data.labels import label_names
from ner_data.read import read_corpus
from ner_data.windows import encode
from ner_eval import report, results, transitions
from ner_eval.decode import legal
from ner_eval.recognizer import Recognizer
from ner_eval.score import score_files
from ner_model.arguments import OWNED, check_flags, training_flags
from ner_model.batching import rounding
from ner_model.checkpoints import TrainingStopped
from ner_model.load import load_tokenizer

ROOT = Path(__file__).parent.parent
QUICK = ["--num_train_epochs", "2", "--learning_rate", "1e-2", "--disable_tqdm", "true"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A CSV with the first 120 sentences of the bundled corpus."""
    path = tmp_path_factory.mktemp("corpus") / "words.csv"
    with open(ROOT / "ner_data" / "sample.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    end = next(k for k, row in enumerate(rows) if row[0] == "Sentence: 121")
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows[:end])
    return str(path)


def start(*arguments, launch=(), **environment):
    """Run `run_ner.py` as a program: (exit code, stdout, stderr)."""
    command = [sys.executable, *launch, str(ROOT / "run_ner.py"), *map(str, arguments)]
    environment = os.environ | {"TQDM_DISABLE": "1"} | environment
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=240)
    return run.returncode, run.stdout, run.stderr


def launcher(processes, *flags):
    """`accelerate launch`. Its --cpu starts one process whatever --num_processes says; --multi_gpu without a GPU
    starts several, which then talk through gloo."""
    count = ["--multi_gpu" if processes > 1 else "--cpu", "--num_processes", str(processes), "--num_machines", "1"]
    return ["-m", "accelerate.commands.launch", *count, "--main_process_port", "0", *flags]


@pytest.fixture(scope="module")
def finished(corpus, bert_dir, tmp_path_factory):
    """One run from the command line, looked at by several tests."""
    directory = tmp_path_factory.mktemp("runs") / "finished"
    flags = ["--max_length", 20, "--stride", 3, *QUICK]
    code, out, err = start("--model", bert_dir, "--train_file", corpus, "--output_dir", directory, *flags)
    assert code == 0, err
    return directory, out, err


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def assert_the_files_give_the_same_scores(directory, corpus):
    """Final figures and those recomputed from predictions and training sentences are equal to the last digit."""
    metrics = json.loads((directory / "metrics.json").read_text())
    train = read_corpus(corpus, split_file=str(directory / "split.jsonl"), say=lambda *_: None)["train"]
    path = directory.with_suffix(".jsonl")
    rows = ({"tokens": row["tokens"], "tags": row["tags"]} for row in train.to_pylist())
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for split in ("validation", "test"):
        predictions = str(directory / f"{split}_predictions.jsonl")
        again = score_files(predictions, train_file=str(path), say=lambda *_: None)
        assert "seen" in again
        for key, value in again.items():
            assert metrics[split][key] == value, (split, key)


class Assembled(Exception):
    """The trainer is there; nothing was trained."""


def assembled(monkeypatch, *flags):
    """The trainer of a run that ends where it would begin to train."""

    def stop(trainer, **_):
        raise Assembled(trainer)

    monkeypatch.setattr("ner_model.trainer.NerTrainer.train", stop)
    with pytest.raises(Assembled) as caught:
        run_ner.main(list(map(str, flags)))
    return caught.value.args[0]


def test_the_flags_reach_the_trainer_and_it_validates_on_validation(corpus, bert_dir, tmp_path, monkeypatch):
    flags = ["--class_weights", "balanced", "--label_smoothing_factor", 0.25, "--patience", 3]
    common = ["--model", bert_dir, "--train_file", corpus, "--output_dir", tmp_path]
    trainer = assembled(monkeypatch, *common, *flags)
    assert trainer.compute_loss_func.label_smoothing == 0.25 and trainer.compute_loss_func.weights.std() > 0.1
    callbacks = trainer.callback_handler.callbacks
    assert [c.early_stopping_patience for c in callbacks if hasattr(c, "early_stopping_patience")] == [3]
    assert trainer.eval_dataset.cache_files[0]["filename"].endswith("/validation.arrow")
    assert trainer.train_dataset.cache_files[0]["filename"].endswith("/train.arrow")
    assert trainer.compute_metrics.decoding == "viterbi" and trainer.args.metric_for_best_model == "f1"
    assert re.fullmatch(re.escape(corpus) + r":\d+", trainer.place_of(0))
    heads = [assembled(monkeypatch, *common, "--seed", seed).model.classifier.weight for seed in (1, 2, 1)]
    assert heads[0].equal(heads[2]) and not heads[0].equal(heads[1])


def test_what_the_recipe_knows_reaches_the_training_arguments(corpus, bert_dir, tmp_path, monkeypatch):
    write_encoder("distilbert", tmp_path / "distilbert")  # its width is called dim
    for flags, rate, copies in (
        (["--model", bert_dir], 5e-4, 5),
        (["--model", tmp_path / "distilbert"], 5e-4, 5),
        (["--model", "scratch"], 5e-4, 0),
        (["--model", bert_dir, "--lora"], 1e-3, 5),
        (["--model", bert_dir, "--train_head_only"], 1e-3, 5),
    ):
        common = ["--train_file", corpus, "--output_dir", tmp_path / "run", "--seed", 7]
        trainer = assembled(monkeypatch, *common, *flags)
        args = trainer.args
        found = args.learning_rate, trainer.copies, args.num_train_epochs, args.label_smoothing_factor, args.seed
        assert found == (rate, copies, 30, 0.1, 7), flags  # 60 epochs if copies were not counted


def test_what_saves_memory_and_time_is_turned_on(corpus, bert_dir, tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr("ner_model.allocator.keep_freed_memory", lambda: called.append("freed"))
    monkeypatch.setattr("ner_model.allocator.keep_few_kernels", lambda width: called.append(width))
    trainer = assembled(monkeypatch, "--model", bert_dir, "--train_file", corpus, "--output_dir", tmp_path)
    config = trainer.model.config
    assert called == ["freed", config.hidden_size]
    assert trainer.data_collator.pad_to_multiple_of == rounding(trainer.args, config)
    assert len(trainer.model.bert.embeddings._forward_hooks) == 1


def test_the_head_of_a_fine_tuned_model_is_gone_on_with(finished, corpus, tmp_path, monkeypatch):
    flags = ["--model", finished[0], "--train_file", corpus, "--output_dir", tmp_path, "--decoding", "argmax"]
    trainer = assembled(monkeypatch, *flags)
    with safe_open(finished[0] / "model.safetensors", "pt") as weights:
        assert torch.equal(trainer.model.classifier.weight.cpu(), weights.get_tensor("classifier.weight"))
    assert trainer.compute_metrics.decoding == "argmax"


def test_a_run_without_viterbi_is_scored_and_served_without(corpus, bert_dir, tmp_path, capsys):
    flags = ["--model", bert_dir, "--train_file", corpus, "--output_dir", tmp_path, "--decoding", "argmax", *QUICK]
    run_ner.main(list(map(str, [*flags, "--seed", 7])))
    metrics, config = (json.loads((tmp_path / name).read_text()) for name in ("metrics.json", "config.json"))
    assert (metrics["test"]["decoding"], metrics["test"]["words_changed"], metrics["seed"]) == ("argmax", 0, 7)
    assert config["ner_decoding"] == "argmax" and "\nvalidation, strict entity scores (it chose the epoch)\n" in (
        capsys.readouterr().out
    )


def test_the_corpus_is_described_in_what_is_written(finished, corpus):
    directory, out, _ = finished
    metrics = json.loads((directory / "metrics.json").read_text())
    audit = short_form(read_corpus(corpus, say=lambda line: None))
    assert (metrics["dataset"], metrics["files"], metrics["audit"]) == ("words.csv", {"train": "words.csv"}, audit)
    assert all(f"\n{line}\n" in out for line in audit)


def test_windows_have_the_stride_that_was_asked_for(corpus, bert_dir, tmp_path, monkeypatch):
    tables = read_corpus(corpus, say=lambda line: None)
    tokenizer, names = load_tokenizer(bert_dir, []), label_names(tables.values())
    counts = {stride: len(encode(tables["train"], tokenizer, names, 20, stride).table) for stride in (0, 16)}
    assert counts[0] != counts[16]
    flags = ["--model", bert_dir, "--train_file", corpus, "--output_dir", tmp_path, "--max_length", 20, *QUICK]
    assert len(assembled(monkeypatch, *flags, "--stride", 0).train_dataset) == counts[0]


def test_a_type_of_the_test_split_alone_has_labels(bert_dir, tmp_path, monkeypatch):
    flags = ["--model", bert_dir, "--output_dir", tmp_path / "run"]
    for split, name in (("train", "geo"), ("validation", "geo"), ("test", "zoo")):
        path = tmp_path / f"{split}.csv"
        path.write_text("Sentence #,Word,Tag\n" + "".join(f"{k},{split}{k},B-{name}\n" for k in range(8)))
        flags += [f"--{split}_file", path]
    labels = assembled(monkeypatch, *flags).model.config.label2id
    assert list(labels) == ["O", "B-geo", "I-geo", "B-zoo", "I-zoo"]


def test_the_report_is_made_again_from_the_files_of_a_run(finished, tmp_path):
    directory = shutil.copytree(finished[0], tmp_path / "run")
    names = ("report.html", "errors.csv")
    before = [(directory / name).read_bytes() for name in names]
    for name in names:
        (directory / name).unlink()
    assert report.main([str(directory)]) == 0
    assert [(directory / name).read_bytes() for name in names] == before


def test_the_weight_of_transitions_is_chosen_on_validation(corpus, bert_dir, tmp_path, monkeypatch):
    chosen_on = []

    def choose(prediction, *rest):
        chosen_on.append(sum(int((gold != -100).sum()) for gold, *_ in prediction.label_ids))
        return original(prediction, *rest)

    original = transitions.choose_transitions
    monkeypatch.setattr(transitions, "choose_transitions", choose)
    flags = ["--num_train_epochs", "1", "--disable_tqdm", "true", "--validation_fraction", "0.2"]
    run_ner.main(["--train_file", corpus, "--model", bert_dir, "--output_dir", str(tmp_path), *flags])
    words = json.loads((tmp_path / "metrics.json").read_text())["words"]
    assert chosen_on == [words["validation"]] and words["validation"] != words["test"]


def test_every_word_is_labelled_and_said_to_be(finished):
    directory, out, _ = finished
    metrics = json.loads((directory / "metrics.json").read_text())
    for split, words in metrics["words"].items():
        assert f"{split}: {words:,} words, {words:,} labelled positions" in out
    assert "sentences in several windows" in out
    assert "the first sentence, line" in out and "precision: " in out
    assert sum(metrics["sentences"].values()) == 120


def test_predictions_stand_beside_the_gold_tags_of_the_file(finished, corpus):
    directory, _, _ = finished
    metrics = json.loads((directory / "metrics.json").read_text())
    with open(corpus, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    for split in ("validation", "test"):
        sentences = lines_of(directory / f"{split}_predictions.jsonl")
        assert len(sentences) == metrics["sentences"][split]
        for sentence in sentences:
            assert len(sentence["tokens"]) == len(sentence["tags"]) == len(sentence["predicted"])
            begin = sentence["row"] - 1
            here = rows[begin : begin + len(sentence["tokens"])]
            assert [row[1] for row in here] == sentence["tokens"] and [row[3] for row in here] == sentence["tags"]
        assert [s["row"] for s in sentences] == sorted(s["row"] for s in sentences)


def test_scores_are_those_of_the_predictions(finished, corpus):
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    directory, out, _ = finished
    metrics = json.loads((directory / "metrics.json").read_text())
    for split in ("validation", "test"):
        sentences = lines_of(directory / f"{split}_predictions.jsonl")
        gold, predicted = ([s[key] for s in sentences] for key in ("tags", "predicted"))
        assert metrics[split]["f1"] == f1_score(gold, predicted, mode="strict", scheme=IOB2, zero_division=0)
    assert_the_files_give_the_same_scores(directory, corpus)
    assert "test, strict entity scores (used once, by the chosen model)" in out
    assert f"{metrics['test']['f1']:.4f}" in out
    assert "epoch  train loss" in out


def test_the_saved_model_tags_as_it_was_evaluated(corpus, bert_dir, tmp_path, monkeypatch):
    """With transitions that no model withstands: each word a person."""

    def heavy(prediction, training, names, decoding, say):
        log_shares = np.where(legal(names), -9.0, -np.inf)
        log_shares[:, names.index("B-per")] = 0.0
        return transitions.Transitions(5.0, log_shares)

    monkeypatch.setattr(transitions, "choose_transitions", heavy)
    run_ner.main(["--train_file", corpus, "--model", bert_dir, "--output_dir", str(tmp_path), *QUICK])
    config, metrics = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("config", "metrics"))
    assert config["ner_decoding"] == "viterbi" and config["ner_transitions"]["weight"] == 5.0
    assert metrics["test"]["transition_weight"] == metrics["validation"]["transition_weight"] == 5.0
    sentences = lines_of(tmp_path / "test_predictions.jsonl")
    words, tags = [s["tokens"] for s in sentences], [s["predicted"] for s in sentences]
    assert {tag for sentence in tags for tag in sentence} == {"B-per"}
    assert Recognizer(str(tmp_path)).label(words).tags == tags
    del config["ner_transitions"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert Recognizer(str(tmp_path)).label(words).tags != tags


def test_the_weight_of_transitions_is_printed(finished):
    directory, out, _ = finished
    weight = json.loads((directory / "metrics.json").read_text())["test"]["transition_weight"]
    assert f"decoding: which tag follows which in training has the weight {weight}, the best of 6 on validation" in out


def test_the_directory_is_a_plain_model(finished):
    directory, _, _ = finished
    names = {path.name for path in directory.iterdir() if path.is_file()}
    assert {"report.html", "errors.csv", "split.jsonl"} <= names
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "metrics.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl", ".part"))]
    config = json.loads((directory / "config.json").read_text())
    assert (config["ner_words"], config["ner_max_length"], config["ner_stride"]) == ("treebank", 20, 3)
    metrics = json.loads((directory / "metrics.json").read_text())
    assert (config["ner_precision"] == "fp32") == (metrics["training"]["precision"] == "fp32")
    assert "/" not in metrics["model"]  # of a directory, the last part alone is told
    serve = transformers.pipeline("token-classification", model=str(directory), aggregation_strategy="simple")
    found = serve("Angela Merkel visited Paris on Monday .")
    assert all(set(entity) == {"entity_group", "score", "word", "start", "end"} for entity in found)
    assert "model-index" in (directory / "README.md").read_text()


def test_the_same_seed_gives_the_same_bytes(finished, corpus, bert_dir, tmp_path):
    directory, _, _ = finished
    flags = ["--max_length", 20, "--stride", 3, *QUICK]
    code, _, err = start("--model", bert_dir, "--train_file", corpus, "--output_dir", tmp_path / "again", *flags)
    assert code == 0, err
    for name in ("model.safetensors", "tokenizer.json", "test_predictions.jsonl", "validation_predictions.jsonl"):
        assert (directory / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_copies_with_other_entities_are_learnt_from_and_nothing_else(finished, corpus, bert_dir, tmp_path, capsys):
    directory, _, _ = finished
    flags = ["--model", bert_dir, "--train_file", corpus, "--output_dir", str(tmp_path), "--augment", "2"]
    run_ner.main([*flags, "--num_train_epochs", "1", "--disable_tqdm", "true"])
    out = capsys.readouterr().out
    copies = int(re.search(r"^train: (\d+) copies of sentences beside the 96, ", out, re.M)[1])
    assert 96 < copies <= 2 * 96
    words, labelled, windows = re.search(
        r"^train: (\S+) words, (\S+) labelled positions in (\d+) w", out, re.M
    ).groups()
    then, now = (json.loads((where / "metrics.json").read_text()) for where in (directory, tmp_path))
    assert now["training"]["way"] == "all weights, 2 copies with other entities"
    assert words == labelled and int(words.replace(",", "")) > now["words"]["train"]
    assert 96 + copies <= int(windows) and now["training"]["steps"] == -(-int(windows) // 32)
    assert (now["sentences"], now["words"]) == (then["sentences"], then["words"])
    assert (tmp_path / "split.jsonl").read_bytes() == (directory / "split.jsonl").read_bytes()


def test_few_sentences_are_copied_by_default(corpus, bert_dir, tmp_path, monkeypatch):
    def stop(sentences, copies, seed, say):
        raise InputError(f"{len(sentences)} sentences, {copies} copies, seed {seed}")

    monkeypatch.setattr(mentions, "with_other_mentions", stop)
    flags = ["--model", bert_dir, "--train_file", corpus, "--output_dir", str(tmp_path), "--seed", "7"]
    for more, copies in (([], 5), (["--augment", "2"], 2), (["--max_steps", "9"], 0)):
        with pytest.raises(InputError, match=f"^96 sentences, {copies} copies, seed 7$"):
            run_ner.main([*flags, *more])


def test_two_processes_and_the_launchers_precision(corpus, bert_dir, tmp_path):
    flags = ["--model", bert_dir, "--train_file", corpus, "--output_dir", tmp_path / "two", *QUICK]
    code, out, err = start(*flags, launch=launcher(2, "--mixed_precision", "bf16"))
    assert code == 0, err
    metrics = json.loads((tmp_path / "two" / "metrics.json").read_text())
    assert metrics["training"]["precision"] == "bf16" and metrics["training"]["batch_size"] == 64
    assert out.count("test, strict entity scores") == 1  # the main process alone prints
    for split in ("validation", "test"):
        sentences = lines_of(tmp_path / "two" / f"{split}_predictions.jsonl")
        assert sum(len(s["predicted"]) for s in sentences) == metrics["words"][split] == metrics[split]["words"]
    assert_the_files_give_the_same_scores(tmp_path / "two", corpus)


def test_from_scratch_without_a_test_split(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["--model", "scratch", "--train_file", corpus, "--test_fraction", "0", "--num_train_epochs", "1"]
    flags.append("--train_head_only")
    (tmp_path / "run").mkdir()
    for name in ("test_predictions.jsonl", "model.onnx"):
        (tmp_path / "run" / name).write_text("of an earlier run")
    code, out, err = start(*flags, "--output_dir", tmp_path / "run", "--overwrite_output_dir")
    assert code == 0, err
    assert not (tmp_path / "run" / "model.onnx").exists()
    assert "no test split: validation chose the epoch and the decoding and judges the model too" in out
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"] is None
    assert not (tmp_path / "run" / "test_predictions.jsonl").exists()
    assert "the head alone" in out


def test_fine_tune_from_the_hub_and_push_to_it(corpus, bert_dir, tmp_path):
    with StandInHub() as hub:
        hub.add_model("bert-base-cased", bert_dir)
        flags = ["--train_file", corpus, "--output_dir", tmp_path / "run", "--push_to_hub", "--hub_model_id", "me/x"]
        environment = hub.environment() | {"HF_HUB_OFFLINE": "0"}
        code, out, err = start("--model", "bert-base-cased", *flags, *QUICK, launch=launcher(1), **environment)
        assert code == 0, err
        assert f"published: {hub.url}/me/x" in out
        repo = hub.repos["me/x"]
        assert repo.private and len(repo.pushed) == 1
        assert set(repo.files) - {".gitattributes"} == {
            *("README.md", "config.json", "metrics.json", "model.safetensors"),
            *("tokenizer.json", "tokenizer_config.json"),
        }
        assert hub.token.encode() not in b"".join(repo.files.values())
        assert hub.token not in out + err
        for path in (tmp_path / "run").rglob("*"):
            assert not path.is_file() or hub.token.encode() not in path.read_bytes(), path
        code = (
            "import transformers; p = transformers.pipeline('token-classification', model='me/x', device='cpu');"
            "print(sorted(p.model.config.label2id)[:2])"
        )
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, timeout=120
        )
        assert "['B-art', 'B-eve']" in run.stdout, run.stderr


def test_a_model_that_cannot_be_had_is_one_line(corpus, bert_dir):
    with StandInHub() as hub:
        hub.add_model("me/gated", bert_dir, gated=True)
        environment = hub.environment() | {"HF_HUB_OFFLINE": "0"}
        unreachable = environment | {"HF_ENDPOINT": "http://127.0.0.1:9"}
        for model, where, message in (
            ("me/none", environment, "no such model on the Hub"),
            ("me/gated", environment, "gated on the Hub; accept its terms"),
            ("me/none", unreachable, "the Hub cannot be reached"),
        ):
            code, _, err = start("--train_file", corpus, "--model", model, **where)
            assert code == 2 and err.count("\n") == 1 and err.startswith(f"run_ner.py: --model {model}: "), err
            assert message in err


@pytest.mark.parametrize(("rank", "pushed"), [("0", [("run", "me/x")]), ("1", [])])
def test_one_process_pushes(rank, pushed, corpus, bert_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", rank)
    spec = importlib.util.spec_from_file_location("run_ner_of_a_process", ROOT / "run_ner.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    found, tokens = [], []
    monkeypatch.setattr(recipe, "check_login", lambda name, token: tokens.append(token) or name)
    monkeypatch.setattr(recipe, "fine_tune", lambda *_: "run")

    def publish(directory, name, private, token):
        found.append((directory, name))
        tokens.append(token)

    monkeypatch.setattr(recipe, "publish", publish)
    flags = ["--train_file", corpus, "--model", bert_dir, "--output_dir", str(tmp_path / "run")]
    recipe.main([*flags, "--push_to_hub", "--hub_model_id", "me/x", "--hub_token", "t"])
    assert found == pushed and tokens == ["t"] * (1 + len(pushed))


def test_without_a_login_nothing_is_trained_and_nothing_created(corpus, bert_dir, tmp_path):
    with StandInHub() as hub:
        flags = ["--model", bert_dir, "--train_file", corpus, "--output_dir", tmp_path / "run", "--push_to_hub"]
        environment = hub.environment(token="") | {"HF_HUB_OFFLINE": "0"}
        code, _, err = start(*flags, "--hub_model_id", "me/x", **environment)
        assert code == 1 and len(err.splitlines()) == 1 and "login" in err
        assert not (tmp_path / "run").exists() and not hub.repos


WRONG = {
    "unknown flag": (["--learning_rat", "1"], "--learning_rat: unknown flag; did you mean --learning_rate?"),
    "the name that others have for it": (["--lr", "1"], "--lr: unknown flag; did you mean --learning_rate?"),
    "nearest to a flag that is owned": (["--do_trains", "1"], "--do_trains: unknown flag; see --help"),
    "word without a flag": (["train.csv"], "'train.csv': no flag takes this value"),
    "owned flag": (["--label_names", "x"], "--label_names: owned by the recipe"),
    "a batch size that is looked for": (["--auto_find_batch_size", "true"], "(out of memory ends the run, and says wh"),
    "weights cast in evaluation": (["--bf16_full_eval", "true"], "--bf16_full_eval: owned by the recipe (the saved w"),
    "fp16 on a CPU": (["--fp16", "true"], "--fp16: a CPU has no fp16 to train in"),
    "no steps": (["--max_steps", "0"], "--max_steps 0, --num_train_epochs "),
    "no epochs": (["--num_train_epochs", "0"], "--num_train_epochs 0: give more than 0"),
    "too smooth": (["--label_smoothing_factor", "10"], "--label_smoothing_factor 10: give a share between 0 and 1"),
    "best model not saved": (
        [*("--eval_strategy", "steps", "--eval_steps", "100"), *("--save_strategy", "steps", "--save_steps", "500")],
        "--eval_steps 100, --save_steps 500: the best model would not be saved; give the same twice",
    ),
    "an optimizer that is not installed": (["--optim", "adamw_bnb_8bit"], "--optim adamw_bnb_8bit: "),
    "a schedule without its rate": (
        ["--lr_scheduler_type", "cosine_with_min_lr"],
        "--lr_scheduler_type cosine_with_min_",
    ),
    "no learning rate": (["--learning_rate", "-1"], "--learning_rate -1: give 0 or more"),
    "no decay": (["--weight_decay", "-0.1"], "--weight_decay -0.1: give 0 or more"),
    "no optimizer has this": (["--adam_beta1", "1.5"], "--optim adamw_torch_fused: Invalid beta parameter at index 0"),
    "no compiler": (
        ["--torch_compile", "true", "--torch_compile_backend", "x"],
        "--torch_compile_backend x: give one of eager",
    ),
    "a configuration that is not there": (["--accelerator_config", "no.json"], "TrainingArguments: "),
    "sharding alone": (["--fsdp", "full_shard"], "--fsdp: one process has nothing to shard; start with accelerate lau"),
    "kernels that are not installed": (
        ["--use_liger_kernel", "true"],
        "--use_liger_kernel: liger-kernel is not instal",
    ),
    "saves by steps that are none": (
        ["--save_steps", "200"],
        "--save_steps: counts for nothing where --save_strategy is epoch; give --save_strategy steps too",
    ),
    "logs by steps that are none": (["--logging_steps=10"], "--logging_steps: counts for nothing where --logging_stra"),
    "evaluations by steps that are none": (["--eval_steps", "5"], "--eval_steps: counts for nothing where --eval_str"),
    "the best of none": (
        ["--save_strategy", "best", "--eval_strategy", "no"],
        "--save_strategy best: without evaluations there is no best; give --eval_strategy epoch, or steps",
    ),
    "never evaluated": (
        ["--eval_delay", "6", "--num_train_epochs", "5"],
        "--eval_delay 6: counts epochs, of which there are 5, so nothing would be evaluated",
    ),
    "a share of steps that is no number of them": (
        ["--optim", "schedule_free_adamw", "--warmup_steps", "0.1"],
        "--warmup_steps 0.1: schedule_free_adamw needs a number of steps",
    ),
    "arguments of a schedule that are no JSON": (
        ["--lr_scheduler_type", "reduce_lr_on_plateau", "--lr_scheduler_kwargs", "patience=2"],
        "--lr_scheduler_kwargs patience=2: write JSON, such as '{\"patience\": 2}'",
    ),
    "arguments of a schedule that takes none": (
        ["--lr_scheduler_type", "constant", "--lr_scheduler_kwargs", '{"patience": 2}'],
        "--lr_scheduler_kwargs: constant takes none",
    ),
    "arguments of an optimizer that takes none": (
        ["--optim_args", "momentum=0.9"],
        "--optim_args momentum=0.9: adamw_torch_fused takes none; it has --adam_beta1 and others",
    ),
    "arguments of an optimizer without a value": (
        ["--optim", "sgd", "--optim_args", "momentum"],
        "--optim_args momentum: 'momentum' is not name=value",
    ),
    "an optimizer of the model that is not installed": (["--optim", "lomo"], "--optim lomo: "),
    "a compiler's mode": (
        ["--torch_compile", "true", "--torch_compile_mode", "max_autotune"],
        "--torch_compile_mode max_autotune: give one of default, ",
    ),
    "nothing in advance": (
        ["--dataloader_num_workers", "2", "--dataloader_prefetch_factor", "0"],
        "--dataloader_prefetch_factor 0: give 1 or more",
    ),
    "batches dealt out otherwise": (
        ["--accelerator_config", '{"split_batches": true}'],
        "--accelerator_config: batches are dealt out by the recipe; leave out split_batches, ",
    ),
    "steps accumulated otherwise": (
        ["--accelerator_config", '{"gradient_accumulation_kwargs": {"num_steps": 2}}'],
        "--accelerator_config: batches are dealt out by the recipe",
    ),
    "no decoding": (["--decoding", "beam"], "--decoding beam: give one of argmax, viterbi"),
    "workers that are none": (["--dataloader_persistent_workers", "true"], "give --dataloader_num_workers too"),
    "no seed of numpy's": (["--seed", "4294967296"], "--seed 4294967296: give 4294967295 or less"),
    "no integer": (["--stride", "many"], "--stride: invalid int value: 'many'"),
    "negative": (["--stride", "-1"], "--stride -1: give 0 or more"),
    "negative copies": (["--augment", "-1"], "--augment -1: give 0 or more"),
    "too short": (["--max_length", "2"], "--max_length 2: give 8 or more"),
    "missing file": (["--train_file", "nope.csv"], "nope.csv: no such file"),
    "push without a name": (["--push_to_hub"], "--push_to_hub: give --hub_model_id too"),
    "push with a wrong name": (["--push_to_hub", "--hub_model_id", "a/b/c"], "is no repository name"),
    "fractions": (["--test_fraction", "0.5", "--validation_fraction", "0.5"], "leave no sentence for train"),
    "no model": (["--model", "./nothing"], "--model ./nothing: no such directory"),
    "nothing to resume": (["--resume_from_checkpoint", "true", "--output_dir", "./none"], "no checkpoint to go on"),
    "no checkpoint": (["--resume_from_checkpoint", "./none"], "./none: no checkpoint there"),
}


def test_validation_sentences_are_not_for_the_bundled_corpus():
    with pytest.raises(InputError, match="^--validation_file v.csv: given without --train_file$"):
        run_ner.main(["--validation_file", "v.csv"])


def test_a_corpus_without_entities_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("Sentence #,Word,Tag\n" + "".join(f"{k},w{k},O\n" for k in range(30)))
    with pytest.raises(
        InputError, match="a.csv: no training word has a tag other than O, so there is nothing to learn"
    ):
        run_ner.main(["--train_file", str(tmp_path / "a.csv")])


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_clear_line(case, corpus, monkeypatch):
    arguments, message = WRONG[case]
    if "--train_file" not in arguments:
        arguments = [*arguments, "--train_file", corpus]
    with pytest.raises(InputError) as error:
        run_ner.main(arguments)
    assert message in str(error.value) and "\n" not in str(error.value)


OWNED_HERE = (
    "do_train do_eval do_predict remove_unused_columns label_names bf16_full_eval fp16_full_eval include_for_metrics"
    " batch_eval_metrics prediction_loss_only eval_do_concat_batches eval_use_gather_object dataloader_in_order"
    " train_sampling_strategy length_column_name ignore_data_skip save_on_each_node save_only_model"
    " auto_find_batch_size dataloader_drop_last average_tokens_across_devices logging_nan_inf_filter"
    " enable_jit_checkpoint hub_strategy hub_always_push hub_revision"
)


@pytest.mark.parametrize("name", OWNED_HERE.split())
def test_what_would_break_a_promise_of_the_recipe_is_no_choice(name):
    with pytest.raises(InputError, match=rf"^--{name}: owned by the recipe \("):
        check_flags([f"--{name}", "x"], [])


def test_a_home_directory_is_the_same_for_all(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old").write_text("kept")
    with pytest.raises(InputError, match=f"^--output_dir {tmp_path}/run: is not empty"):
        run_ner.main(["--train_file", corpus, "--output_dir=~/run"])


def test_a_full_output_directory_is_left_alone(corpus, tmp_path):
    (tmp_path / "old").write_text("kept")
    with pytest.raises(InputError, match="is not empty; give another, .* or --overwrite_output_dir"):
        run_ner.main(["--train_file", corpus, "--output_dir", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_resume_goes_on_to_the_bytes_of_the_whole_run_and_overwrite_starts_again(
    finished, corpus, bert_dir, tmp_path, capsys
):
    directory = shutil.copytree(finished[0], tmp_path / "run")
    assert len(list(directory.glob("checkpoint-*"))) == 2  # where the newest is damaged, there is one before it
    whole = (directory / "model.safetensors").read_bytes()
    flags = ["--model", bert_dir, "--train_file", corpus, "--output_dir", str(directory), "--max_length", "20"]
    flags += ["--stride", "3", *QUICK]
    (directory / "model.safetensors").unlink()
    run_ner.main([*flags, "--resume_from_checkpoint", "true"])
    assert (directory / "model.safetensors").read_bytes() == whole
    capsys.readouterr()
    run_ner.main([*flags, "--overwrite_output_dir", "--num_train_epochs", "1"])
    assert "--overwrite_output_dir: removed" in capsys.readouterr().out
    assert (directory / "model.safetensors").read_bytes() != whole


def test_where_the_results_do_not_fit_on_the_disk_the_model_and_the_printed_scores_are_kept(
    corpus, bert_dir, tmp_path, monkeypatch, capsys
):
    def full(path, lines):
        raise OSError(28, "No space left on device", path)

    flags = ["--model", bert_dir, "--train_file", corpus, "--output_dir", str(tmp_path), *QUICK]
    flags += ["--metric_for_best_model", "eval_loss"]
    with monkeypatch.context() as disk:
        disk.setattr(results, "_write", full)
        with pytest.raises(TrainingStopped) as error:
            run_ner.main(flags)
    assert re.fullmatch(
        rf"the results in {tmp_path} \(the model is saved there, the scores are printed above\) could not be written:"
        rf" No space left on device \([\d,]+ MB free\); {tmp_path}/checkpoint-\d+ is intact; make room, then go on with"
        rf" the same command and --output_dir {tmp_path} --resume_from_checkpoint",
        str(error.value),
    )
    printed = capsys.readouterr().out
    scores = printed[printed.index("\nvalidation, strict entity scores") :]
    assert "\ntest, strict entity scores" in scores and "saved in" not in scores
    assert (tmp_path / "model.safetensors").exists() and not (tmp_path / "metrics.json").exists()
    run_ner.main([*flags, "--resume_from_checkpoint"])
    assert scores in capsys.readouterr().out
    assert json.loads((tmp_path / "metrics.json").read_text())["model_chosen_by"] == "validation loss"


def test_a_fault_is_found_before_torch_is_imported(tmp_path):
    (tmp_path / "bad.csv").write_text("Sentence #,Word,POS,Tag\nSentence: 1,Paris,NNP,B-geo\n,is,VBZ,X-geo\n")
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['run_ner.py', '--train_file', {str(tmp_path / 'bad.csv')!r}]\n"
        "try:\n    runpy.run_path('run_ner.py', run_name='__main__')\n"
        "except SystemExit as stop:\n    print(stop.code, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.stdout.split()[-2:] == ["2", "False"]
    assert run.stderr.count("\n") == 1 and f"{tmp_path / 'bad.csv'}:3: " in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize("program", ["run_ner.py", "ner_model/pretrain.py"])
def test_what_stops_one_process_is_told_by_that_process(program):
    code = (
        "import sys, runpy, ner_data.read, ner_model.checkpoints as c\n"
        f"sys.argv = [{program!r}, '--train_file', 'x.csv', '--output_dir', 'nowhere', '--max_steps', '1']\n"
        "def stop(*_, **__):\n    raise c.TrainingStopped('no memory')\n"
        "ner_data.read.read_corpus = stop\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as stop:\n    print(stop.code)"
    )
    environment = os.environ | {"RANK": "1", "LOCAL_RANK": "1", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, env=environment
    )
    assert run.stdout.split() == ["1"] and run.stderr.endswith(": no memory\n") and run.stderr.count("\n") == 1


@pytest.mark.parametrize(("rank", "local_rank", "lines"), [("1", "0", 1), ("1", "1", 0)])
def test_one_process_of_each_machine_tells_of_a_fault(rank, local_rank, lines):
    code, _, err = start("--train_file", "nope.csv", RANK=rank, LOCAL_RANK=local_rank)
    assert code == 2 and err.count("\n") == err.count("run_ner.py: nope.csv: no such file") == lines


def test_a_run_on_other_data_is_not_gone_on_with(corpus, bert_dir, tmp_path):
    flags = ["--model", bert_dir, "--output_dir", str(tmp_path / "run"), "--max_steps", "2", "--test_fraction", "0"]
    run_ner.main(["--train_file", corpus, *flags])
    again = ["--resume_from_checkpoint", "--overwrite_output_dir"]
    other = tmp_path / "other.csv"
    text = Path(corpus).read_text(encoding="utf-8")
    other.write_text(text.replace(",O\n", ",B-geo\n", 1), encoding="utf-8")  # as many sentences and subwords
    with pytest.raises(InputError, match="of a run with training and validation data of checksum .*; give the same"):
        run_ner.main(["--train_file", str(other), *flags, *again])
    with pytest.raises(InputError, match="of a run with --stride 16, this one has 3; give the same"):
        run_ner.main(["--train_file", corpus, *flags, *again, "--stride", "3"])
    with pytest.raises(InputError, match="of a run with --decoding viterbi, this one has argmax; give the same"):
        run_ner.main(["--train_file", corpus, *flags, *again, "--decoding", "argmax"])
    run_ner.main(["--train_file", corpus, *flags, *again])
    training = json.loads((tmp_path / "run" / "metrics.json").read_text())["training"]
    assert (training["resumed_at"], training["seconds"], training["train_loss"]) == (2, None, None)


def test_a_wrong_value_for_a_trainer_flag(corpus, bert_dir):
    with pytest.raises(InputError, match="--learning_rate: invalid float value: 'fast'"):
        run_ner.main(["--train_file", corpus, "--model", bert_dir, "--learning_rate", "fast"])


def test_help_names_every_flag(capsys):
    with pytest.raises(SystemExit) as stop:
        run_ner.main(["--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    code = (
        "import sys, run_ner\n"
        "try:\n    run_ner.main(['--help'])\n"
        "except SystemExit as stop:\n    print(stop.code, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.stdout.split()[-2:] == ["0", "False"]
    assert "--train_file" in out and "gradient_accumulation_steps" in out and "accelerate launch run_ner.py" in out


def test_the_flags_read_from_the_source_are_those_of_the_class():
    import dataclasses

    fields = [f.name for f in dataclasses.fields(transformers.TrainingArguments) if f.init]
    assert sorted(training_flags()) == sorted(fields)
    assert set(OWNED) <= set(fields)
