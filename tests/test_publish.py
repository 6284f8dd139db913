"""Publishing to, and loading from, a Hub: the card, the login check, the push and all the ways in which it can fail."""

import gc
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, close_session, constants
from standin_hub import CUT, LOST, StandInHub

from ner_data import InputError
from ner_eval import publish as publishing
from ner_eval.card import address_card, keep_facts, write_card
from ner_eval.publish import PublishError, check_login, files_to_publish, publish

ROOT = Path(__file__).parent.parent
LABELS = ["O", "B-geo", "I-geo", "B-per", "I-per"]
SAVED = ("README.md", "config.json", "metrics.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


# huggingface_hub 2.4 hands the open LFS file to httpx2 in a way that httpx2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def scores(f1: float) -> dict:
    return {
        **{"precision": 0.8, "recall": 0.7, "f1": f1, "accuracy": 0.95, "loss": 0.21},
        **{"sentences": 1010, "words": 20001},
        **{"macro_precision": 0.71, "macro_recall": 0.61, "macro_f1": 0.65},
        "per_type": {
            "geo": {"precision": 0.81, "recall": 0.72, "f1": 0.7624, "support": 1234},
            "per": {"precision": 1.0, "recall": 0.5, "f1": 0.6667, "support": 3},
        },
    }


METRICS = {
    **{"model": "scratch", "dataset": "sample.csv", "seed": 42, "model_chosen_by": "validation f1", "labels": LABELS},
    "sentences": {"train": 8000, "validation": 1010, "test": 1010},
    "words": {"train": 160000, "validation": 20001, "test": 20001},
    "training": {
        **{"epochs": 5, "learning_rate": 5e-4, "batch_size": 32, "precision": "bf16"},
        **{"hardware": "CPU, 2 cores", "seconds": 101.3},
    },
    "versions": {"torch": "2.15.0", "transformers": "5.23.0"},
    "validation": scores(0.7567),
    "test": scores(0.7467),
}


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory) -> Iterator[Path]:
    """A tiny BERT as the recipe saves it: weights, config, tokenizer, metrics, card."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    directory = tmp_path_factory.mktemp("saved") / "my-run"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Angela", "Merkel", "visited", "Paris", "on", "Monday", "."]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    BertForTokenClassification(config).save_pretrained(directory)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(directory)
    (directory / "metrics.json").write_text(json.dumps(METRICS))
    write_card(directory, METRICS, model_name="my-run", dataset_name="sample.csv")
    gc.freeze()  # each failed push collects garbage; without this it would look through all of torch each time
    yield directory
    gc.unfreeze()


@pytest.fixture
def model(saved_model, tmp_path) -> Path:
    """A copy of the saved model, among everything that a run may leave in its directory."""
    directory = shutil.copytree(saved_model, tmp_path / "my run")
    for name in ("training_args.bin", "pytorch_model.bin", "optimizer.pt", "trainer_state.json", "train.csv"):
        (directory / name).write_bytes(b"stays at home")
    (directory / "test_predictions.jsonl").write_text("{}\n")
    (directory / "checkpoint-5").mkdir()
    shutil.copy(directory / "model.safetensors", directory / "checkpoint-5" / "model.safetensors")
    return directory


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in Hub that this process talks to too, and that it does not wait for between retries."""
    with StandInHub() as hub:
        for name, value in hub.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr("huggingface_hub.utils._http.time", types.SimpleNamespace(sleep=lambda seconds: None))
        close_session()
        yield hub
        close_session()
        assert hub.unexpected == []


def run(hub: StandInHub, *command: str, token: str | None = None) -> subprocess.CompletedProcess:
    environment = {**os.environ, **hub.environment(token=token), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


# ---- there and back ----


def test_a_model_is_downloaded_by_name_and_published_in_one_private_commit_and_loaded_back(hub, model, saved_model):
    before = contents(model)
    done = run(hub, "-m", "ner_eval.publish", "--model", str(model), "--hub_model_id", "me/x")
    assert done.returncode == 0, done.stderr
    *_, address = done.stdout.splitlines()
    assert address == f"{hub.url}/me/x"
    assert [line.split()[-1] for line in done.stdout.splitlines()[1:-1]] == list(SAVED)

    repo = hub.repos["me/x"]
    assert repo.private
    assert [commit.changed for commit in repo.pushed] == [SAVED]
    assert contents(model) == before
    for name in set(SAVED) - {"README.md"}:
        assert repo.files[name] == (model / name).read_bytes()
    card = repo.files["README.md"].decode()
    own = (model / "README.md").read_text().replace("\n# my-run\n", "\n# x\n").replace("- name: my-run", "- name: x")
    assert card.replace('model="me/x"', 'model="my-run"') == own
    for text in (done.stdout.encode(), done.stderr.encode(), *repo.files.values()):
        assert hub.token.encode() not in text

    hub.add_model("bert-base-cased", saved_model)
    (example,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    (exact,) = re.findall(r"~~~python\n(.*?)~~~", card, re.DOTALL)
    code = f"""
{example}
{exact}
print("the card's code ran with", ner.model.config.id2label[3])
print(pipeline(model="me/x").task)
from transformers import AutoModelForTokenClassification, AutoTokenizer
print(AutoTokenizer.from_pretrained("bert-base-cased").tokenize("Angela visited Paris"))
print(AutoModelForTokenClassification.from_pretrained("bert-base-cased").config.hidden_size)
"""
    loaded = run(hub, "-c", code)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.endswith(
        "the card's code ran with B-per\ntoken-classification\n['Angela', 'visited', 'Paris']\n16\n"
    )
    storage = [request for request in hub.requests if request.path.startswith("/storage/")]
    assert len(storage) == 3 and all("authorization" not in request.headers for request in storage)
    assert hub.token not in loaded.stdout + loaded.stderr


def test_public_only_on_request(hub, model):
    arguments = ["--model", str(model), "--hub_model_id", "x", "--no_hub_private_repo"]
    assert publishing.main(arguments) == 0
    assert not hub.repos["me/x"].private


def test_a_bare_name_gets_the_users_namespace_in_the_card_too(hub, model):
    assert publish(model, "x") == f"{hub.url}/me/x"
    assert b'model="me/x"' in hub.repos["me/x"].files["README.md"]


def test_an_organization_can_be_the_namespace(hub, model):
    assert publish(model, "acme/x") == f"{hub.url}/acme/x"
    assert hub.repos["acme/x"].private


def test_pushing_again_what_is_there_makes_no_commit(hub, model):
    publish(model, "me/x")
    publish(model, "me/x")
    assert len(hub.repos["me/x"].pushed) == 1


def test_an_existing_repository_keeps_its_visibility_and_loses_the_files_of_a_larger_model(hub, model, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for name in ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "vocab.txt", "notes.md"):
        (old / name).write_text(name)
    hub.add_model("me/x", old)
    with pytest.warns(UserWarning, match="me/x exists and is public"):
        publish(model, "me/x")
    repo = hub.repos["me/x"]
    assert not repo.private
    assert len(repo.pushed) == 1
    assert sorted(repo.files) == sorted([*SAVED, "notes.md"])


def test_what_the_owner_wrote_into_the_card_stays(hub, model, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "README.md").write_text(
        "---\nlicense: cc-by-4.0\nlanguage:\n- de\npipeline_tag: fill-mask\n---\n# Old\n"
    )
    hub.add_model("me/x", tmp_path / "old")
    with pytest.warns(UserWarning, match="me/x exists and is public"):
        publish(model, "me/x")
    card = ModelCard(hub.repos["me/x"].files["README.md"].decode())
    assert (card.data.license, card.data.language, card.data.pipeline_tag) == (
        *("cc-by-4.0", ["de"], "token-classification"),
    )
    own = ModelCard((model / "README.md").read_text())
    expected = own.text.replace('model="my-run"', 'model="me/x"').replace("# my-run", "# x")
    assert card.text == expected and "# Old" not in card.text
    assert own.data.license is None and card.data.eval_results == own.data.eval_results
    with pytest.warns(UserWarning):
        publish(model, "me/x")
    assert len(hub.repos["me/x"].pushed) == 1


@pytest.mark.parametrize(
    ("own", "theirs", "found"),
    [
        ("license: mit\n", {"license": "other", "license_name": "x", "language": "de"}, {"language": "de"}),
        ("tags:\n- a\n", {"license": "other", "license_name": "x"}, {"license": "other", "license_name": "x"}),
        ("a: [\n", {"license": "mit"}, None),
        ("tags:\n- a\n", {"pipeline_tag": "fill-mask"}, None),
    ],
)
def test_of_the_front_matter_what_is_missing_is_kept(own, theirs, found):
    text = f"---\n{own}---\n# Own\n"
    kept = keep_facts(text, theirs)
    if found is None:
        assert kept == text
    else:
        assert yaml.safe_load(kept.split("---")[1]) == yaml.safe_load(own) | found and kept.endswith("---\n# Own\n")
    assert keep_facts("\ufeff" + text, theirs) == "\ufeff" + text


def test_what_somebody_else_has_pushed_meanwhile_stays(hub, model, monkeypatch):
    publish(model, "me/x")
    (model / "metrics.json").write_text("{}")

    def push_too(step):
        if step == "commit":
            hub.repos["me/x"].add_commit("theirs", {})

    monkeypatch.setattr(hub, "_fault", push_too)
    with pytest.raises(PublishError, match="somebody else has changed the repository meanwhile"):
        publish(model, "me/x")
    assert hub.repos["me/x"].history[-1].title == "theirs"


def test_a_directory_without_a_card_leaves_the_owners(hub, model):
    publish(model, "me/x")
    card = hub.repos["me/x"].files["README.md"]
    (model / "README.md").unlink()
    (model / "metrics.json").write_text("{}")
    with pytest.warns(UserWarning, match="has no README.md: that of me/x stays as it is"):
        publish(model, "me/x")
    files = hub.repos["me/x"].files
    assert files["README.md"] == card and files["metrics.json"] == b"{}"


def test_files_go_by_plain_http_where_xet_could_be_used(hub, model, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    publish(model, "me/x")
    assert "model.safetensors" in hub.repos["me/x"].files and constants.HF_HUB_DISABLE_XET is False


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("license: [", "while parsing"),
        ("- a", "no mapping"),
        ("base_model: not a name !!", "base_model"),
        ("model-index: 7", "model-index"),
        ("model-index: [{name: x, results: [{task: {type: y}, dataset: {name: z}, metrics: []}]}]", "dataset.type"),
    ],
)
def test_a_card_that_the_hub_refuses_is_one_line(hub, model, front, message):
    (model / "README.md").write_text(f"---\n{front}\n---\n# x\n")
    with pytest.raises(PublishError, match=f"the upload to me/x failed: .*{message}") as raised:
        publish(model, "me/x")
    assert "\n" not in str(raised.value)


def test_a_sharded_model_goes_with_all_its_shards(hub, model):
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    (model / "model.safetensors").rename(model / shards[0])
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": shards[0], "b": shards[1]}}))
    with pytest.raises(InputError, match=shards[1]):
        files_to_publish(model)
    (model / shards[1]).write_bytes(b"second")
    publish(model, "me/x")
    assert hub.repos["me/x"].files[shards[1]] == b"second"
    index.write_text("[]")
    with pytest.raises(InputError, match="no index of weights"):
        files_to_publish(model)


# ---- what goes wrong ----

STEPS = ("whoami", "create", "info", "validate", "preupload", "lfs_batch", "lfs_put", "verify", "commit")
FAULTS = [(step, fault) for step in STEPS for fault in (401, 403, 429, 500, CUT)]
FAULTS += [("commit", 404), ("commit", 409), ("commit", 412)]


@pytest.mark.parametrize(("step", "fault"), FAULTS)
def test_a_failed_push_changes_nothing_and_says_how_to_retry(hub, model, saved_model, capfd, step, fault):
    if step != "create":
        hub.add_model("me/x", saved_model, private=True).head.files.pop("model.safetensors")
        hub.lfs.clear()
        hub._verified.clear()
    before, commit = contents(model), hub.repos["me/x"].head if "me/x" in hub.repos else None
    hub.fail(step, fault)
    assert publishing.main(["--model", str(model), "--hub_model_id", "me/x"]) == 1
    output, errors = capfd.readouterr()
    assert step in hub.steps()
    assert hub.token not in output + errors
    assert contents(model) == before
    assert hub.repos["me/x"].head is commit if commit else "me/x" not in hub.repos

    assert "signature=" not in errors  # of the storage's addresses, in the lines about retries
    message = errors.splitlines()[-1]
    assert errors.count("python -m ner_eval.publish: ") == 1 and message.startswith("python -m ner_eval.publish: ")
    if isinstance(fault, int):
        assert f"HTTP {fault}" in message
    else:
        assert hub.url in message
    untouched, retry = message.split("; ")[-1].split(", to try again: ")
    assert untouched == f"the local model in {model} is untouched"

    hub.heal()
    python, dash_m, module, *arguments = shlex.split(retry)
    assert (python, dash_m, module) == ("python", "-m", "ner_eval.publish")
    assert publishing.main(arguments) == 0
    assert hub.repos["me/x"].head is not commit


@pytest.mark.parametrize("program", ["run_ner", "ner_eval.publish"])
def test_a_signal_while_files_go_to_the_hub_makes_no_commit_and_says_how_to_retry(hub, model, program):
    run_ner = f"""
import run_ner
run_ner.fine_tune = lambda *_: {str(model)!r}
run_ner.signals.catch()
run_ner.main(["--push_to_hub", "--hub_model_id", "me/x", "--no_hub_private_repo"])
"""
    alone = ["-m", "ner_eval.publish", "--model", str(model), "--hub_model_id", "me/x", "--no_hub_private_repo"]
    number = {"run_ner": signal.SIGTERM, "ner_eval.publish": signal.SIGINT}[program]
    hub._fault = lambda step: child.send_signal(number) or time.sleep(0.3) if step == "lfs_put" else None
    environment = {**os.environ, **hub.environment(), "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, *(["-c", run_ner] if program == "run_ner" else alone)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    errors = child.communicate(timeout=60)[1]
    assert child.returncode == 128 + number and "Traceback" not in errors
    assert hub.steps().count("lfs_put") and hub.repos["me/x"].pushed == []
    (message,) = [line for line in errors.splitlines() if f"ended by {number.name}; " in line]
    untouched, retry = message.split("; ")[1].split(", to try again: python -m ner_eval.publish ")
    assert untouched == f"the local model in {model} is untouched"
    del hub._fault
    assert publishing.main(shlex.split(retry)) == 0
    assert len(hub.repos["me/x"].pushed) == 1 and not hub.repos["me/x"].private


def test_an_answer_that_is_lost_leaves_the_new_commit_and_the_retry_makes_no_other(hub, model):
    hub.fail("commit", LOST)
    with pytest.raises(PublishError, match="to try again"):
        publish(model, "me/x")
    assert [commit.changed for commit in hub.repos["me/x"].pushed] == [SAVED]
    hub.heal()
    publish(model, "me/x")
    assert len(hub.repos["me/x"].pushed) == 1


def test_a_passing_fault_is_retried(hub, model):
    hub.fail("lfs_put", 503, times=2)
    publish(model, "me/x")
    assert hub.steps().count("lfs_put") == 3


def test_the_retry_command_repeats_that_the_repository_is_public(hub, model):
    hub.fail("commit", 500)
    with pytest.raises(PublishError, match="--hub_model_id me/x --no_hub_private_repo$"):
        publish(model, "me/x", private=False)


def test_a_file_with_the_token_in_it_is_not_published(hub, model):
    (model / "metrics.json").write_text(json.dumps({"hub_token": hub.token}))
    with pytest.raises(PublishError, match=r"metrics\.json contains your token") as raised:
        publish(model, "me/x")
    assert hub.token not in str(raised.value)
    assert hub.repos == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "no/such/dir", "--hub_model_id", "me/x"], "no such directory"),
        (["--model", "tests", "--hub_model_id", "me/x"], "no config.json"),
        (["--model", "MODEL", "--hub_model_id", "not a name"], "no repository name"),
        (["--model", "WEIGHTLESS", "--hub_model_id", "me/x"], "no model.safetensors"),
        (["--model", "OWN_CODE", "--hub_model_id", "me/x"], "tokenizer_config.json: names code of its own (auto_map)"),
        (["--model", "MODEL"], "--hub_model_id"),
        (["--model", "MODEL", "--hub_model_id", "me/x", "--hub-token", "hf_secret"], "unrecognized"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(hub, model, arguments, words):
    weightless = model.parent / "weightless"
    weightless.mkdir()
    shutil.copy(model / "config.json", weightless)
    own_code = shutil.copytree(model, model.parent / "own_code")
    settings = json.loads((own_code / "tokenizer_config.json").read_text())
    (own_code / "tokenizer_config.json").write_text(
        json.dumps(settings | {"auto_map": {"AutoTokenizer": ["own.T", None]}})
    )
    places = {"MODEL": str(model), "WEIGHTLESS": str(weightless), "OWN_CODE": str(own_code)}
    arguments = [places.get(word, word) for word in arguments]
    done = run(hub, "-m", "ner_eval.publish", *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert words in done.stderr and "hf_secret" not in done.stderr
    assert hub.requests == []


def test_publishing_imports_neither_torch_nor_transformers(hub):
    code = "import sys, ner_eval.publish; print({'torch', 'transformers', 'datasets', 'pandas'} & set(sys.modules))"
    assert run(hub, "-c", code).stdout == "set()\n"


# ---- the login, before training ----


def test_a_good_login_gives_the_full_name_and_creates_nothing(hub):
    assert check_login("x") == check_login("me/x") == check_login("ME/x") == "me/x"
    assert check_login("acme/x", token=f" {hub.token}\n") == "acme/x"
    assert set(hub.steps()) == {"whoami"} and hub.repos == {}


@pytest.mark.parametrize("name", ["", "a/b/c", "me/", "/x", "me/x y", "me/x--y", "me/x..y", "me/-x", "me/x.git", "é/x"])
def test_a_name_that_cannot_be_is_refused_without_asking(hub, name):
    with pytest.raises(PublishError, match="--hub_model_id"):
        check_login(name)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "no Hugging Face token"),
        ("hf_wrong", "HTTP 401"),
        ("READ", "may only read"),
        ("hf_not a token", "contains a blank"),
        ("hf_nötoken", "contains a blank or a character"),
    ],
)
def test_a_login_that_cannot_push_is_refused(hub, monkeypatch, token, words):
    token = hub.read_token if token == "READ" else token
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(PublishError, match=words) as raised:
        check_login("me/x")
    assert "\n" not in str(raised.value)
    assert not token or token not in str(raised.value)
    assert hub.repos == {}


def account(role: str, org_role: str = "write", **more) -> dict:
    orgs = [{"type": "org", "name": "acme", "roleInOrg": org_role}]
    return {"name": "me", "orgs": orgs, "auth": {"accessToken": {"role": role, **more}}}


def test_who_may_only_read_in_an_organization_is_told_before_training(hub, monkeypatch):
    monkeypatch.setattr(publishing.HfApi, "whoami", lambda self: account("write", org_role="read"))
    with pytest.raises(PublishError, match="me may not write to 'acme', only to me$"):
        check_login("acme/x")


@pytest.mark.parametrize("auth", [{"auth": {"type": "oauth"}}, {"auth": None}, {}])
def test_a_login_by_the_browser_names_no_token(hub, monkeypatch, auth):
    monkeypatch.setattr(publishing.HfApi, "whoami", lambda self: {"name": "me", "orgs": []} | auth)
    assert check_login("x") == "me/x"


@pytest.mark.parametrize(
    ("entity", "permissions", "writes"),
    [
        ("me", ["repo.content.read", "repo.write"], True),
        ("Me/x", ["repo.write"], True),
        ("me", ["repo.content.read"], False),
        ("me/other", ["repo.write"], False),
        ("acme", ["repo.write"], False),
    ],
)
def test_a_fine_grained_token_has_to_have_the_right_to_write_there(hub, monkeypatch, entity, permissions, writes):
    scoped = [{"entity": {"type": "user", "name": entity}, "permissions": permissions}]
    monkeypatch.setattr(
        publishing.HfApi, "whoami", lambda self: account("fineGrained", fineGrained={"global": [], "scoped": scoped})
    )
    if writes:
        assert check_login("me/x") == "me/x"
    else:
        with pytest.raises(PublishError, match="^the fine-grained token may not write to me/x: give it the right"):
            check_login("me/x")


def test_a_foreign_namespace_is_refused(hub):
    with pytest.raises(PublishError, match="me may not write to 'google', only to me, acme"):
        check_login("google/x")
    assert hub.repos == {}


@pytest.mark.parametrize(("fault", "words"), [(500, "HTTP 500"), (429, "wait some minutes"), (CUT, "no answer from")])
def test_a_hub_that_fails_is_told_from_a_bad_login(hub, fault, words):
    hub.fail("whoami", fault)
    with pytest.raises(PublishError, match=words):
        check_login("me/x")


def test_a_hub_out_of_reach_is_named(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(PublishError, match="no answer from http://127.0.0.1:1 "):
        check_login("me/x")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PublishError, match="HF_HUB_OFFLINE is set"):
        check_login("me/x")


# ---- the card ----


def card_of(tmp_path, metrics=METRICS, **arguments) -> ModelCard:
    path = write_card(tmp_path, metrics, **{"model_name": "my-ner", "dataset_name": "sample.csv", **arguments})
    return ModelCard.load(path)


def test_the_card_has_the_test_scores_in_its_model_index(tmp_path):
    card = card_of(tmp_path, hub_model_id="me/x")
    results = {result.metric_name: (result.metric_type, result.metric_value) for result in card.data.eval_results}
    assert results == {
        "Precision": ("precision", 0.8),
        "Recall": ("recall", 0.7),
        "F1": ("f1", 0.7467),
        "Accuracy": ("accuracy", 0.95),
        "F1 (geo)": ("f1", 0.7624),
        "F1 (per)": ("f1", 0.6667),
    }
    places = {(r.task_type, r.dataset_name, r.dataset_type, r.dataset_split) for r in card.data.eval_results}
    assert places == {("token-classification", "sample.csv", "sample.csv", "test")}
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "token-classification")
    assert (card.data.model_name, card.data.base_model) == ("my-ner", None)
    assert "| geo | 0.8100 | 0.7200 | 0.7624 | 1,234 |" in card.text
    assert "the test split (1,010 sentences, 20,001 words) was used once" in card.text
    assert 'model="me/x"' in card.text


def test_the_card_tells_how_it_was_trained(tmp_path):
    training = METRICS["training"] | {"resumed_at": 1234, "label_smoothing": 0.1}
    text = card_of(tmp_path, METRICS | {"training": training}).text
    for line in (
        *("Started from: random weights", "Epochs: 5", "Learning rate: 0.0005", "Batch size: 32", "Seed: 42"),
        *("Label smoothing: 0.1", "Time: 101 s, after it was resumed at step 1,234"),
    ):
        assert f"\n- {line}\n" in text, line
    assert "\n- Time: 101 s\n" in card_of(tmp_path).text and "Label smoothing" not in card_of(tmp_path).text


def test_scores_are_of_the_file_that_they_were_measured_on(tmp_path):
    files = {"train": "train.csv", "validation": "dev.csv", "test": "legal.csv"}
    card = card_of(tmp_path, {**METRICS, "files": files}, dataset_name="train.csv")
    assert {result.dataset_name for result in card.data.eval_results} == {"legal.csv"}
    assert "Strict scores on the test split, legal.csv (1,010 sentences" in card.text
    assert "- Data: train.csv\n- Validation: dev.csv\n- Test: legal.csv\n" in card.text
    only = card_of(tmp_path, {**METRICS, "files": {"train": "train.csv"}}, dataset_name="train.csv")
    assert {result.dataset_name for result in only.data.eval_results} == {"train.csv"}
    assert "Strict scores on the test split (1,010" in only.text and "- Test:" not in only.text


def test_without_a_test_split_the_card_says_that_validation_chose_and_judged(tmp_path):
    card = card_of(tmp_path, {**METRICS, "test": None})
    assert {result.dataset_split for result in card.data.eval_results} == {"validation"}
    assert "all figures here are validation figures, and the same split chose the epoch" in card.text
    assert "used once" not in card.text and "| Test |" not in card.text


def test_the_card_does_not_say_that_validation_chose_the_last_epoch(tmp_path):
    text = card_of(tmp_path, {**METRICS, "model_chosen_by": None}).text
    assert "Validation chose the decoding (" in text and "used once, after training" in text
    text = card_of(tmp_path, {**METRICS, "model_chosen_by": None, "test": None}).text
    assert "the same split chose the decoding, so expect" in text and "epoch was chosen" not in text


def test_the_card_does_not_say_that_validation_chose_where_nothing_was_chosen(tmp_path):
    plain = {**METRICS["test"], "decoding": "argmax"}
    metrics = {**METRICS, "model_chosen_by": None, "test": plain, "validation": plain}
    assert "The test split (1,010 sentences, 20,001 words) was used once" in card_of(tmp_path, metrics).text
    text = card_of(tmp_path, {**metrics, "test": None}).text
    assert "all figures here are validation figures." in text and "chose" not in text


def test_the_card_names_the_types_of_the_labels_also_those_that_the_test_split_lacks(tmp_path):
    labels = ["O", "B-art", "I-art", "B-geo", "I-geo", "B-per", "I-per"]
    assert "it marks geo, per and art." in card_of(tmp_path, {**METRICS, "labels": labels}).text


def test_a_data_set_of_the_hub_keeps_its_name_and_configuration(tmp_path):
    metrics = {**METRICS, "files": {}, "dataset": "unimelb-nlp/wikiann", "dataset_config": "de"}
    card = card_of(tmp_path, metrics, dataset_name="unimelb-nlp/wikiann")
    figure = card.data.eval_results[0]
    assert (figure.dataset_name, figure.dataset_type) == ("unimelb-nlp/wikiann",) * 2
    assert figure.dataset_config == "de" and "from scratch on unimelb-nlp/wikiann, de (" in card.text


def test_a_card_needs_nothing_but_scores(tmp_path):
    card = card_of(tmp_path, {"test": {"f1": 0.5}}, dataset_name=None)
    assert [result.metric_value for result in card.data.eval_results] == [0.5]
    with pytest.raises(ValueError, match="needs scores"):
        card_of(tmp_path, {"test": None})


def test_the_base_model_is_named_only_if_the_hub_knows_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    bases = [
        "bert-base-cased",
        "FacebookAI/roberta-base",
        "scratch",
        "mini",
        "runs/one",
        "/home/me/bert",
        "./bert",
        None,
    ]
    told = [card_of(tmp_path, {**METRICS, "model": base}, base_model=base).data.base_model for base in bases]
    assert told == ["bert-base-cased", "FacebookAI/roberta-base", None, None, None, None, None, None]
    assert "/home/me" not in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("path", ["/home/someone/secret/my_data.csv", r"C:\Users\someone\secret\my_data.csv"])
def test_of_a_path_only_the_last_part_is_told(tmp_path, path):
    card = card_of(tmp_path, {**METRICS, "dataset": path}, dataset_name=path)
    assert card.data.eval_results[0].dataset_name == "my_data.csv"
    assert "someone" not in (tmp_path / "README.md").read_text()
    assert r"my\_data.csv" in card.text


def test_names_from_the_data_are_escaped(tmp_path):
    names = ["<script>alert(1)</script>", "a|b", "`code`", "x\n---\ny: z", "*b* _i_ [l](h)", "'\": {}", "é🙂", "&lt;"]
    per_type = {name: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 1} for name in names}
    metrics = {**METRICS, "test": {**METRICS["test"], "per_type": per_type}}
    path = write_card(tmp_path, metrics, model_name="<b>`x`", hub_model_id="me/x", dataset_name="<i>|```.csv")
    text = path.read_text()
    front, body = text.split("\n---\n", 1)
    figures = yaml.safe_load(front.removeprefix("---\n"))["model-index"][0]["results"][0]
    assert [m["name"] for m in figures["metrics"]][4:] == [f"F1 ({' '.join(name.split())})" for name in names]
    assert figures["dataset"] == {"name": "<i>|```.csv", "type": "i-.csv", "split": "test"}
    assert ModelCard(text).data.model_name == "<b>`x`"

    assert "<" not in body
    assert len(re.findall("^```", body, re.MULTILINE)) == body.count("```") == 2
    rows = re.findall(r"^\|.*\|$", body, re.MULTILINE)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6, 4}
    assert r"| \*b\* \_i\_ \[l\](h) |" in body
    assert "| x --- y: z |" in body
    assert "| &amp;lt; |" in body


def test_the_cards_code_gets_the_address_and_nothing_else_changes(tmp_path):
    directory = tmp_path / 'a "quoted" `name`'
    directory.mkdir()
    text = write_card(directory, METRICS, model_name="m", dataset_name="d").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert eval(re.search(r"model=(\".*\"), agg", code)[1]) == directory.name
    before, after = text.splitlines(), address_card(text, "me/x").splitlines()
    code = 'ner = pipeline("token-classification", model="me/x", aggregation_strategy="first")'
    assert [line for line in after if line not in before] == ["- name: x", "# x", code]
    own = text.replace("\n# m\n", "\n# A title of one's own\n")  # then the name in the index stays too
    for name in ("2024", "2024-05-01", "on", "null", "1e3"):  # which YAML would take for something else
        assert ModelCard(address_card(text, f"me/{name}")).data.model_name == name
    assert [line for line in address_card(own, "me/x").splitlines() if line not in before] == [
        "# A title of one's own",
        code,
    ]
    for name in ("2024", "a: b", "null"):  # which stands in quotes
        card = address_card(write_card(directory, METRICS, model_name=name, dataset_name="d").read_text(), "me/x")
        assert ModelCard(card).data.model_name == "x" and "\n# x\n" in card and f"# {name}\n" not in card
    assert len(before) == len(after)
    assert address_card("# A card of another hand\n", "me/x") == "# A card of another hand\n"


def test_the_flags_token_logs_in_and_pushes(hub, model, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.read_token)  # may not write
    assert publishing.main(["--model", str(model), "--hub_model_id", "me/x", "--hub_token", hub.token]) == 0
    assert len(hub.repos["me/x"].pushed) == 1


def test_after_a_failed_login_the_whole_command_is_told_without_the_token(hub, model, capfd):
    hub.fail("whoami", 500)
    words = ["--model", str(model), "--hub_model_id", "me/x", "--onnx_int8", "--hub_token", "hf_secret"]
    assert publishing.main(words) == 1
    errors = capfd.readouterr().err
    assert errors.strip().endswith(f"--model {shlex.quote(str(model))} --hub_model_id me/x --onnx_int8")
    assert "hf_secret" not in errors and publishing._without_token(["--hub_token=a", "b"]) == ["b"]
