"""The stand-in Hub is as strict as the Hub: what a test passes through it has been checked."""

import base64
import hashlib
import json
import urllib.error
import urllib.request

import pytest
from standin_hub import StandInHub

WEIGHTS = b"weights"
SIZE = len(WEIGHTS)
OID = hashlib.sha256(WEIGHTS).hexdigest()
NDJSON = "application/x-ndjson"
LFS = "application/vnd.git-lfs+json"


@pytest.fixture
def hub(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"old weights")
    with StandInHub() as hub:
        hub.add_model("me/x", tmp_path)
        hub.add_model("me/hidden", tmp_path, private=True)
        hub.add_model("big/gated", tmp_path, gated=True)
        yield hub


def ask(hub, method, path, body=None, *, token=None, kind="application/json"):
    """Returns (status, X-Error-Code, content). `body`: bytes, or something for JSON; `path`: or a whole address."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    address = path if path.startswith("http") else hub.url + path
    request = urllib.request.Request(address, data, {"Content-Type": kind}, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request) as answer:
            return answer.status, None, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("X-Error-Code"), error.read()


def commit(hub, *operations, token=None, **header):
    lines = [{"key": "header", "value": {"summary": "a push", **header}}, *operations]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return ask(hub, "POST", "/api/models/me/x/commit/main", body, token=token or hub.token, kind=NDJSON)[0]


def upload(hub, content=WEIGHTS, oid=OID, size=SIZE) -> int:
    """Batch, PUT, verify; returns the first status that is not 200."""
    batch = {"operation": "upload", "hash_algo": "sha256", "objects": [{"oid": oid, "size": size}]}
    address = "/me/x.git/info/lfs/objects/batch"
    status, _, answer = ask(hub, "POST", address, batch, token=hub.token, kind=LFS)
    if status == 200:
        actions = json.loads(answer)["objects"][0]["actions"]
        status, _, answer = ask(hub, "PUT", actions["upload"]["href"], content)
    if status == 200:
        status, _, _ = ask(hub, "POST", actions["verify"]["href"], {"oid": oid, "size": size}, token=hub.token)
    return status


def file(path="notes.md", content=b"text") -> dict:
    encoded = base64.b64encode(content).decode()
    return {"key": "file", "value": {"path": path, "content": encoded, "encoding": "base64"}}


def lfs_file(**changes) -> dict:
    value = {"path": "model.safetensors", "algo": "sha256", "oid": OID, "size": SIZE, **changes}
    return {"key": "lfsFile", "value": value}


def test_files_are_served_with_what_the_client_needs(hub):
    assert ask(hub, "GET", "/me/x/resolve/main/config.json")[2] == b"{}"
    assert ask(hub, "GET", "/me/x/resolve/main/model.safetensors")[2] == b"old weights"  # by way of the storage
    assert ask(hub, "GET", f"/me/x/resolve/{hub.repos['me/x'].head.oid}/config.json")[0] == 200
    assert ask(hub, "GET", "/me/x/resolve/main/none.json")[:2] == (404, "EntryNotFound")
    assert ask(hub, "GET", "/me/x/resolve/v9/config.json")[:2] == (404, "RevisionNotFound")
    assert ask(hub, "GET", "/me/none/resolve/main/config.json")[:2] == (401, "RepoNotFound")
    assert ask(hub, "GET", "/me/none/resolve/main/config.json", token=hub.token)[:2] == (404, "RepoNotFound")
    assert ask(hub, "GET", "/nowhere")[0] == 404 and [r.path for r in hub.unexpected] == ["/nowhere"]


def test_private_and_gated_models(hub):
    assert ask(hub, "GET", "/me/hidden/resolve/main/config.json")[:2] == (401, "RepoNotFound")
    assert ask(hub, "GET", "/me/hidden/resolve/main/config.json", token=hub.token)[0] == 200
    assert ask(hub, "GET", "/me/hidden/resolve/main/config.json", token="hf_wrong")[0] == 401
    assert ask(hub, "GET", "/big/gated/resolve/main/config.json", token=hub.token)[:2] == (403, "GatedRepo")
    assert ask(hub, "GET", "/api/models/big/gated")[0] == 200


def test_nobody_writes_without_a_token_that_may(hub):
    for path in (
        "/api/repos/create",
        "/api/models/me/x/preupload/main",
        "/me/x.git/info/lfs/objects/batch",
        "/me/x.git/info/lfs/objects/verify",
        "/api/models/me/x/commit/main",
    ):
        answers = [ask(hub, "POST", path, {}, token=token)[0] for token in (None, "hf_no", hub.read_token)]
        assert answers == [401, 401, 403]
    assert ask(hub, "PUT", f"/storage/{OID}", WEIGHTS)[0] == 403
    assert hub.repos["me/x"].pushed == []


def test_repositories_are_created_once_where_one_may(hub):
    def create(**wanted):
        return ask(hub, "POST", "/api/repos/create", wanted, token=hub.token)[0]

    assert create(name="new", visibility="private") == create(name="new", organization="acme") == 200
    assert (hub.repos["me/new"].private, hub.repos["acme/new"].private) == (True, False)
    assert create(name="new") == 409
    assert create(name="new", organization="google") == 403
    assert {create(name="a b"), create(), create(name="y", visibility="secret"), create(name="y", color=1)} == {400}


def test_large_files_are_checked_byte_by_byte(hub):
    assert commit(hub, lfs_file()) == 400  # not there yet
    assert upload(hub, content=b"weighty") == upload(hub, size=8) == upload(hub, oid="0" * 64) == 400
    assert upload(hub, oid="0") == 400
    assert upload(hub) == 200
    assert commit(hub, lfs_file(size=6)) == commit(hub, lfs_file(algo="md5")) == 400
    assert hub.repos["me/x"].pushed == []
    assert commit(hub, lfs_file()) == 200
    assert hub.repos["me/x"].files["model.safetensors"] == WEIGHTS


def test_commits_are_whole_or_not_at_all(hub):
    head = hub.repos["me/x"].head
    bad = [
        [],
        [file(), {"key": "chmod", "value": {"path": "a"}}],
        [file(path="../a")],
        [file(), file(path=".git/config")],
        [file(path="model.safetensors")],  # this one must go through LFS
        [{"key": "file", "value": {"path": "a", "content": "!", "encoding": "base64"}}],
        [{"key": "file"}],
    ]
    assert [commit(hub, *operations) for operations in bad] == [400] * len(bad)
    assert commit(hub, file(), summary="") == 400
    assert commit(hub, file(), parentCommit="0" * 40) == 412
    assert commit(hub, {"key": "deletedFile", "value": {"path": "none"}}) == 404
    assert ask(hub, "POST", "/api/models/me/x/commit/main", b"{", token=hub.token, kind=NDJSON)[0] == 400
    assert ask(hub, "POST", "/api/models/me/x/commit/main", b"", token=hub.token, kind=NDJSON)[0] == 400
    assert hub.repos["me/x"].head is head
    assert commit(hub, file(), {"key": "deletedFile", "value": {"path": "config.json"}}, parentCommit=head.oid) == 200
    new = hub.repos["me/x"].head
    assert (new.parent, new.changed, new.deleted) == (head.oid, ("notes.md",), ("config.json",))
    assert sorted(new.files) == ["model.safetensors", "notes.md"]


def test_unknown_steps_cannot_fail(hub):
    with pytest.raises(ValueError, match="lfs_put"):
        hub.fail("upload")
