"""What may be loaded: safetensors and transformers' own classes; pickles and code of the model's own only if asked."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from standin_hub import StandInHub
from test_run_ner import QUICK, start
from test_run_ner import corpus as corpus

from ner_data import InputError
from ner_eval.recognizer import Recognizer
from ner_model.load import load_model, load_tokenizer, read_config

NAMES = ["O", "B-per", "I-per"]
ROOT = Path(__file__).parent.parent


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def pickled(bert_dir, tmp_path):
    """A model whose weights are a pickle that runs code, and the file that this code creates."""
    directory, trace = tmp_path / "pickled", tmp_path / "unpickled"
    shutil.copytree(bert_dir, directory)
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Bomb(trace)}, protocol=2))
    return directory, trace


CODE = """
import transformers
open({trace!r}, "w").close()
class OwnConfig(transformers.BertConfig):
    model_type = "own"
class OwnForTokenClassification(transformers.BertForTokenClassification):
    config_class = OwnConfig
"""


@pytest.fixture
def own_code(bert_dir, tmp_path):
    """A model with code of its own, and the file that this code creates when it is imported."""
    directory, trace = tmp_path / "own", tmp_path / "imported"
    shutil.copytree(bert_dir, directory)
    (directory / "own.py").write_text(CODE.format(trace=str(trace)))
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModelForTokenClassification": "own.OwnForTokenClassification"}
    change(directory / "config.json", model_type="own", auto_map=auto_map)
    return directory, trace


def change(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_the_bomb_goes_off(pickled):
    directory, trace = pickled
    pickle.loads((directory / "pytorch_model.bin").read_bytes())["weight"].close()
    assert trace.exists()


def test_a_pickle_is_refused_at_once_and_never_read(pickled, corpus):
    directory, trace = pickled
    code = (
        "import sys, run_ner\n"
        "from ner_data import InputError\n"
        "try:\n    run_ner.main(sys.argv[1:])\n"
        "except InputError as error:\n    print(error, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "--train_file", corpus, "--model", str(directory)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    last = run.stdout.splitlines()[-1]
    assert last.startswith(f"--model {directory}: its weights are a pickle (pytorch_model.bin), which can run code"), (
        run
    )
    assert "give --trust_remote_code if you trust who made it" in last and last.endswith(" False")
    with pytest.raises(InputError, match="its weights are a pickle"):
        Recognizer(str(directory))
    with pytest.raises(InputError, match="cannot be loaded"):  # whatever has looked at the files before
        load_model(str(directory), load_tokenizer(str(directory), []), NAMES, False)
    assert not trace.exists()


def test_a_pickle_that_runs_code_is_not_read_with_the_flag_either(pickled):
    """The flag allows pickles, and torch reads tensors alone from them (`weights_only`)."""
    directory, trace = pickled
    assert read_config(str(directory), trust_remote_code=True)["model_type"] == "bert"
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(str(directory), load_tokenizer(str(directory), []), NAMES, False, trust_remote_code=True)
    assert not trace.exists()


def test_honest_pickles_are_loaded_with_the_flag_or_converted_by_the_command_in_the_message(bert_dir, tmp_path):
    directory = tmp_path / "honest"
    shutil.copytree(bert_dir, directory)
    weights = safetensors.torch.load_file(directory / "model.safetensors")
    torch.save(weights, directory / "pytorch_model.bin")
    read_config(str(directory))  # both: safetensors are read
    (directory / "model.safetensors").unlink()
    tokenizer = load_tokenizer(bert_dir, [])
    torch.manual_seed(0)
    expected = load_model(bert_dir, tokenizer, NAMES, False).state_dict()
    torch.manual_seed(0)
    found = load_model(str(directory), tokenizer, NAMES, False, trust_remote_code=True).state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(str(directory), tokenizer, NAMES, False)
    with pytest.raises(InputError) as refusal:
        read_config(str(directory))
    command = str(refusal.value).split(", or write them anew: ")[1]
    subprocess.run(command, shell=True, check=True, timeout=60)
    again = safetensors.torch.load_file(directory / "model.safetensors")
    assert set(again) == set(weights) and all(torch.equal(again[name], weight) for name, weight in weights.items())
    read_config(str(directory))


@pytest.mark.parametrize(
    ("files", "entries", "refused"),
    [
        (["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"], {}, "pytorch_model-00001-of-00002.bin"),
        (["model.safetensors"], {"transformers_weights": "adapter_model.bin"}, "adapter_model.bin"),
        (["model.safetensors.index.json"], {}, "shard.bin"),
        (["model.safetensors", "pytorch_model.bin", "optimizer.pt", "training_args.bin"], {}, None),
        (["model.onnx", "training_args.bin"], {}, None),
    ],
)
def test_which_files_count_as_pickled_weights(files, entries, refused, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"} | entries))
    for name in files:
        (tmp_path / name).write_text('{"weight_map": {"w": "shard.bin", "v": "model-00001-of-00001.safetensors"}}')
    if refused is None:
        assert read_config(str(tmp_path))["model_type"] == "bert"
    else:
        with pytest.raises(InputError, match=rf"its weights are a pickle \({refused}\)"):
            read_config(str(tmp_path))


def test_code_of_the_models_own_is_refused_and_never_imported(own_code, corpus, bert_dir, tmp_path):
    directory, trace = own_code
    expected = f"--model {directory}: its config.json asks to run code of its own (auto_map); give --trust_remote_code"
    code, _, err = start("--train_file", corpus, "--model", directory)
    assert code == 2 and err.count("\n") == 1 and err.startswith(f"run_ner.py: {expected}"), err
    change(directory / "config.json", model_type="bert")  # a name that transformers knows, and another model behind it
    with pytest.raises(InputError, match=r"config.json asks to run code of its own \(auto_map\)"):
        read_config(str(directory))
    shutil.copytree(bert_dir, tmp_path / "tokenizer")
    change(tmp_path / "tokenizer" / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.A", "own.B"]})
    with pytest.raises(InputError, match=r"tokenizer_config.json asks to run code of its own \(auto_map\)"):
        read_config(str(tmp_path / "tokenizer"))
    assert not trace.exists()


def test_a_run_with_the_flag_runs_the_models_own_code_and_its_result_needs_it_too(own_code, corpus, tmp_path):
    directory, trace = own_code
    run, text = tmp_path / "run", tmp_path / "text.txt"
    modules = {"HF_MODULES_CACHE": str(tmp_path / "modules")}
    flags = ["--train_file", corpus, "--model", directory, "--output_dir", run, *QUICK, "--trust_remote_code"]
    code, out, err = start(*flags, **modules)
    assert code == 0, err
    assert trace.exists() and "parity on the first" in out
    assert json.loads((run / "config.json").read_text())["architectures"] == ["OwnForTokenClassification"]
    text.write_text("Angela Merkel visited Paris .\n")
    for trust, expected in (([], 2), (["--trust_remote_code"], 0)):
        command = [sys.executable, "-m", "ner_eval.predict", "--model", run, text, *trust]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | modules, timeout=120)
        assert done.returncode == expected, done.stderr
        assert expected == 0 or "give --trust_remote_code if you trust who made it" in done.stderr


def test_an_adapter_is_no_model(bert_dir, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="--model .*: an adapter, not a model; merge it into its model first"):
        read_config(str(tmp_path))
    shutil.copy(f"{bert_dir}/config.json", tmp_path)
    with pytest.raises(InputError, match="an adapter, not a model"):
        read_config(str(tmp_path))


def test_on_the_hub_pickles_adapters_and_code_are_refused_before_any_weight_is_fetched(
    pickled, own_code, bert_dir, corpus, tmp_path
):
    shutil.copytree(bert_dir, tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with StandInHub() as hub:
        hub.add_model("me/pickled", pickled[0])
        hub.add_model("me/own", own_code[0])
        hub.add_model("me/adapter", tmp_path / "adapter")
        for model, message in (
            (
                "me/pickled",
                "its weights are a pickle (pytorch_model.bin), which can run code when read; give --trust_re",
            ),
            ("me/own", "its config.json asks to run code of its own (auto_map); give --trust_remote_code if you trust"),
            ("me/adapter", "an adapter, not a model; merge it"),
        ):
            for _ in range(2):  # the second time its config.json is here already
                code, _, err = start("--train_file", corpus, "--model", model, **hub.environment())
                assert code == 2 and err.count("\n") == 1, err
                assert err.startswith(f"run_ner.py: --model {model}: {message}"), err
        flags = ["--trust_remote_code", "--push_to_hub", "--hub_model_id", "me/x"]
        code, _, err = start("--train_file", corpus, "--model", "me/own", *flags, **hub.environment())
        assert (code, err) == (
            2,
            "run_ner.py: --push_to_hub: --model me/own brings code of its own, which is not published\n",
        )
        fetched = {request.path.rsplit("/", 1)[-1] for request in hub.requests if "/resolve/" in request.path}
        assert fetched == {"config.json", "tokenizer_config.json"} and not hub.unexpected
    assert not pickled[1].exists() and not own_code[1].exists()
