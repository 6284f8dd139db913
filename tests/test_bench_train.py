"""The instrument that measures training: the same work for all contestants, one judge, exact arithmetic."""

import json
import multiprocessing.dummy
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import datasets
import numpy as np
import pytest
import torch
import transformers
from families import FAMILIES, SHAPE
from test_windows import sentences

from benchmarks import bench_train, contest, fixed_costs, floors, peers
from benchmarks.peers import Job, OwnLoop, Seqeval, Stock, word_tags
from ner_data import InputError
from ner_data.labels import IGNORED

NAMES = ["O", "B-geo", "I-geo", "B-per", "I-per"]
CORPUS = sentences(
    ("Angela Merkel visited Paris .".split(), ["B-per", "I-per", "O", "B-geo", "O"]),
    ("New York is far .".split(), ["B-geo", "I-geo", "O", "O", "O"]),
    ("He left .".split(), ["O", "O", "O"]),
    ("Officials met Jordan in Washington last May .".split(), ["O", "O", "B-per", "O", "B-geo", "O", "O", "O"]),
    (["Chelsea"], ["B-geo"]),
    ("Angela said so .".split(), ["B-per", "O", "O", "O"]),
    ("The club said on Sunday .".split(), ["O"] * 6),
    ("Talks in Baghdad would go on .".split(), ["O", "O", "B-geo", "O", "O", "O", "O"]),
    ("Jordan scored twice .".split(), ["B-per", "O", "O", "O"]),
    ("He visited São Paulo in 2005 .".split(), ["O", "O", "B-geo", "I-geo", "O", "O", "O"]),
)
LONG = sentences((["Paris"] * 80, ["B-geo"] * 80))
WAYS = list(contest.WAYS)
pytestmark = pytest.mark.filterwarnings("ignore:'pin_memory'")  # the stock way asks for it on a CPU too


@pytest.fixture(scope="module", autouse=True)
def quiet():
    datasets.disable_progress_bars()


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A directory with a tiny BERT of 128 positions and its tokenizer, whose every letter is a subword."""
    directory = tmp_path_factory.mktemp("encoder")
    tokenizer = FAMILIES["bert-cased"][0]()
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **SHAPE)
    transformers.AutoModel.from_config(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


@pytest.fixture
def job(tmp_path):
    return Job(CORPUS, CORPUS, NAMES, str(tmp_path), batch_size=4, learning_rate=1e-2)


@pytest.fixture
def prepared(start, tmp_path, job):
    """Called with a way and changes of the job: the contestant, its model, its tokenizer."""
    first = str(tmp_path / "start")
    bench_train.write_start(first, start, None, CORPUS, NAMES, 7)
    return lambda way, **changes: contest.prepare(way, first, replace(job, **changes))


@pytest.fixture
def in_threads(monkeypatch):
    """Contestants are threads of this process: nothing is imported again."""
    monkeypatch.setattr(contest, "PROCESSES", multiprocessing.dummy)
    monkeypatch.setattr(contest, "silence", lambda: None)
    monkeypatch.setattr(contest.tempfile, "tempdir", None)  # set back at the end


def what_is_read(model, tokenizer, training):
    """The sentences that a model is given from now on, as a list that grows: ids without padding and special tokens."""
    read, special = [], {tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id}

    def look(model, args, kwargs):
        if model.training == training:
            read.extend(tuple(k for k in row if k not in special) for row in kwargs["input_ids"].tolist())

    model.register_forward_pre_hook(look, with_kwargs=True)
    return read


@pytest.mark.parametrize("way", WAYS)
def test_all_see_the_same_sentences_in_as_many_steps_from_the_same_weights(prepared, way):
    steps = []
    contestant, model, tokenizer = prepared(way, epochs=2, after_step=lambda: steps.append(1))
    first, *_ = prepared("stock")
    for name, weights in first.trainer.model.state_dict().items():
        assert torch.equal(weights, model.state_dict()[name]), name
    trained, judged = (what_is_read(model, tokenizer, training) for training in (True, False))
    contestant.train()
    expected = [
        tuple(tokenizer(words, is_split_into_words=True, add_special_tokens=False)["input_ids"])
        for words in CORPUS["tokens"].to_pylist()
    ]
    assert len(steps) == 2 * 3
    assert Counter(trained) == Counter(expected * 2)
    assert not judged
    contestant.evaluate()
    assert Counter(judged) == Counter(expected)
    assert not torch.equal(
        model.state_dict()["classifier.weight"], first.trainer.model.state_dict()["classifier.weight"]
    )


@pytest.mark.parametrize(
    ("way", "positions"),
    [("2018 way", 4 * 75), ("stock", 4 * 8), ("stock, best flags", 4 * 8), ("ours", 4 * 8)],
)
def test_padding_of_a_batch_made_by_hand(prepared, way, positions):
    """Words of one subword each: 3, 4, 5 and 8 positions with [CLS] and [SEP], in one batch."""
    train = sentences(*((["."] * words, ["O"] * words) for words in (1, 2, 3, 6)))
    contestant, model, tokenizer = prepared(way, train=train)
    seen = contest.Positions(model, tokenizer.pad_token_id)
    contestant.train()
    assert seen.figures() == {"batches": 1, "positions": positions, "padding": 1 - 20 / positions}


def test_of_a_part_of_a_corpus_best_flags_sort_all_batches_at_once(prepared):
    """16 sentences, 4 a step: left alone it would sort one batch at a time, and pad as random batches do."""
    train = sentences(*((["."] * words, ["O"] * words) for words in (3, 1, 4, 2) * 4))
    for way, is_part in (("stock, best flags", True), ("stock, best flags", False), ("stock", True)):
        contestant, model, tokenizer = prepared(way, train=train, is_part=is_part)
        seen = contest.Positions(model, tokenizer.pad_token_id)
        contestant.train()
        assert (seen.figures()["padding"] == 0) == (way == "stock, best flags" and is_part)
        assert seen.figures()["batches"] == 4


def test_best_flags_group_by_length_and_hand_over_arg_maxima(prepared):
    stock, *_ = prepared("stock")
    best, *_ = prepared("stock, best flags")
    assert stock.trainer.args.train_sampling_strategy == "random" and not stock.trainer.args.bf16
    assert best.trainer.args.train_sampling_strategy == "group_by_length"
    shapes = [way.trainer.predict(way.trainer.eval_dataset).predictions.shape for way in (stock, best)]
    assert [len(shape) for shape in shapes] == [3, 2]


def test_tags_are_those_of_their_sentence_though_grouping_by_length_shuffles(prepared, monkeypatch):
    monkeypatch.setattr(peers, "choose_precision", lambda **_: (False, "fp32"))
    stock, model, _ = prepared("stock")
    torch.nn.init.normal_(model.classifier.weight, std=5, generator=torch.Generator().manual_seed(3))
    best, other, _ = prepared("stock, best flags")
    other.load_state_dict(model.state_dict())
    tags = stock.tags()
    assert len({tag for sentence in tags for tag in sentence}) > 1
    assert best.tags() == tags


def test_a_word_has_the_tag_of_its_first_subword_and_o_where_it_was_cut_off():
    table = sentences((["a", "b", "c"], ["O"] * 3), (["d"], ["O"]))
    rows, word_ids = [[9, 1, 2, 0, 9], [9, 3, 9]], [[None, 0, 0, 1, None], [None, 0, None]]
    assert word_tags(rows, word_ids, table, NAMES) == [["B-geo", "O", "O"], ["B-per"]]


@pytest.mark.parametrize("way", WAYS)
def test_one_judge_for_all_and_a_word_that_was_cut_off_is_wrong(prepared, way):
    """A head that says B-geo of everything: of 80 words in 75 positions the 2018 way gets the 73 that it reads."""
    contestant, model, tokenizer = prepared(way, validation=LONG)
    assert len(tokenizer.tokenize("Paris")) == 1
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 9.0, 0.0, 0.0, 0.0]))
    tags = contestant.tags()
    kept = 73 if way == "2018 way" else 80
    assert tags == [["B-geo"] * kept + ["O"] * (80 - kept)]
    recall = kept / 80
    assert contest.word_f1(LONG, tags) == pytest.approx(2 * recall / (1 + recall))


def test_the_judge_is_strict():
    table = sentences((["a", "b", "c", "d"], ["B-geo", "I-geo", "O", "B-per"]))
    assert contest.word_f1(table, [["B-geo", "I-geo", "O", "I-per"]]) == pytest.approx(2 / 3)  # seqeval's default: 1


def test_what_the_peers_report_is_seqevals_default():
    gold, predicted = [["B-geo", "I-geo", "O", "B-per"]], [["B-geo", "I-geo", "O", "I-per"]]
    scores = Seqeval(keep_in_memory=True).compute(predictions=predicted, references=gold)
    assert scores["f1"] == 1.0 and scores["accuracy"] == 0.75


def test_peers_report_the_same_f1_and_so_does_the_judge(prepared):
    """A bias that wins everywhere: the three programs have nothing to differ about."""
    found = {}
    for way in WAYS:
        contestant, model, _ = prepared(way)
        with torch.no_grad():
            model.classifier.weight.zero_()
            model.classifier.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 9.0, 0.0]))
        metrics = contestant.evaluate()
        found[way] = metrics.get("f1", metrics.get("eval_f1"))
        assert contest.word_f1(CORPUS, contestant.tags()) == pytest.approx(2 * 3 / (50 + 10))
    assert found["stock"] == found["stock, best flags"] == found["ours"] == pytest.approx(2 * 3 / (50 + 10))


def test_the_clock_stops_at_the_ends_of_turns():
    events = []

    class Pipe:
        recv = staticmethod(lambda: events.append("go"))
        send = staticmethod(lambda seconds: events.append(steps))

    clock = contest.Clock(Pipe, turns=3, steps=6)
    clock.start()
    for steps in range(1, 7):  # noqa: B007
        clock.after_step()
    clock.stop()
    assert events == ["go", 2, "go", 4, "go", 6]


def test_turns_rotate(in_threads, monkeypatch, job):
    order = []

    def compete(pipe, way, task):
        clock = contest.Clock(pipe, task.turns, task.turns)
        pipe.send("ready")
        clock.start()
        for _ in range(task.turns):
            order.append(way)
            clock.after_step()
        clock.stop()
        pipe.recv()
        return {"steps": clock.done}

    monkeypatch.setattr(contest, "compete", compete)
    task = contest.Task("", job, None, turns=2)
    found = contest.take_turns(dict.fromkeys(WAYS[:3], task), first=1)
    assert order == [*WAYS[1:3], WAYS[0], WAYS[2], *WAYS[:2]]
    assert {way: (len(figures["seconds"]), figures["steps"]) for way, figures in found.items()} == dict.fromkeys(
        WAYS[:3], (2, 2)
    )


def test_a_contestant_that_fails_is_named(in_threads, monkeypatch, job):
    monkeypatch.setattr(contest, "compete", lambda pipe, way, task: 1 // 0)
    with pytest.raises(RuntimeError, match="(?s)stock: .*ZeroDivisionError"):
        contest.take_turns({"stock": contest.Task("", job, None)})


def test_the_table_in_exact_figures():
    def figures(seconds, padding, peak, **more):
        return {"seconds": seconds, "padding": padding, "peak": peak * 2**20, "steps": 4, **more}

    record = {"what": "4 steps", "words": 1200, "parts": 2}
    record["rounds"] = [{"stock": figures([3.0, 9.0], 0.5, 2000), "ours": figures([2.0, 3.0], 0.041, 1500)}]
    assert bench_train.contest_table(record).splitlines() == [
        "| 4 steps | seconds | words a second | padding | peak MiB | F1 | ours is faster | turn by turn |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| stock | 12.00 | 100 | 50.0% | 2,000 | – | 2.40x | 2.25x (1.50 to 3.00) |",
        "| ours | 5.00 | 240 | 4.1% | 1,500 | – |  |  |",
    ]
    record = {"what": "training", "words": 1200, "parts": 1, "rounds": [
        {"stock": figures([stock], 0.5, 2000 + stock, f1=0.7), "ours": figures([ours], 0.05, 1500, f1=f1)}
        for stock, ours, f1 in ((12.0, 4.0, 0.8), (10.0, 4.0, 0.7), (6.0, 3.0, 0.9))
    ]}  # fmt: skip
    assert bench_train.contest_table(record).splitlines()[2:] == [
        "| stock | 10.00 | 120 | 50.0% | 2,012 | 0.7000 | 2.50x | 2.50x (2.00 to 3.00) |",
        "| ours | 4.00 | 300 | 5.0% | 1,500 | 0.8000 |  |  |",
    ]


def test_the_floors_in_exact_figures():
    record = {
        "what": "a step",
        "precision": "bf16",
        "operations": 3e11,
        "bytes": 2e9,
        "tokens": 850.4,
        "seconds": 1.5,
        "rates": {"fp32": 1.2e11, "bf16": 3e11},
        "bandwidth": 1e10,
    }
    assert [line.split(" | ")[-1].rstrip(" |") for line in bench_train.floors_table(record).splitlines()[2:]] == [
        "120 GFLOP/s", "300 GFLOP/s", "10.0 GB/s", "1.0000 s", "0.2000 s", "1.5000 s", "25%", "67%",
    ]  # fmt: skip
    del record["rates"]["bf16"]
    record["precision"] = "fp32"
    assert "| matrix products of its shapes, 850 tokens, bf16 | not measured |" in bench_train.floors_table(record)


def test_operations_and_bytes_of_a_model_counted_by_hand(start):
    model = transformers.AutoModelForTokenClassification.from_pretrained(start, num_labels=5)
    weights = 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 5
    assert floors.linear_layers(model) == {(32, 32): 8, (32, 64): 2, (64, 32): 2, (32, 5): 1}
    attention = 2 * 2 * 2 * 32 * (3**2 + 4**2)  # 2 layers, 2 products of 2 operations
    assert floors.training_operations(model, np.array([3, 4])) == 3 * (2 * weights * 7 + attention)
    assert floors.step_bytes(model) == 44 * model.num_parameters()


def test_drawn_sentences():
    drawn = bench_train.draw(CORPUS, 25, 3)
    assert drawn.equals(bench_train.draw(CORPUS, 25, 3)) and not drawn.equals(bench_train.draw(CORPUS, 25, 4))
    rows = drawn["row"].to_pylist()
    assert sorted(rows[:10]) == CORPUS["row"].to_pylist() and rows[:10] == rows[10:20]


def test_sentences_of_so_many_words():
    sizes = [len(words) for words in CORPUS["tokens"].to_pylist()]
    assert sum(sizes) == 50
    first, rest = bench_train.of_words(CORPUS, 11)
    assert bench_train.words_in(first) == 13 and rest["row"].to_pylist() == CORPUS["row"].to_pylist()[3:]
    first, rest = bench_train.of_words(CORPUS, 60)
    assert bench_train.words_in(first) == 60 and len(first) == 12 and rest.equals(CORPUS)


def write_corpus(path):
    rows = zip(CORPUS["tokens"].to_pylist(), CORPUS["tags"].to_pylist(), strict=True)
    text = "".join(f"{n},{word},{tag}\n" for n, row in enumerate(rows) for word, tag in zip(*row, strict=True))
    path.write_text("Sentence #,Word,Tag\n" + text)
    return str(path)


@pytest.fixture
def done(monkeypatch):
    """`contest.take_turns` in this process, each way after the other; the tasks that were done."""
    tasks_done = []

    def one_after_the_other(tasks, first=0):
        tasks_done.extend(tasks.values())
        return {way: alone(way, task) for way, task in tasks.items()}

    monkeypatch.setattr(contest, "take_turns", one_after_the_other)
    monkeypatch.setattr(contest.gc, "collect", lambda: 0)  # slow where all of torch and pytest is looked through
    return tasks_done


def alone(way, task):
    """The figures of a contestant that need not wait for others."""
    said = []
    figures = contest.compete(SimpleNamespace(recv=lambda: None, send=said.append), way, task)
    assert said.pop(0) == "ready"
    return {"seconds": said} | figures


def test_from_the_command_line_to_the_table_and_again(start, tmp_path, capsys, monkeypatch, done):
    monkeypatch.setattr(contest, "WAYS", {way: contest.WAYS[way] for way in ("2018 way", "ours")})
    figures = tmp_path / "figures.jsonl"
    flags = ["--train_file", write_corpus(tmp_path / "corpus.csv"), "--model", start, "--output", str(figures)]
    flags += ["--batch_size", "4", "--seeds", "1"]
    assert bench_train.main(["steps", *flags, "--steps", "4", "--rounds", "2"]) == 0
    assert bench_train.main(["train", *flags]) == 0
    assert bench_train.main(["evaluate", *flags, "--words", "20", "--rounds", "2"]) == 0
    shown = capsys.readouterr().out
    records = [json.loads(line) for line in figures.read_text().splitlines()]
    assert [record["case"] for record in records] == ["steps", "train", "evaluate"]
    turns = [[len(found["seconds"]) for found in record["rounds"][0].values()] for record in records]
    assert turns == [[2, 2], [1, 1], [2, 2]]
    steps = [{found["steps"] for found in record["rounds"][0].values()} for record in records]
    assert steps == [{4}, {9}, {0}]
    taught, *judged = done[-3:]
    assert taught.save and {task.start for task in judged} == {taught.save}
    drawn = bench_train.draw(CORPUS, 5 * 4, 1).slice(4)
    assert [record["words"] for record in records] == [bench_train.words_in(drawn), 3 * 49, 21]
    assert "| 4 steps of 4 sentences, " in shown and "| 3 epochs with evaluation, 9 and 1 sentences, " in shown
    assert bench_train.main(["show", str(figures)]) == 0
    tables = [line for line in shown.splitlines() if line.startswith("|")]
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")] == tables


def test_the_profile_names_the_operators(start, tmp_path, capsys, done):
    flags = ["--train_file", write_corpus(tmp_path / "corpus.csv"), "--model", start, "--batch_size", "4"]
    assert bench_train.main(["profile", *flags, "--steps", "2", "--rounds", "1"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert len(rows) == 10 and any(row[0].startswith("| `aten::") for row in rows)


@pytest.mark.soak
def test_four_processes_take_turns(start, tmp_path, capsys):
    flags = ["--train_file", write_corpus(tmp_path / "corpus.csv"), "--model", start, "--batch_size", "4"]
    assert bench_train.main(["steps", *flags, "--steps", "4", "--rounds", "2"]) == 0
    rows = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    assert rows == [f"| {way}" for way in WAYS]


def test_a_step_within_another_is_taken_off_it(monkeypatch):
    times = iter([0.0, 1.0, 5.0, 5.5])
    monkeypatch.setattr(fixed_costs.time, "perf_counter", lambda: next(times))
    watch = fixed_costs.Stopwatch()
    assert watch.timed("training", lambda: watch.timed("checkpoint", lambda: 7)) == 7
    assert watch.seconds == {"training": 1.5, "checkpoint": 4.0}
    assert watch.inner == [5.5]


def test_what_is_timed_is_there():
    """A function of the recipe that is renamed must be renamed in `STEPS` too."""
    for place in fixed_costs.STEPS:
        owner, name = fixed_costs.owner_of(place)
        assert callable(getattr(owner, name)), place


def test_the_seconds_of_a_run_as_a_table():
    table = bench_train.fixed_table({"what": "a run", "seconds": {"imports": 2.5, "training": 7.25}})
    assert table.splitlines()[2:] == ["| imports | 2.50 |", "| training | 7.25 |", "| all | 9.75 |"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["steps", "--train_file", "no.csv"], "no.csv: no such file, check the path"),
        (["steps", "--rounds", "3"], "--rounds 3: 50 steps cannot be cut into so many turns of equal length"),
        (["steps", "--rounds", "0"], "--rounds 0: give 1 or more"),
        (["show"], "show: give the file that --output wrote"),
        (["show", "no.jsonl"], "no.jsonl: cannot be read (No such file or directory)"),
        (["train", "a.jsonl"], "a.jsonl: only for show"),
        (["--bogus"], "the following arguments are required: case"),
        (["train", "--model", "/no/such"], "--model /no/such: "),
        (["train", "--output", "/no/such/a.jsonl"], "--output /no/such/a.jsonl: cannot be written (No such file or"),
    ],
)
def test_faults_of_the_command_line(arguments, message, capsys):
    assert bench_train.main(arguments) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"bench_train: {message}") and shown.count("\n") == 1


def test_show_refuses_a_file_of_something_else(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"case": "steps"}\n')
    with pytest.raises(InputError, match="not what --output writes"):
        bench_train.show(tmp_path / "a.jsonl")


def test_labels_of_the_2018_way(prepared):
    """Every subword has the label of its word, padding none."""
    contestant, _, tokenizer = prepared("2018 way")
    assert isinstance(contestant, OwnLoop) and isinstance(prepared("stock")[0], Stock)
    ids, mask, labels = contestant.train_data[0]
    pieces = [len(tokenizer.tokenize(word)) for word in CORPUS["tokens"][0].as_py()]
    expected = [label for label, count in zip([3, 4, 0, 1, 0], pieces, strict=True) for _ in range(count)]
    assert labels.tolist() == [IGNORED, *expected, *[IGNORED] * (74 - len(expected))]
    assert mask.sum() == len(expected) + 2 and len(ids) == 75
