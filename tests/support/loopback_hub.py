"""A stand-in of the Hugging Face Hub on loopback: folders as model and dataset repositories for the real clients.

It answers what huggingface_hub, transformers, sentence-transformers, datasets and mteb ask: revisions, listings in
pages, paths, refs, files with ETag, commit and ranges, large files by a redirect to another host name. Repositories may
be gated, and answers may fail as asked.
"""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

LARGE = {".safetensors", ".bin", ".parquet", ".pth", ".onnx"}
"""Endings of files that the Hub keeps by their SHA-256 (LFS), whatever their size."""
TOKEN = "hf_loopback"  # noqa: S105 - made up
"""Of a user who accepted every licence; `STRANGER` accepted none."""
STRANGER = "hf_stranger"


@dataclass
class Fault:
    """What goes wrong with requests whose method and path match: a status, or a connection cut after some bytes."""

    path: str
    method: str = "GET|HEAD|POST"
    status: int = 0
    cut_after: int | None = None
    times: int = 1000
    error: str = ""


@dataclass
class Repository:
    """Commits of a repository: their files by path, oldest first; and the branches."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False

    def commit(self, files, sha=None, branch="main"):
        """Add a commit of these files (path -> bytes), and move the branch there; its name by default is a hash."""
        sha = sha or hashlib.sha1(b"".join(p.encode() + files[p] for p in sorted(files))).hexdigest()  # noqa: S324
        self.commits[sha] = dict(files)
        self.refs[branch] = sha
        return sha

    def files(self, revision="main"):
        """Paths of a commit's files."""
        return list(self.commits[self.resolve(revision)])

    def resolve(self, revision):
        """The commit of a branch or a commit; None where there is none."""
        return self.refs.get(revision, revision if revision in self.commits else None)


def files_of(folder):
    """A folder as files of a commit."""
    folder = Path(folder)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def is_large(path):
    return Path(path).suffix in LARGE


def etag(path, content):
    """SHA-256 of a large file; Git's own hash of a small one."""
    if is_large(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324


class Hub:
    """The server. `asked` holds (method, path) of every request, `sent` the files of which bytes were sent."""

    def __init__(self, page=1000):
        self.repositories, self.faults, self.page = {}, [], page
        self.asked, self.sent, self.damaged = [], [], set()
        self._lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def model(self, name, files, **kinds):
        """Add a commit to a model (`files`: a folder, or path -> bytes); returns the commit."""
        return self._add("models", name, files, **kinds)

    def dataset(self, name, files, **kinds):
        """Add a commit to a data set; returns the commit."""
        return self._add("datasets", name, files, **kinds)

    def _add(self, kind, name, files, gated=False, sha=None, branch="main"):
        repository = self.repositories.setdefault((kind, name), Repository())
        repository.gated = gated
        return repository.commit(files if isinstance(files, dict) else files_of(files), sha, branch)

    def fail(self, path, **what):
        """Let requests whose path matches fail; returns the fault, whose `times` counts down."""
        self.faults.append(Fault(path, **what))
        return self.faults[-1]

    def mend(self):
        """No faults any more, and nothing asked so far."""
        self.faults.clear()
        self.damaged.clear()
        self.asked.clear()
        self.sent.clear()

    def fault_of(self, method, path):
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and re.fullmatch(fault.method, method) and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def environment(self, home, offline=False):
        """Variables for a client in a process of its own."""
        given = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": ""}
        return {**given, **({"HF_HUB_OFFLINE": "1"} if offline else {})}


@contextmanager
def running(**settings):
    """A hub that is up."""
    hub = Hub(**settings).start()
    try:
        yield hub
    finally:
        hub.stop()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing on the terminal."""

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        path = unquote(address.path)
        self.hub.asked.append((self.command, path))
        self.fault = self.hub.fault_of(self.command, path)
        if self.fault and self.fault.status:
            self._error(self.fault.status, self.fault.error, "it was asked to fail")
            return
        if path.startswith("/cdn/"):
            self._stored(path)
            return
        api = re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info|refs)(?:/(.*))?)?", path)
        if api:
            self._api(*api.groups(), query=parse_qs(address.query), body=body, raw=address.path)
            return
        file = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if file:
            self._file("datasets" if file[1] else "models", file[2], file[3], file[4])
            return
        self._error(404, "", "no such page")

    def _known(self, kind, name):
        """The repository; None after an answer that there is none (to strangers the Hub says 401)."""
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            signed = self._token() in {TOKEN, STRANGER}
            self._error(404 if signed else 401, "RepoNotFound", "Repository not found")
        return repository

    def _token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _commit(self, repository, revision):
        sha = repository.resolve(revision)
        if sha is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha

    def _api(self, kind, name, action, rest, query, body, raw):
        repository = self._known(kind, name)
        if repository is None:
            return
        if action == "refs":
            branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": s} for n, s in repository.refs.items()]
            self._json({"branches": branches, "converts": [], "tags": []})
            return
        revision, _, inside = (rest or "main").partition("/") if action != "revision" else (rest, "", "")
        sha = self._commit(repository, revision or "main")
        if sha is None:
            return
        files = repository.commits[sha]
        if action in {None, "revision"}:
            siblings = [{"rfilename": path} for path in files]
            gated = "manual" if repository.gated else False
            facts = {"id": name, "_id": "0" * 24, "sha": sha, "private": False, "gated": gated, "tags": []}
            dates = {"lastModified": "2026-01-01T00:00:00.000Z", "createdAt": "2026-01-01T00:00:00.000Z"}
            self._json({**facts, **dates, "downloads": 0, "likes": 0, "siblings": siblings, "disabled": False})
        elif action == "tree":
            deep = query.get("recursive", [""])[0].lower() in {"true", "1"}
            rows = _listing(files, inside, deep)
            if inside and not rows:
                self._error(404, "EntryNotFound", f"{inside} does not exist")
                return
            begin = int(query.get("cursor", ["0"])[0])
            headers = {}
            if begin + self.hub.page < len(rows):
                more = f"{self.hub.url}{raw}?recursive={deep}&cursor={begin + self.hub.page}"
                headers["Link"] = f'<{more}>; rel="next"'
            self._json(rows[begin : begin + self.hub.page], headers)
        else:
            text = body.decode()
            asked = json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
            rows = {row["path"]: row for row in _listing(files, "", True)}
            self._json([rows[path] for path in asked if path in rows])

    def _file(self, kind, name, revision, path):
        repository = self._known(kind, name)
        sha = repository and self._commit(repository, revision)
        if not sha:
            return
        headers = {"X-Repo-Commit": sha}
        if repository.gated and (token := self._token()) != TOKEN:
            status, text = (403, "not in the authorized list") if token == STRANGER else (401, "is restricted")
            self._error(status, "GatedRepo", f"Access to {kind[:-1]} {name} {text}.", headers)
            return
        content = repository.commits[sha].get(path)
        if content is None:
            self._error(404, "EntryNotFound", "Entry not found", headers)
            return
        tag = f'"{etag(path, content)}"'
        if is_large(path):  # by another name of this machine: credentials are not for it
            place = f"http://localhost:{self.hub.port}/cdn/{kind}/{name}/{sha}/{quote(path)}"
            linked = {"X-Linked-Etag": tag, "X-Linked-Size": str(len(content)), "Location": place}
            self._send(302, b"", {**headers, **linked})
        else:
            self._content(path, content, {**headers, "ETag": tag})

    def _stored(self, path):
        kind, owner, name, sha, inside = path.removeprefix("/cdn/").split("/", 4)
        content = self.hub.repositories[kind, f"{owner}/{name}"].commits[sha][inside]
        assert self.headers.get("Authorization") is None, "a token was sent to another host"
        self._content(inside, content, {"ETag": f'"{etag(inside, content)}"'})

    def _content(self, path, content, headers):
        if path in self.hub.damaged:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        status, whole = 200, len(content)
        if span:
            begin, end = int(span[1]), int(span[2] or whole - 1)
            content, status = content[begin : end + 1], 206
            headers = {**headers, "Content-Range": f"bytes {begin}-{begin + len(content) - 1}/{whole}"}
        if self.command == "GET":
            self.hub.sent.append(path)
        self._send(status, content, {**headers, "Accept-Ranges": "bytes"})

    def _json(self, value, headers=None):
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _error(self, status, code, text, headers=None):
        named = {"X-Error-Code": code, "X-Error-Message": text} if code else {}
        body = json.dumps({"error": text}).encode()
        self._send(status, body, {"Content-Type": "application/json", **named, **(headers or {})})

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.fault.cut_after if self.fault else None
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True


def _listing(files, inside, deep):
    """Files and folders below a folder, as the Hub lists them."""
    top = f"{inside.rstrip('/')}/" if inside else ""
    rows, folders = [], set()
    for path, content in sorted(files.items()):
        if not path.startswith(top):
            continue
        rest = path.removeprefix(top).split("/")
        for depth in range(1, len(rest) if deep else min(2, len(rest))):
            folders.add(top + "/".join(rest[:depth]))
        if deep or len(rest) == 1:
            row = {"type": "file", "path": path, "size": len(content), "oid": etag("small", content)}
            if is_large(path):
                row["lfs"] = {"oid": etag(path, content), "size": len(content), "pointerSize": 134}
            rows.append(row)
    return [{"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in sorted(folders)] + rows
