"""A small Hugging Face Hub on 127.0.0.1, for tests: real HTTP, standard library only.

    with StandInHub() as hub:
        hub.add_model("bert-base-cased", directory)
        subprocess.run([...], env={**os.environ, **hub.environment()})
        assert [c.changed for c in hub.repos["me/x"].pushed] == [("README.md", "config.json", ...)]

It speaks the part of the Hub's protocol that `from_pretrained`, `pipeline(model=...)` and `HfApi.create_commit` use
with Xet off: resolve (LFS files by way of a redirect to a signed address), model info, tree, whoami, repository
creation, card validation, preupload, Git LFS (batch, PUT, verify) and the ndjson commit. It is strict where the Hub is:
SHA-256 and size of every LFS object, the parent commit, the shape of every request; and it can fail at any step.
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
import socket
import tempfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

STEPS = ("whoami", "create", "info", "validate", "preupload", "lfs_batch", "lfs_put", "verify", "commit", "resolve")
CUT = "cut"  # the connection is closed without an answer, nothing is done
LOST = "lost"  # the request is carried out, but its answer never arrives

LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".onnx", ".h5", ".msgpack", ".model", ".arrow", ".parquet")
LFS_THRESHOLD = 10 * 1024 * 1024  # bytes; larger files go to LFS whatever their name
NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Request:
    """One request as it came in. `headers` has lower-case names and holds the `authorization` value."""

    method: str
    path: str  # with the query
    headers: dict[str, str]
    step: str | None  # one of STEPS, None for the rest


@dataclass(frozen=True)
class Blob:
    content: bytes
    lfs: bool

    @property
    def oid(self) -> str:
        """The git object id; for an LFS file, of its pointer."""
        content = self.content
        if self.lfs:
            content = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(content)}\n"
            content = content.encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Commit:
    """`files` is the whole tree after the commit, `changed` the paths that it added or replaced, `deleted` the rest."""

    oid: str
    parent: str | None
    title: str
    files: dict[str, Blob]
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


@dataclass
class Repo:
    name: str
    private: bool = False
    gated: bool = False
    history: list[Commit] = field(default_factory=list)

    @property
    def head(self) -> Commit:
        return self.history[-1]

    @property
    def pushed(self) -> list[Commit]:
        """The commits after the first, which the Hub makes itself."""
        return self.history[1:]

    @property
    def files(self) -> dict[str, bytes]:
        """The contents of the latest commit by path, without the Hub's own `.gitattributes`."""
        return {path: blob.content for path, blob in self.head.files.items() if path != ".gitattributes"}

    def add_commit(self, title: str, added: dict[str, Blob], deleted: set[str] = frozenset()) -> Commit:
        parent = self.head if self.history else None
        files = {path: blob for path, blob in (parent.files if parent else {}).items() if path not in deleted}
        files = dict(sorted({**files, **added}.items()))
        seed = json.dumps([self.name, len(self.history), title, [(path, blob.oid) for path, blob in files.items()]])
        oid = hashlib.sha1(seed.encode()).hexdigest()
        commit = Commit(oid, parent.oid if parent else None, title, files, tuple(sorted(added)), tuple(sorted(deleted)))
        self.history.append(commit)
        return commit


class Refused(Exception):
    """An answer other than success. `code` is the Hub's `X-Error-Code`."""

    def __init__(self, status: int, message: str, code: str | None = None, **body):
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


@dataclass
class Answer:
    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value, status: int = 200, **headers: str) -> "Answer":
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


class StandInHub:
    """The Hub itself; a context manager. Everything it holds is in memory and open to a test's assertions.

    url, token:       where it listens, and a token that may write as `user` and for `organizations`
    read_token:       a token of the same user that may only read
    requests:         every `Request`, in the order of arrival
    unexpected:       requests to addresses that it does not know (a test should find none)
    repos:            name -> `Repo`
    lfs:              SHA-256 -> content of every LFS object that has arrived
    """

    def __init__(self, user: str = "me", organizations: tuple[str, ...] = ("acme",)):
        self.user, self.organizations = user, organizations
        self.token, self.read_token = f"hf_canary{secrets.token_hex(12)}", f"hf_reader{secrets.token_hex(12)}"
        self.requests: list[Request] = []
        self.unexpected: list[Request] = []
        self.repos: dict[str, Repo] = {}
        self.lfs: dict[str, bytes] = {}
        self._verified: set[str] = set()
        self._announced: dict[str, int] = {}  # LFS objects of which the size was announced in a batch request
        self._signature = secrets.token_hex(8)
        self._faults: dict[str, list] = {}  # step -> [status, times left or None]
        self._lock = threading.RLock()

    def __enter__(self) -> "StandInHub":
        self._home = tempfile.TemporaryDirectory(prefix="standin-hub-")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{port}"
        self._storage = f"http://localhost:{port}/storage"  # another host, as the Hub's is: no token must go there
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._home.cleanup()

    def environment(self, *, token: str | None = None) -> dict[str, str]:
        """Variables for a subprocess that talks to this Hub and to nothing else, with an empty cache of its own.

        `token` replaces the right one; "" means not logged in.
        """
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token if token is None else token,
            "HF_HOME": self._home.name,
            "HF_HUB_CACHE": f"{self._home.name}/hub",
            "HF_TOKEN_PATH": f"{self._home.name}/token",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def add_model(self, name: str, directory: str | Path, *, private: bool = False, gated: bool = False) -> Repo:
        """Publish all files of `directory` as a model repository. Nobody has been granted access to a gated one."""
        directory = Path(directory)
        blobs = {
            path.relative_to(directory).as_posix(): Blob(path.read_bytes(), _is_lfs(path.name, path.stat().st_size))
            for path in directory.rglob("*")
            if path.is_file()
        }
        self.lfs.update({blob.sha256: blob.content for blob in blobs.values() if blob.lfs})
        self._verified.update(self.lfs)
        repo = self.repos[name] = Repo(name, private, gated)
        repo.add_commit("initial commit", blobs)
        return repo

    def fail(self, step: str, status: int | str = 500, *, times: int | None = None) -> None:
        """Let requests of `step` (one of STEPS) fail: with an HTTP status, CUT or LOST; for ever or `times` times."""
        if step not in STEPS:
            raise ValueError(f"unknown step {step!r}, there are: {', '.join(STEPS)}")
        self._faults[step] = [status, times]

    def heal(self) -> None:
        """Let nothing fail any more."""
        self._faults.clear()

    def steps(self) -> list[str]:
        """The named steps of the requests so far, in order."""
        return [request.step for request in self.requests if request.step]

    def _fault(self, step: str | None) -> int | str | None:
        fault = self._faults.get(step)
        if fault is None or fault[1] == 0:
            return None
        if fault[1] is not None:
            fault[1] -= 1
        return fault[0]

    # ---- who may do what ----

    def _bearer(self, request: Request) -> str | None:
        value = request.headers.get("authorization")
        if value is None:
            return None
        token = value.removeprefix("Bearer ")
        if token not in (self.token, self.read_token):
            raise Refused(401, "Invalid credentials in Authorization header")
        return token

    def _writer(self, request: Request) -> None:
        token = self._bearer(request)
        if token is None:
            raise Refused(401, "Invalid username or password.")
        if token != self.token:
            raise Refused(403, "You don't have the required permissions: the token has no write access")

    def _repo(self, request: Request, name: str, *, contents: bool = True) -> Repo:
        """The repository, if the request may read it; otherwise the Hub's answer, which does not tell private ones."""
        token = self._bearer(request)
        repo = self.repos.get(name)
        if repo is None or (repo.private and token is None):
            raise Refused(404 if token else 401, "Repository not found", "RepoNotFound")
        if repo.gated and contents:
            raise Refused(403 if token else 401, f"Access to model {name} is restricted.", "GatedRepo")
        return repo

    # ---- the steps; each takes the request, its body and the groups of its address ----

    def whoami(self, request: Request, body: bytes) -> Answer:
        token = self._bearer(request)
        if token is None:
            raise Refused(401, "Invalid username or password.")
        role = "write" if token == self.token else "read"
        orgs = [{"type": "org", "name": name, "roleInOrg": "write"} for name in self.organizations]
        access = {"type": "access_token", "accessToken": {"displayName": "tests", "role": role}}
        return Answer.of({"type": "user", "name": self.user, "orgs": orgs, "auth": access})

    def create(self, request: Request, body: bytes) -> Answer:
        self._writer(request)
        wanted = _json_object(body)
        unknown = set(wanted) - {"name", "organization", "visibility", "private", "type"}
        name, organization = wanted.get("name"), wanted.get("organization")
        if unknown or not isinstance(name, str) or not NAME.fullmatch(name) or wanted.get("type", "model") != "model":
            raise Refused(400, f"Malformed repository: {wanted}")
        visibility = wanted.get("visibility", "private" if wanted.get("private") else "public")
        if visibility not in ("public", "private"):
            raise Refused(400, f"Unknown visibility: {visibility}")
        if organization not in (None, self.user, *self.organizations):
            raise Refused(403, f"You don't have the rights to create a model under the namespace {organization!r}")
        full = f"{organization or self.user}/{name}"
        if full in self.repos:
            raise Refused(409, "You already created this model repo", url=f"{self.url}/{full}")
        self.repos[full] = Repo(full, private=visibility == "private")
        self.repos[full].add_commit("initial commit", {".gitattributes": Blob(b"*.safetensors filter=lfs\n", False)})
        return Answer.of({"url": f"{self.url}/{full}", "name": full})

    def validate(self, request: Request, body: bytes) -> Answer:
        asked = _json_object(body)
        if asked.get("repoType") != "model" or not isinstance(asked.get("content"), str):
            raise Refused(400, "Malformed request", errors=[{"message": "content and repoType are needed"}])
        front = re.match(r"---\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", asked["content"], re.DOTALL)
        if not front:
            return Answer.of({"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
        if errors := _faults_of_card(front[1]):
            raise Refused(400, "Invalid metadata in README.md.", errors=[{"message": error} for error in errors])
        return Answer.of({"errors": [], "warnings": []})

    def info(self, request: Request, body: bytes, name: str, revision: str = "main") -> Answer:
        repo = self._repo(request, name, contents=False)
        commit = _commit(repo, revision)
        card = commit.files.get("README.md", Blob(b"", False)).content.decode(errors="replace")
        facts = dict(re.findall(r"^(pipeline_tag|library_name): *(\S+)$", card.split("\n---", 1)[0], re.MULTILINE))
        return Answer.of(
            {
                "id": name,
                "modelId": name,
                "sha": commit.oid,
                "private": repo.private,
                "gated": "manual" if repo.gated else False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "siblings": [{"rfilename": path} for path in commit.files],
                "cardData": yaml.safe_load(card.split("\n---", 1)[0]) if card.startswith("---") else None,
                **facts,
            }
        )

    def tree(self, request: Request, body: bytes, name: str, revision: str, folder: str = "") -> Answer:
        commit = _commit(self._repo(request, name), revision)
        recursive = parse_qs(urlsplit(request.path).query).get("recursive", ["false"])[0].lower() in ("true", "1")
        prefix = f"{folder}/" if folder else ""
        inside = {path: blob for path, blob in commit.files.items() if path.startswith(prefix)}
        if folder and not inside:
            raise Refused(404, f"{folder} does not exist on {revision!r}", "EntryNotFound")
        entries, folders = [], {}
        for path, blob in inside.items():
            parts = path.removeprefix(prefix).split("/")
            for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
                folders.setdefault(prefix + "/".join(parts[:depth]))
            if recursive or len(parts) == 1:
                size = len(blob.content)
                entry = {"type": "file", "oid": blob.oid, "size": size, "path": path}
                if blob.lfs:
                    entry["lfs"] = {"oid": blob.sha256, "size": size, "pointerSize": 134}
                entries.append(entry)
        directories = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders]
        return Answer.of(directories + entries)

    def refs(self, request: Request, body: bytes, name: str) -> Answer:
        branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": self._repo(request, name).head.oid}
        return Answer.of({"branches": [branch], "tags": [], "converts": []})

    def resolve(self, request: Request, body: bytes, name: str, revision: str, path: str) -> Answer:
        commit = _commit(self._repo(request, name), revision)
        blob = commit.files.get(path)
        here = {"X-Repo-Commit": commit.oid}
        if blob is None:
            return Answer(404, b"Entry not found", {**here, "X-Error-Code": "EntryNotFound"})
        if not blob.lfs:
            return Answer(200, blob.content, {**here, "ETag": f'"{blob.oid}"', "Content-Type": "text/plain"})
        linked = {"X-Linked-Size": str(len(blob.content)), "X-Linked-ETag": f'"{blob.sha256}"'}
        location = f"{self._storage}/{blob.sha256}?signature={self._signature}"
        return Answer(302, b"Found", {**here, **linked, "Location": location})

    def preupload(self, request: Request, body: bytes, name: str, revision: str) -> Answer:
        self._writer(request)
        commit = _commit(self._repo(request, name), revision)
        modes = []
        for file in _objects(_json_object(body), "files"):
            path, size, sample = (file.get(key) for key in ("path", "size", "sample"))
            if not _is_path(path) or not isinstance(size, int) or len(_base64(sample)) != min(size, 512):
                raise Refused(400, f"Malformed file: {file}")
            mode = {"path": path, "uploadMode": "lfs" if _is_lfs(path, size) else "regular", "shouldIgnore": False}
            if path in commit.files:
                blob = commit.files[path]
                mode["oid"] = blob.sha256 if blob.lfs else blob.oid
            modes.append(mode)
        return Answer.of({"files": modes})

    def lfs_batch(self, request: Request, body: bytes, name: str) -> Answer:
        self._writer(request)
        self._repo(request, name)
        asked = _json_object(body)
        if asked.get("operation") != "upload" or asked.get("hash_algo") != "sha256":
            raise Refused(400, "Malformed LFS batch request")
        if "application/vnd.git-lfs+json" not in request.headers.get("content-type", ""):
            raise Refused(400, "LFS requests have the type application/vnd.git-lfs+json")
        answers = []
        for thing in _objects(asked, "objects"):
            oid, size = thing.get("oid"), thing.get("size")
            if not isinstance(oid, str) or not SHA256.fullmatch(oid) or not isinstance(size, int) or size < 1:
                raise Refused(400, f"Malformed LFS object: {thing}")
            answer = {"oid": oid, "size": size}
            if oid not in self._verified:
                self._announced[oid] = size
                verify = {"href": f"{self.url}/{name}.git/info/lfs/objects/verify", "header": {}}
                upload = {"href": f"{self._storage}/{oid}?signature={self._signature}", "header": {}}
                answer["actions"] = {"upload": upload, "verify": verify}
            answers.append(answer)
        return Answer.of({"transfer": "basic", "objects": answers})

    def lfs_put(self, request: Request, body: bytes, oid: str) -> Answer:
        """The storage behind the Hub: the signature in the address is what lets in, not the token."""
        self._signed(request)
        if oid not in self._announced:
            raise Refused(403, "This address was not signed for this object")
        if "content-length" not in request.headers:
            raise Refused(411, "MissingContentLength")
        if len(body) != self._announced[oid] or hashlib.sha256(body).hexdigest() != oid:
            raise Refused(400, f"BadDigest: {len(body)} bytes are not the object {oid}")
        self.lfs[oid] = body
        return Answer(200, b"", {"ETag": f'"{oid}"'})

    def storage(self, request: Request, body: bytes, oid: str) -> Answer:
        self._signed(request)
        if oid not in self.lfs:
            raise Refused(404, "NoSuchKey")
        return Answer(200, self.lfs[oid], {"ETag": f'"{oid}"', "Content-Type": "application/octet-stream"})

    def _signed(self, request: Request) -> None:
        if parse_qs(urlsplit(request.path).query).get("signature") != [self._signature]:
            raise Refused(403, "SignatureDoesNotMatch")

    def verify(self, request: Request, body: bytes, name: str) -> Answer:
        self._writer(request)
        asked = _json_object(body)
        content = self.lfs.get(asked.get("oid"))
        if content is None or len(content) != asked.get("size"):
            raise Refused(400, f"The object {asked.get('oid')} of {asked.get('size')} bytes is not there")
        self._verified.add(asked["oid"])
        return Answer.of({})

    def commit(self, request: Request, body: bytes, name: str, revision: str) -> Answer:
        self._writer(request)
        repo = self._repo(request, name)
        if revision != "main":
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        if request.headers.get("content-type") != "application/x-ndjson":
            raise Refused(400, "A commit has the type application/x-ndjson")
        header, *operations = [_json_object(line) for line in body.splitlines()] or [{}]
        facts = header.get("value") if isinstance(header.get("value"), dict) else {}
        if header.get("key") != "header" or not isinstance(facts.get("summary"), str) or not facts["summary"]:
            raise Refused(400, "The first line of a commit is its header, with a summary")
        if facts.get("parentCommit") not in (None, repo.head.oid):
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        if not operations:
            raise Refused(400, "An empty commit")
        added: dict[str, Blob] = {}
        deleted: set[str] = set()
        for operation in operations:
            self._apply(operation.get("key"), operation.get("value"), repo, added, deleted)
        commit = repo.add_commit(facts["summary"], added, deleted - set(added))
        address = f"{self.url}/{name}/commit/{commit.oid}"
        return Answer.of({"success": True, "commitOid": commit.oid, "commitUrl": address, "hookOutput": ""})

    def _apply(self, key: str, value: dict, repo: Repo, added: dict[str, Blob], deleted: set[str]) -> None:
        """Check one line of a commit and enter it into `added` or `deleted`; the repository stays as it is."""
        path = value.get("path") if isinstance(value, dict) else None
        if not _is_path(path):
            raise Refused(400, f"Malformed operation {key!r} on the path {path!r}")
        if key == "file":
            if value.get("encoding") != "base64":
                raise Refused(400, f"{path}: the encoding is base64")
            content = _base64(value.get("content"))
            if content and _is_lfs(path, len(content)):
                raise Refused(400, f"{path}: this file must go through LFS")
            added[path] = Blob(content, False)
        elif key == "lfsFile":
            content = self.lfs.get(value.get("oid"))
            if value.get("algo") != "sha256" or content is None or value["oid"] not in self._verified:
                raise Refused(400, f"{path}: the LFS object {value.get('oid')} was not uploaded and verified")
            if value.get("size") != len(content):
                raise Refused(400, f"{path}: the size is {len(content)} bytes, not {value.get('size')}")
            added[path] = Blob(content, True)
        elif key == "deletedFile":
            if path not in repo.head.files:
                raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")
            deleted.add(path)
        else:
            raise Refused(400, f"Unknown operation {key!r}")


MODEL = r"(?P<name>[^/]+(?:/[^/]+)?)"
BARE_MODEL = r"(?P<name>[^/]+(?:/(?!(?:revision|tree|refs|preupload|commit)(?:/|$))[^/]+)?)"
ROUTES = [
    (methods, re.compile(pattern), function, step)
    for methods, pattern, function, step in [
        ("GET", r"/api/whoami-v2", StandInHub.whoami, "whoami"),
        ("POST", r"/api/repos/create", StandInHub.create, "create"),
        ("POST", r"/api/validate-yaml", StandInHub.validate, "validate"),
        ("GET", rf"/api/models/{BARE_MODEL}(?:/revision/(?P<revision>[^/]+))?", StandInHub.info, "info"),
        ("GET", rf"/api/models/{BARE_MODEL}/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", StandInHub.tree, None),
        ("GET", rf"/api/models/{BARE_MODEL}/refs", StandInHub.refs, None),
        ("POST", rf"/api/models/{BARE_MODEL}/preupload/(?P<revision>[^/]+)", StandInHub.preupload, "preupload"),
        ("POST", rf"/api/models/{BARE_MODEL}/commit/(?P<revision>[^/]+)", StandInHub.commit, "commit"),
        ("POST", rf"/{MODEL}\.git/info/lfs/objects/batch", StandInHub.lfs_batch, "lfs_batch"),
        ("POST", rf"/{MODEL}\.git/info/lfs/objects/verify", StandInHub.verify, "verify"),
        ("PUT", r"/storage/(?P<oid>[^/]+)", StandInHub.lfs_put, "lfs_put"),
        ("GET HEAD", r"/storage/(?P<oid>[^/]+)", StandInHub.storage, None),
        ("GET HEAD", rf"/{MODEL}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", StandInHub.resolve, "resolve"),
    ]
]


class _Handler(BaseHTTPRequestHandler):
    hub: StandInHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        hub = self.hub
        path = unquote(urlsplit(self.path).path)
        matches = ((pattern.fullmatch(path), f, s) for methods, pattern, f, s in ROUTES if self.command in methods)
        match, function, step = next((found for found in matches if found[0]), (None, None, None))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, step)
        with hub._lock:
            hub.requests.append(request)
            if match is None:
                hub.unexpected.append(request)
            fault = hub._fault(step)
        length = int(headers.get("content-length", 0))
        if fault == CUT:
            self.rfile.read(length // 2)
            return self._cut()
        body = self.rfile.read(length)
        try:
            if isinstance(fault, int):
                raise Refused(fault, f"the stand-in Hub was told to fail at {step}")
            if match is None:
                raise Refused(404, f"the stand-in Hub knows no {self.command} {path}")
            arguments = {name: value for name, value in match.groupdict().items() if value is not None}
            with hub._lock:
                answer = function(hub, request, body, **arguments)
        except Refused as refusal:
            answer = Answer.of({"error": refusal.message, **refusal.body}, refusal.status)
            answer.headers["X-Error-Message"] = refusal.message.replace("\n", " ")
            if refusal.code:
                answer.headers["X-Error-Code"] = refusal.code
        if fault == LOST:
            return self._cut()
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        if "transfer-encoding" in self.headers:  # such a body has not been read: this connection is spent
            self.send_header("Connection", "close")
        self._headers_buffer.append(b"\r\n" + (answer.content if self.command != "HEAD" else b""))
        self.flush_headers()  # headers and content in one write

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments) -> None:
        """Nothing: the requests are kept in `hub.requests`."""


def _is_lfs(path: str, size: int) -> bool:
    return path.endswith(LFS_SUFFIXES) or size > LFS_THRESHOLD


def _is_path(path) -> bool:
    """A file's place in a repository: relative, without empty, `.`, `..` or `.git` parts."""
    return isinstance(path, str) and not {"", ".", "..", ".git"} & set(path.split("/"))


def _faults_of_card(front: str) -> list[str]:
    """What the Hub's own schema refuses in a model card's metadata, as far as the recipe writes it."""
    try:
        facts = yaml.safe_load(front)
    except yaml.YAMLError as error:
        return [" ".join(str(error).split())]
    if not isinstance(facts, dict):
        return ["the metadata are no mapping"]
    errors = []
    for key in ("base_model", "datasets"):
        given = facts.get(key, [])
        names = given if isinstance(given, list) else [given]
        if not all(isinstance(name, str) and re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) for name in names):
            errors.append(f'"{key}" with value {given!r} is not valid')
    index = facts.get("model-index", [])
    if not isinstance(index, list):
        return [*errors, '"model-index" must be an array']
    for result in (result for model in index for result in model.get("results", [None])):
        for path in ("task.type", "dataset.name", "dataset.type"):
            value = result
            for key in path.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if not isinstance(value, str):
                errors.append(f'"model-index[0].results[0].{path}" is required')
        for metric in (result or {}).get("metrics", [{}]):
            if not isinstance(metric.get("type"), str) or not isinstance(metric.get("value"), int | float):
                errors.append('"model-index[0].results[0].metrics" need a type and a number')
    return errors


def _commit(repo: Repo, revision: str) -> Commit:
    if revision == "main":
        return repo.head
    for commit in repo.history:
        if commit.oid == revision:
            return commit
    raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def _json_object(body: bytes) -> dict:
    try:
        value = json.loads(body)
    except ValueError:
        raise Refused(400, "The body is not JSON") from None
    if not isinstance(value, dict):
        raise Refused(400, "The body is not a JSON object")
    return value


def _objects(body: dict, key: str) -> list[dict]:
    values = body.get(key)
    if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
        raise Refused(400, f"{key}: a list of objects is needed")
    return values


def _base64(text) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Refused(400, "Not base64") from None
