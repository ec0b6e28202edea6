"""A stand-in for the Hub on loopback: enough of its interface for the real clients to create, commit, list and read.

Files are kept in memory and come with the commit (no LFS, no Xet). A process that talks to it needs the environment
of `HubServer.environment` before it imports `huggingface_hub`.
"""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_loopback"
REPO = r"/(?P<kind>models|datasets|spaces)/(?P<repo>[\w.-]+/[\w.-]+)"


@dataclass
class Repository:
    """Files of each commit, newest last."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def __post_init__(self):
        self.commit({})

    def commit(self, files: dict[str, bytes]) -> str:
        name = hashlib.sha1(f"{len(self.commits)}".encode()).hexdigest()
        self.commits[name] = files
        return name

    def revision(self, name: str) -> str | None:
        newest = list(self.commits)[-1]
        return newest if name in ("main", newest) else name if name in self.commits else None

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[list(self.commits)[-1]]


class HubServer:
    """`with HubServer() as hub:` serves; `hub.repositories["dataset", "user/name"].files` is what was pushed.

    Args:
        refuse: answers 500 to requests whose "METHOD path" matches this pattern, as long as it is set.
        cut: ends a connection in the middle of what it answers to such requests; a request of `/mend` sets it back.
    """

    def __init__(self):
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[str] = []
        self.refuse = self.cut = ""
        hub = self

        class Handler(HubHandler):
            pass

        Handler.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def environment(self, home) -> dict[str, str]:
        """Return the variables for a client process whose cache is the folder `home`."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.handle_request()

    do_HEAD = do_POST = do_GET

    def handle_request(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, query = unquote(url.path), parse_qs(url.query)
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.refuse and fnmatch(f"{self.command} {path}", self.hub.refuse):
            return self.answer(500, {"error": "out of order"})
        if path == "/mend":
            self.hub.cut = ""
            return self.answer(200, {})
        if path == "/api/whoami-v2":
            return self.answer(200, {"name": "user", "type": "user", "orgs": [], "auth": {}})
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if match := re.fullmatch(rf"/api{REPO}(?P<rest>/.*)?", path):
            return self.api(match["kind"], match["repo"], match["rest"] or "", body, query)
        if match := re.fullmatch(r"/(?P<kind>datasets/|spaces/)?(?P<repo>[\w.-]+/[\w.-]+)/resolve/(?P<rest>.+)", path):
            return self.resolve((match["kind"] or "models").rstrip("/"), match["repo"], match["rest"])
        return self.answer(404, {"error": f"no {path}"})

    def create(self, request: dict):
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "who are you?"})
        kind = request.get("type", "model")
        name = f"{request.get('organization') or 'user'}/{request['name']}"
        url = f"{self.hub.url}/{'' if kind == 'model' else kind + 's/'}{name}"
        if (kind, name) in self.hub.repositories:
            return self.answer(409, {"error": "exists", "url": url})
        private = request.get("visibility") == "private" or bool(request.get("private"))
        self.hub.repositories[kind, name] = Repository(private)
        return self.answer(200, {"url": url, "name": name, "id": name})

    def api(self, kind: str, name: str, rest: str, body: bytes, query: dict):
        repository = self.hub.repositories.get((kind[:-1], name))
        if repository is None:
            return self.answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        action, _, rest = rest.lstrip("/").partition("/")
        revision, _, below = rest.partition("/")
        sha = repository.revision(revision or "main")
        if sha is None:
            return self.answer(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        files = repository.commits[sha]
        if action in ("", "revision"):
            siblings = [{"rfilename": path} for path in sorted(files)]
            facts = {"id": name, "sha": sha, "private": repository.private, "siblings": siblings, "tags": []}
            return self.answer(200, {**facts, "downloads": 0, "likes": 0, "gated": False, "disabled": False})
        if action == "preupload":
            asked = json.loads(body)["files"]
            return self.answer(
                200, {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]}
            )
        if action == "commit":
            sha = repository.commit(apply_commit(files, body))
            url = f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{name}/commit/{sha}"
            return self.answer(200, {"success": True, "commitOid": sha, "commitUrl": url})
        if action == "tree":
            return self.answer(200, tree(files, below, query.get("recursive", ["false"])[0].lower() == "true"))
        if action == "paths-info":
            asked = parse_qs(body.decode()).get("paths", []) if b"=" in body[:6] else json.loads(body)["paths"]
            found = [entry for entry in tree(files, "", True) if entry["path"] in asked]
            return self.answer(200, found)
        return self.answer(404, {"error": f"no {action}"})

    def resolve(self, kind: str, name: str, rest: str):
        repository = self.hub.repositories.get((kind[:-1], name))
        if repository is None:
            return self.answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        revision, _, path = rest.partition("/")
        sha = repository.revision(revision)
        if sha is None:
            return self.answer(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        headers = {"X-Repo-Commit": sha}
        if path not in repository.commits[sha]:
            return self.answer(404, {"error": "Entry not found"}, {**headers, "X-Error-Code": "EntryNotFound"})
        data = repository.commits[sha][path]
        headers |= {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "Accept-Ranges": "bytes"}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
            headers |= {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
            return self.answer(206, data[start : end + 1], headers)
        return self.answer(200, data, headers)

    def answer(self, status: int, content: object, headers: dict[str, str] | None = None):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.cut and fnmatch(f"{self.command} {urlsplit(self.path).path}", self.hub.cut):
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self.wfile.write(data)


def apply_commit(files: dict[str, bytes], body: bytes) -> dict[str, bytes]:
    """Return the files after the operations of a commit, one JSON object a line."""
    files = dict(files)
    for line in body.splitlines():
        operation = json.loads(line)
        value = operation["value"]
        if operation["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif operation["key"] == "deletedFile":
            del files[value["path"]]
        elif operation["key"] == "deletedFolder":
            files = {path: data for path, data in files.items() if not path.startswith(value["path"])}
    return files


def tree(files: dict[str, bytes], below: str, recursive: bool) -> list[dict]:
    entries = {}
    for path, data in sorted(files.items()):
        if below and not path.startswith(below + "/"):
            continue
        parts = path[len(below) + 1 if below else 0 :].split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(filter(None, (below, *parts[:depth])))
            if depth == 1 or recursive:
                entries[folder] = {"type": "directory", "path": folder, "oid": "0" * 40, "size": 0}
        if len(parts) == 1 or recursive:
            entries[path] = {"type": "file", "path": path, "oid": hashlib.sha1(data).hexdigest(), "size": len(data)}
    return list(entries.values())
