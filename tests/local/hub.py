"""A real little Hugging Face hub on 127.0.0.1 that serves one folder as a repository; for HF_ENDPOINT.

Answers what `snapshot_download` asks: the list of files of a revision, and the files with their ETag and commit.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "5f0c1d" + "0" * 34


@dataclass
class Hub:
    """`fetched`: paths whose content was sent. `broken`: how many bytes of weights are sent before the line breaks."""

    folder: Path
    model: str
    fetched: list[str] = field(default_factory=list)
    broken: int | None = None
    url: str = ""

    def listing(self) -> bytes:
        files = [{"rfilename": p.name, "size": p.stat().st_size} for p in sorted(self.folder.iterdir())]
        return json.dumps({"id": self.model, "sha": COMMIT, "siblings": files, "tags": []}).encode()

    def tree(self) -> bytes:
        files = [(p.name, p.stat().st_size) for p in sorted(self.folder.iterdir())]
        return json.dumps([{"type": "file", "path": n, "size": size, "oid": "0" * 40} for n, size in files]).encode()


@contextmanager
def serving(folder: Path, model: str) -> Iterator[Hub]:
    hub = Hub(folder, model)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None: ...

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/models/{model}"):
                found = hub.tree() if path.startswith(f"/api/models/{model}/tree/") else hub.listing()
                self.reply(200, found, {"Content-Type": "application/json"}, body=body)
                return
            name = path.rpartition("/")[2]
            if not path.startswith(f"/{model}/resolve/") or not (folder / name).is_file():
                self.reply(404, b"", {"X-Error-Code": "RepoNotFound"}, body=body)
                return
            data = (folder / name).read_bytes()
            tag = hashlib.sha256(data).hexdigest()
            if body:
                hub.fetched.append(name)
            cut = hub.broken if name.endswith(".safetensors") else None
            self.reply(200, data, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}, body=body, cut=cut)

        def reply(
            self, status: int, data: bytes, headers: dict[str, str], *, body: bool, cut: int | None = None
        ) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data[:cut])
            if body and cut is not None:
                self.wfile.flush()
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="hub", daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
