"""A trained model to the Hugging Face Hub: a clean directory, one commit, private unless asked otherwise.

    python -m ner_eval.publish --model runs/my-run --hub_model_id me/my-ner
    python -m ner_eval.publish --model runs/my-run --hub_model_id me/my-ner --no_hub_private_repo
    python -m ner_eval.publish --model runs/my-run --hub_model_id me/my-ner --onnx
    python -m ner_eval.publish --model runs/my-run --hub_model_id me/my-ner --onnx_int8 --test_file test.csv

The token is --hub_token, else HF_TOKEN, else the one that `hf auth login` stored. A repository that exists already
keeps its visibility. Files go up by plain HTTP, not by Xet, whose native code lets no Ctrl-C through. Exit code: 0
published, 1 the push failed (the local model is untouched), 2 a user's mistake.
"""

import argparse
import gc
import json
import logging
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id

from ner_data import InputError
from ner_eval.card import address_card, keep_facts
from ner_eval.onnx_runtime import MODEL, check_weights

WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")

# All that is ever uploaded, in the top directory only. Whatever else lies there stays at home: pickles (`*.bin`;
# training_args.bin even holds the token), optimizer states, checkpoints, predictions, data.
PUBLISHED = (
    "README.md",
    "config.json",
    "metrics.json",
    *WEIGHTS,
    MODEL,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)


class PublishError(RuntimeError):
    """The Hub cannot be used, or a push failed. The message is one line and never contains the token."""


def check_name(hub_model_id: str) -> str:
    """Return `hub_model_id` if it can be a repository's name, `namespace/name` or `name`.

    Raises InputError otherwise; asks nobody.
    """
    try:
        validate_repo_id(hub_model_id)
    except HFValidationError:
        raise InputError(
            f"--hub_model_id {hub_model_id!r} is no repository name: write user/name, with letters, digits and single "
            "- _ . inside, at most 96 characters each"
        ) from None
    return hub_model_id


def check_login(hub_model_id: str, token: str | None = None) -> str:
    """Make sure, before a training run, that its model can be pushed at the end; create nothing.

    Returns the full repository name: the user's own namespace is put before a bare one. Raises PublishError for a wrong
    name, no token, a token that the Hub refuses or that may only read, a foreign namespace, a Hub out of reach.
    """
    try:
        check_name(hub_model_id)
    except InputError as fault:
        raise PublishError(str(fault)) from None
    token = _find_token(token)
    api = HfApi(token=token)
    try:
        account = api.whoami()
        access = (account.get("auth") or {}).get("accessToken") or {}  # a login by the browser has none
        user, role = account["name"], access.get("role")
        own = [user, *(org["name"] for org in account.get("orgs", []) if org.get("roleInOrg") != "read")]
        failure = None
    except Exception as error:
        failure = f"the login cannot be checked: {_reason(error, api.endpoint)}"
    if failure:  # raised out here, so that it does not carry the request and its token along
        raise PublishError(_scrub(failure, token))
    if role == "read":
        raise PublishError("the token may only read: make one that may write at https://huggingface.co/settings/tokens")
    namespace, _, name = hub_model_id.rpartition("/")
    for candidate in own:
        if candidate.lower() == (namespace or user).lower():
            if not _may_write(access, candidate, name):
                advice = "give it the right to write there at https://huggingface.co/settings/tokens"
                raise PublishError(f"the fine-grained token may not write to {candidate}/{name}: {advice}")
            return f"{candidate}/{name}"
    raise PublishError(
        f"--hub_model_id {hub_model_id}: {user} may not write to {namespace!r}, only to {', '.join(own)}"
    )


def _may_write(token: dict, namespace: str, name: str) -> bool:
    """Whether a token, as whoami describes it, may write to a repository. One that is not fine-grained may."""
    scopes = (token.get("fineGrained") or {}).get("scoped")
    if token.get("role") != "fineGrained" or scopes is None:
        return True
    places = {namespace.lower(), f"{namespace}/{name}".lower()}
    return any(
        "repo.write" in scope.get("permissions", ()) and str(scope.get("entity", {}).get("name")).lower() in places
        for scope in scopes
    )


def files_to_publish(directory: str | Path) -> list[Path]:
    """The files of a saved model that go to the Hub, by name: those of `PUBLISHED` that exist.

    Raises InputError if the directory is missing, lacks config.json or safetensors weights or one of their shards, or
    if the model brings code of its own, which only whoever wrote it should publish.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(f"--model {directory}: no such directory")
    files = sorted(path for path in directory.iterdir() if path.is_file() and _is_published(path.name))
    names = {path.name for path in files}
    if "config.json" not in names:
        raise InputError(f"--model {directory}: no config.json in it; give the directory of a finished run")
    missing = sorted({"model.safetensors"} - names)
    if "model.safetensors.index.json" in names:
        index = directory / "model.safetensors.index.json"
        try:
            missing = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()) - names)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{index}: this is no index of weights; save the model again") from None
    for name in sorted(names & {"config.json", "tokenizer_config.json"}):
        if b'"auto_map"' in (directory / name).read_bytes():
            raise InputError(f"{directory / name}: names code of its own (auto_map), which is not published")
    if missing:
        raise InputError(f"--model {directory}: no {', '.join(missing)} in it; give the directory of a finished run")
    return files


def publish(directory: str | Path, hub_model_id: str, *, private: bool = True, token: str | None = None) -> str:
    """Push the model saved in `directory` in one commit and return the repository's address.

    The repository is created (`private` or public) if there is none; one that exists keeps its visibility, its other
    files, and the licence, language and data sets that its owner wrote into the card; it loses the files of `PUBLISHED`
    that this model does not have (the shards of a larger one, say), but for the card. The local files are only read.
    Pushing again what is there already makes no commit.

    Raises InputError for a directory or a name that cannot be published, PublishError for everything that goes wrong
    afterwards; its message says what failed and how to try again.
    """
    check_name(hub_model_id)
    files = files_to_publish(directory)
    check_weights(directory)
    api = HfApi()
    failure = "no login"
    try:
        api.token = token = _find_token(token)
        hub_model_id = hub_model_id if "/" in hub_model_id else check_login(hub_model_id, token)
        failure = "a file cannot be read"
        additions = [_addition(path, hub_model_id, token) for path in files]
        failure = f"the repository {hub_model_id} cannot be created"
        repo = api.create_repo(hub_model_id, private=private, exist_ok=True)
        failure = f"the repository {hub_model_id} cannot be read"
        state = api.model_info(repo.repo_id)
        if private and not state.private:
            warnings.warn(f"{repo.repo_id} exists and is public, and it stays public", stacklevel=2)
        there = {file.rfilename for file in state.siblings if _is_published(file.rfilename)}
        stale = there - {path.name for path in files} - {"README.md"}
        if "README.md" in there and "README.md" not in {path.name for path in files}:
            warnings.warn(f"{directory} has no README.md: that of {repo.repo_id} stays as it is", stacklevel=2)
        theirs = state.card_data.to_dict() if state.card_data else {}
        additions = [_with_facts(addition, theirs) for addition in additions]
        operations = [*additions, *(CommitOperationDelete(name) for name in sorted(stale))]
        failure = f"the upload to {hub_model_id} failed"
        with _addresses_without_signatures(), _plain_transfer():
            message = "Publish a named-entity recogniser"
            api.create_commit(repo.repo_id, operations, commit_message=message, parent_commit=state.sha)
        return str(repo)
    except Exception as error:
        message = f"{failure}: {_reason(error, api.endpoint)}; {how_to_retry(directory, hub_model_id, private)}"
    gc.collect()  # a progress bar that huggingface_hub left open ends its line when it is collected
    raise PublishError(_scrub(message, token))  # out here, as in check_login


def _is_published(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in PUBLISHED)


def _addition(path: Path, hub_model_id: str, token: str) -> CommitOperationAdd:
    """The upload of one file; the card's code gets the address it will be found at. Raises ValueError on a token."""
    if path.suffix in (".safetensors", ".onnx"):
        return CommitOperationAdd(path.name, path)
    content = path.read_bytes()
    if token.encode() in content:
        raise ValueError(f"{path} contains your token, remove it there")
    if path.name == "README.md":
        content = address_card(content.decode("utf-8"), hub_model_id).encode("utf-8")
    return CommitOperationAdd(path.name, content)


def _with_facts(addition: CommitOperationAdd, theirs: dict) -> CommitOperationAdd:
    """The upload of the card with what the card that is there says of licence, language and data sets; others as is."""
    if addition.path_in_repo != "README.md" or not theirs:
        return addition
    text = addition.path_or_fileobj.decode("utf-8")
    return CommitOperationAdd("README.md", keep_facts(text, theirs).encode("utf-8"))


def _find_token(token: str | None) -> str:
    """The token to use: the one given, else HF_TOKEN, else the stored login. Raises PublishError if there is none."""
    try:
        token = (token or "").strip() or get_token()
    except Exception as error:  # a stored login that cannot be refreshed, a failed OIDC exchange
        raise PublishError(f"the stored login cannot be used: {_reason(error, 'the Hub')}") from None
    if not token:
        raise PublishError("no Hugging Face token: run `hf auth login`, set HF_TOKEN, or give --hub_token")
    if not re.fullmatch(r"[!-~]+", token):
        raise PublishError("the Hugging Face token contains a blank or a character that no token has")
    return token


def _reason(error: Exception, endpoint: str) -> str:
    """One line on why a request to `endpoint` failed, for people."""
    if isinstance(error, PublishError):
        return str(error)
    if isinstance(error, RuntimeError) and error.__cause__ is not None:  # huggingface_hub names the file, and wraps
        return f"{_first_line(error)} {_reason(error.__cause__, endpoint)}"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        advice = {
            401: "the Hub refuses the token; make one that may write at https://huggingface.co/settings/tokens",
            403: "the token may not do this",
            404: "not found, or not for this token",
            409: "it is in conflict with another operation",
            412: "somebody else has changed the repository meanwhile",
            429: "too many requests, wait some minutes",
        }.get(status, "the Hub has a fault" if status >= 500 else "the Hub refuses the request")
        said = _first_line(error.server_message or "")
        said = "" if said.startswith("<") else said  # the storage answers in XML
        return f"{advice} (HTTP {status}{': ' if said else ''}{said})"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it to use the Hub"
    if isinstance(error, ValueError):
        return " ".join(str(error).split())
    return f"no answer from {endpoint} ({type(error).__name__}: {_first_line(error)})"


def _first_line(text: object) -> str:
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def how_to_retry(directory: str | Path, hub_model_id: str, private: bool) -> str:
    """A clause for a message about a push that did not come to its end: where the model is, and the command."""
    place = Path(directory).as_posix()
    command = ["python", "-m", "ner_eval.publish", "--model", place, "--hub_model_id", hub_model_id]
    command += [] if private else ["--no_hub_private_repo"]
    return _untouched(directory, command)


def _untouched(directory: str | Path, command: list[str]) -> str:
    return f"the local model in {directory} is untouched, to try again: {shlex.join(command)}"


@contextmanager
def _addresses_without_signatures() -> Iterator[None]:
    """huggingface_hub logs each retry with its address, and that of the storage lets in whoever knows its query."""

    def cut(record: logging.LogRecord) -> bool:
        record.msg, record.args = re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", record.getMessage()), ()
        return True

    logger = logging.getLogger("huggingface_hub.utils._http")
    logger.addFilter(cut)
    try:
        yield
    finally:
        logger.removeFilter(cut)


@contextmanager
def _plain_transfer() -> Iterator[None]:
    """Uploads without Xet: signals are heard while they last, and a refusal comes as what it is."""
    before, constants.HF_HUB_DISABLE_XET = constants.HF_HUB_DISABLE_XET, True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def _scrub(message: str, token: str | None) -> str:
    """`message` without the token."""
    return message.replace(token, "***") if token else message


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str):
        """One line, exit code 2. argparse repeats unknown arguments, and a misspelt --hub_token has the token there."""
        self.exit(2, f"{self.prog}: {re.sub(r'hf_[A-Za-z0-9]+', '***', message)}\n")


def _without_token(words: list[str]) -> list[str]:
    """The words of a command line but --hub_token and its value."""
    kept, skip = [], False
    for word in words:
        if not skip and not word.startswith("--hub_token="):
            kept += [] if word == "--hub_token" else [word]
        skip = not skip and word == "--hub_token"
    return kept


def _check_onnx(options):
    """The labelled sentences of --test_file, or None. Raises InputError, also for packages that are missing."""
    if options.test_file and not options.onnx_int8:
        raise InputError(f"--test_file {options.test_file}: measures --onnx_int8, give that too or leave it out")
    if not (options.onnx or options.onnx_int8):
        return check_weights(options.model)
    from ner_data.read import read_sentences
    from ner_data.reading_flags import reading_of
    from ner_eval.onnx_export import check_packages

    check_packages()
    return read_sentences(options.test_file, **reading_of(options)) if options.test_file else None


def _add_onnx(options, sentences):
    """Write the directory's model.onnx, if a flag asks for it. Raises PublishError or InputError; then nothing has been
    pushed."""
    if not (options.onnx or options.onnx_int8):
        return
    from ner_eval.onnx_export import ExportError, export_onnx

    try:
        export_onnx(options.model, int8=options.onnx_int8, sentences=sentences)
    except (ExportError, InputError) as error:
        kind = PublishError if isinstance(error, ExportError) else InputError
        raise kind(f"{error}; nothing was pushed") from None


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    from ner_data.reading_flags import add_reading_flags  # pandas comes with it

    described = {"description": __doc__, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = _Arguments(prog="python -m ner_eval.publish", **described, allow_abbrev=False)
    parser.add_argument("--model", required=True, help="directory of a saved model")
    parser.add_argument("--hub_model_id", required=True, help="where to publish it: user/name")
    parser.add_argument("--hub_token", help="default: HF_TOKEN, else the stored login")
    parser.add_argument("--no_hub_private_repo", action="store_true", help="a new repository is public")
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--onnx", action="store_true", help=f"add {MODEL} for onnxruntime, fp32")
    formats.add_argument("--onnx_int8", action="store_true", help=f"add {MODEL} for onnxruntime, int8")
    parser.add_argument("--test_file", help="labelled words, to measure what --onnx_int8 costs")
    add_reading_flags(parser)
    options = parser.parse_args(arguments)
    private = not options.no_hub_private_repo
    try:
        check_name(options.hub_model_id)
        files_to_publish(options.model)
        sentences = _check_onnx(options)
    except InputError as mistake:
        print(f"{parser.prog}: {mistake}", file=sys.stderr)
        return 2
    command = [*parser.prog.split(), *_without_token(arguments or sys.argv[1:])]
    try:
        hub_model_id = check_login(options.hub_model_id, options.hub_token)
    except PublishError as error:
        print(f"{parser.prog}: {error}; {_untouched(options.model, command)}", file=sys.stderr)
        return 1
    try:
        _add_onnx(options, sentences)
        print(f"Publishing {options.model} to {hub_model_id}")
        for path in files_to_publish(options.model):
            print(f"  {path.stat().st_size:>13,} bytes  {path.name}", flush=True)
        address = publish(options.model, hub_model_id, private=private, token=options.hub_token)
    except (PublishError, InputError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: ended by SIGINT; {_untouched(options.model, command)}", file=sys.stderr)
        return 130
    print(address)
    return 0


if __name__ == "__main__":
    sys.exit(main())
