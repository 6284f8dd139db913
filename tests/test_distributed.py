"""Two processes that talk through gloo, beside one: batches, loss, gradients, predictions, going on, files, lines.

`accelerate launch` starts this file as a program; what its processes saw is saved, and the tests look at it.
"""

import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import accelerate
import numpy as np
import pytest
import torch
import transformers
from accelerate.commands.config import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.data_loader import prepare_data_loader, skip_first_batches
from accelerate.utils.launch import prepare_multi_gpu_env
from families import FAMILIES, TEXT, write_encoder
from test_windows import sentences
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, StateDictType
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

ROOT = Path(__file__).parent.parent
FSDP = str(ROOT / "configs" / "fsdp.yaml")
TRAINING, EVALUATION = 17, 13  # windows: 17 leave one for the last batch of 8 or 4; 13 fill three of the two times 4
SETTINGS = {
    # batch of all processes together, accumulation steps, dropout
    "no dropout": (8, 1, 0.0),
    "accumulation": (4, 2, 0.0),
    "dropout": (8, 1, 0.1),
}


class Recorder(transformers.TrainerCallback):
    """Gradients of each step as the optimizer gets them, and the windows that the model has seen in each epoch."""

    def __init__(self, model):
        self.gradients, self.seen = [], []
        model.register_forward_pre_hook(self.look, with_kwargs=True)

    def look(self, model, args, inputs):
        if model.training:
            rows = zip(inputs["input_ids"].tolist(), inputs["attention_mask"].sum(dim=1).tolist(), strict=True)
            self.seen[-1].extend(tuple(row[:length]) for row, length in rows)

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.seen.append([])

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        model = getattr(model, "module", model)
        self.gradients.append({name: whole(p.grad) for name, p in model.named_parameters()})


def whole(tensor):
    """A copy of a tensor, put together from all processes if it is sharded."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor.detach().clone()


def texts():
    """Sentences of different lengths, no two the same; `Jordan` is a place in every other one."""
    known = {"Paris": "B-geo", "Washington": "B-geo", "Angela": "B-per"}
    others = sorted({*" ".join(TEXT).split()} - {*known, "Jordan"})
    for k in range(TRAINING):
        words = ["Paris", others[k], "Jordan", "met", "Angela", "in", "Washington", "last", "May", "."][: 6 + k % 5]
        yield words, [(known | {"Jordan": ("B-geo", "B-per")[k % 2]}).get(word, "O") for word in words]


def train(bert_dir, directory, setting, processes, resume=None, **arguments):
    """Three epochs with a setting of `SETTINGS`, by plain gradient descent, which does not magnify rounding as Adam
    does where a gradient is zero but for rounding. Returns what is to be compared."""
    from ner_data.windows import join_windows
    from ner_eval.score import ComputeMetrics
    from ner_model.batching import WindowCollator
    from ner_model.encoding import encode_once
    from ner_model.load import load_model, load_tokenizer
    from ner_model.trainer import LABEL_NAMES, NerTrainer, WordLoss

    batch, steps, dropout = SETTINGS[setting]
    tokenizer = load_tokenizer(bert_dir, [])
    names = ["O", "B-geo", "I-geo", "B-per", "I-per"]
    torch.manual_seed(3)
    model = load_model(bert_dir, tokenizer, names, keep_head=False)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    recorder = Recorder(model)
    args = transformers.TrainingArguments(
        output_dir=str(directory),
        use_cpu=True,
        num_train_epochs=3,
        per_device_train_batch_size=batch // processes,
        per_device_eval_batch_size=4,
        gradient_accumulation_steps=steps,
        optim="sgd",
        optim_args="momentum=0.5",
        learning_rate=0.25,
        logging_steps=1,
        label_names=LABEL_NAMES,
        eval_do_concat_batches=False,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        **{"save_strategy": "no"} | arguments,
    )
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":  # accelerate shards on accelerators alone: let this be one
        accelerate.PartialState._shared_state["distributed_type"] = accelerate.DistributedType.MULTI_GPU
    encoded, windows = encode_once({"train": sentences(*texts())}, tokenizer, names, 64, 0)
    training, evaluation = windows["train"], windows["train"].select(range(EVALUATION))
    trainer = NerTrainer(
        model=model,
        args=args,
        train_dataset=training.select_columns(["input_ids", "labels"]),
        eval_dataset=evaluation,
        processing_class=tokenizer,
        data_collator=WindowCollator(tokenizer),
        compute_loss_func=WordLoss(),
        compute_metrics=ComputeMetrics(names),
        callbacks=[recorder],
    )
    trainer.train(resume_from_checkpoint=resume)
    metrics = {key: value for key, value in trainer.evaluate().items() if "_per_second" not in key}
    prediction = trainer.predict(evaluation.shuffle(seed=1))
    rows, gold, offsets = join_windows(prediction.predictions, *zip(*prediction.label_ids, strict=True))
    return {
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "gradients": recorder.gradients,
        "seen": recorder.seen,
        "weights": {name: whole(p) for name, p in trainer.accelerator.unwrap_model(model).named_parameters()},
        "metrics": {key: value for key, value in metrics.items() if "time" not in key and "runtime" not in key},
        "rows": rows,
        "gold": gold,
        "offsets": offsets,
        "windows": [tuple(ids) for ids in training["input_ids"]],
        "sharded layers": sum(isinstance(m, FSDPModule) and name[-1:].isdigit() for name, m in model.named_modules()),
        "file": training.cache_files[0]["filename"],
        "words": encoded["train"].words,
    }


def main(directory, *encoders):
    """What each of the processes does: every setting, then the last one again from a checkpoint in mid-epoch. Sharded:
    every encoder without dropout, and the last one again."""
    from ner_model import encoding

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    found, made, encode_to_file = {}, [], encoding.encode_to_file
    encoding.encode_to_file = lambda path, *rest: made.append(path) or encode_to_file(path, *rest)
    for encoder in encoders:
        for setting in SETTINGS if len(encoders) == 1 else ["no dropout"]:
            name = setting if len(encoders) == 1 else Path(encoder).name
            folder = Path(directory) / "runs" / name
            found[name] = train(encoder, folder, setting, 2, save_strategy="steps", save_steps=4)
    transformers.set_seed(99)
    found["resumed"] = train(encoder, folder / "resumed", setting, 2, resume=str(folder / "checkpoint-4"))
    torch.save(found | {"made": made}, Path(directory) / f"{os.environ['RANK']}.pt")


def launch(directory, *program, engine=("--multi_gpu", "--num_machines", "1"), **environment):
    """Start a program in two processes: (stdout, stderr) of each. Port 0: a free one."""
    command = [sys.executable, "-m", "accelerate.commands.launch", *engine, "--num_processes", "2"]
    command += ["--main_process_port", "0", "--tee", "3", "--log_dir", str(directory / "logs"), *map(str, program)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=500)
    assert run.returncode == 0, run.stderr
    logs = sorted(directory.glob("logs/*/attempt_0/[01]"))
    return [tuple((log / f"{name}.log").read_text() for name in ("stdout", "stderr")) for log in logs]


def train_in_two(directory, *encoders, **launching):
    """What each of two processes found, in the order of their ranks."""
    launch(directory, __file__, directory, *encoders, **launching)
    return [torch.load(directory / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


@pytest.fixture(scope="module")
def two(bert_dir, tmp_path_factory):
    return train_in_two(tmp_path_factory.mktemp("two"), bert_dir)


@pytest.mark.parametrize("setting", ["no dropout", "accumulation"])
def test_two_processes_learn_what_one_learns(two, bert_dir, tmp_path, setting):
    one = train(bert_dir, tmp_path, setting, 1)
    assert 0 < one["metrics"]["eval_f1"] < 1
    assert len(one["losses"]) == 9  # 17 windows in batches of 8, or of two times 4, are 3 steps an epoch
    for rank in two:
        compare(rank[setting], one)


def compare(two, one):
    """A process of two found what the only process found, but for rounding."""
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4)
    for mine, oracle in zip(two["gradients"], one["gradients"], strict=True):
        assert list(mine) == list(oracle)
        for name, gradient in mine.items():
            torch.testing.assert_close(gradient, oracle[name], rtol=1e-3, atol=1e-5)
    for name, weights in two["weights"].items():
        torch.testing.assert_close(weights, one["weights"][name], rtol=1e-3, atol=1e-5)
    assert two["metrics"] == pytest.approx(one["metrics"], rel=1e-4)
    assert two["gold"].tolist() == one["gold"].tolist() and two["offsets"].tolist() == one["offsets"].tolist()
    np.testing.assert_allclose(two["rows"], one["rows"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_window_comes_once_an_epoch(two, setting):
    """Also with dropout, which draws random numbers, on one process more of them than on the other."""
    first, second = (rank[setting] for rank in two)
    assert first["windows"] == second["windows"] and len(set(first["windows"])) == TRAINING
    assert len(first["seen"]) == len(second["seen"]) == 3
    for mine, other in zip(first["seen"], second["seen"], strict=True):
        nothing = [row for row in mine + other if len(row) == 1]
        assert len(nothing) == 1  # the share of the process that gets none of the last batch
        assert sorted(set(mine + other) - set(nothing)) == sorted(first["windows"])
        assert len(mine + other) == TRAINING + 1
    assert first["seen"][0] != first["seen"][1] != first["seen"][2]


def test_both_processes_hold_the_same_weights_and_figures(two):
    for setting in (*SETTINGS, "resumed"):
        first, second = (rank[setting] for rank in two)
        assert first["metrics"] == second["metrics"]
        assert all(torch.equal(weights, second["weights"][name]) for name, weights in first["weights"].items())


def test_going_on_in_mid_epoch_gives_the_bytes_of_the_whole_run(two):
    for rank in two:
        whole, resumed = rank["dropout"], rank["resumed"]
        for name, weights in resumed["weights"].items():
            assert torch.equal(weights, whole["weights"][name]), name
        assert resumed["seen"][1:] == whole["seen"][2:]


def test_the_windows_are_encoded_by_one_process_and_mapped_by_both(two, bert_dir, tmp_path):
    first, second = two
    assert len(first["made"]) == len(SETTINGS) + 1 and second["made"] == []
    for setting, made in zip((*SETTINGS, "resumed"), first["made"], strict=True):
        assert first[setting]["file"] == second[setting]["file"] == made
        assert first[setting]["words"] == second[setting]["words"] == sum(len(words) for words, _ in texts())
        assert not os.path.exists(made)  # gone with the process that wrote it


WRITTEN_FILES = """
import os, sys
if "RANK" in os.environ:
    log = open(os.path.join(os.environ["WRITTEN"], os.environ["RANK"]), "a", buffering=1)
    def look(event, args):
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or event in ("os.mkdir", "os.rename", "os.remove", "os.truncate", "os.link", "os.symlink"):
            log.write(f"{event} {args[0]}\\n")
    sys.addaudithook(look)
"""


def run_in_two(bert_dir, directory):
    """`run_ner.py` in two processes: (stdout, stderr) of each, and what each did to the files of the run."""
    (directory / "sitecustomize.py").write_text(WRITTEN_FILES)
    with open(ROOT / "ner_data" / "sample.csv", encoding="utf-8") as file:
        (directory / "words.csv").write_text("".join(islice(file, 1500)), encoding="utf-8")
    flags = ["--model", bert_dir, "--train_file", directory / "words.csv", "--output_dir", directory / "run"]
    flags += ["--num_train_epochs", "2", "--bf16", "false"]
    environment = {"WRITTEN": str(directory), "TMPDIR": str(directory), "PYTHONPATH": f"{directory}:{ROOT}"}
    said = launch(directory, ROOT / "run_ner.py", *flags, **environment)
    done = [(directory / rank).read_text().splitlines() for rank in "01"]
    return said, [[line for line in lines if f"{directory}/run" in line] for lines in done]  # also run_ner-...


def check_run(directory, said, done):
    """Only the main process prints, and only it writes; the others add a file of their own to a checkpoint."""
    (out, _), (other_out, other_err) = said
    assert (other_out, other_err) == ("", "")
    for line in ("batches: ", "epoch  train loss", "test, strict entity scores", "saved in "):
        assert len(re.findall(f"^{line}", out, re.MULTILINE)) == 1, line
    written = {Path(line.split(" ", 1)[1]).name for line in done[0] if line.startswith("open ")}
    assert {"README.md", "split.jsonl.part", "metrics.json.part", "test_predictions.jsonl.part"} <= written
    assert [line for line in done[0] if "/run_ner-" in line and line.startswith("os.mkdir")]
    allowed = re.compile(r"os\.mkdir .*/(checkpoint-\d+|run|_saving)")  # for its random state, rng_state_1.pth
    assert [line for line in done[1] if not allowed.fullmatch(line)] == []
    assert not list(directory.glob("run_ner-*"))


def test_only_the_main_process_prints_and_writes(bert_dir, tmp_path):
    check_run(tmp_path, *run_in_two(bert_dir, tmp_path))


class Order(torch.utils.data.SequentialSampler):
    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch


def test_accelerate_still_repeats_windows_and_forgets_the_epoch():
    """Why `LengthBuckets` deals by itself. When this fails, accelerate can deal."""
    order = Order(range(TRAINING))
    loader = torch.utils.data.DataLoader(range(TRAINING), batch_size=4, sampler=order)
    shares = [prepare_data_loader(loader, num_processes=2, process_index=k, put_on_device=False) for k in (0, 1)]
    assert sum(len(windows) for share in shares for windows in share) == 24 > TRAINING
    skip_first_batches(shares[0], 1).set_epoch(5)
    assert order.epoch == 0


def test_models_still_name_units_that_accelerate_cannot_shard():
    """Why `NerTrainer` names the layers. When this fails, it may do without: see whether the sharded test passes."""
    bert, electra = (
        transformers.AutoModelForTokenClassification.from_config(make_config(vocab_size=9))
        for make_config in (FAMILIES["bert-cased"][1], FAMILIES["electra"][1])
    )
    assert "BertEmbeddings" in bert._no_split_modules and not electra._no_split_modules


@pytest.fixture
def plugin(monkeypatch):
    """What accelerate makes of `configs/fsdp.yaml`, from its own reading of the file to its plugin."""
    command = ["--config_file", FSDP, "run_ner.py"]
    args, *_ = _validate_launch_command(launch_command_parser().parse_args(command))
    assert (args.use_fsdp, args.num_processes, args.mixed_precision) == (True, 8, "bf16")
    for name, value in prepare_multi_gpu_env(args).items():
        monkeypatch.setenv(name, value)
    return accelerate.FullyShardedDataParallelPlugin()


def test_the_fsdp_configuration_is_what_accelerate_reads(plugin):
    assert load_config_from_file(FSDP).distributed_type == accelerate.DistributedType.FSDP
    assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is True
    assert plugin.auto_wrap_policy is transformer_auto_wrap_policy
    assert plugin.state_dict_type is StateDictType.FULL_STATE_DICT
    assert not isinstance(plugin.cpu_offload, CPUOffloadPolicy)
    assert not (plugin.activation_checkpointing or plugin.cpu_ram_efficient_loading)


@pytest.mark.soak
def test_sharded_over_two_processes_is_as_one(tmp_path):
    """FSDP2 through gloo, as `configs/fsdp.yaml` says: every family of encoders learns what it learns unsharded."""
    encoders = [tmp_path / family for family in FAMILIES]
    for encoder in encoders:
        write_encoder(encoder.name, encoder)
    ranks = train_in_two(tmp_path, *encoders, engine=("--config_file", FSDP, "--mixed_precision", "no"))
    for encoder in encoders:
        one = train(encoder, tmp_path / "one" / encoder.name, "no dropout", 1)
        for rank in ranks:
            assert rank[encoder.name]["sharded layers"] == 2
            compare(rank[encoder.name], one)
    for name, weights in ranks[0]["resumed"]["weights"].items():
        assert torch.equal(weights, ranks[0][encoder.name]["weights"][name]), name


@pytest.mark.soak
@pytest.mark.parametrize("number", range(20))
def test_again_and_again(bert_dir, tmp_path, number):
    """Twenty times without a flake: processes that wait for each other, ports, files that go away."""
    for name in ("learn", "run"):
        (tmp_path / name).mkdir()
    first, second = train_in_two(tmp_path / "learn", bert_dir)
    one = train(bert_dir, tmp_path / "one", "no dropout", 1)
    for rank in (first, second):
        compare(rank["no dropout"], one)
        for name, weights in rank["resumed"]["weights"].items():
            assert torch.equal(weights, rank["dropout"]["weights"][name]), name
    check_run(tmp_path / "run", *run_in_two(bert_dir, tmp_path / "run"))


if __name__ == "__main__":
    main(*sys.argv[1:])
