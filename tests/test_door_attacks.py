"""Somebody tries the door of a real `playground serve` with raw bytes; and what of Gradio's routes it lets through."""

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from playground.ui.app import web
from playground.ui.door import Door, DoorSettings
from tests import samples
from tests.test_door import ROOT, free_port, get

OPEN = {
    ("GET", "/"), ("GET", "/published"), ("GET", "/published/"), ("HEAD", "/"), ("GET", "/config"), ("GET", "/config/"),
    ("GET", "/static/x"), ("GET", "/assets/x"), ("GET", "/svelte/x"), ("GET", "/favicon.ico"), ("GET", "/theme.css"),
    ("GET", "/robots.txt"), ("GET", "/manifest.json"), ("GET", "/gradio_api/startup-events"),
    ("GET", "/gradio_api/heartbeat/x2345678"), ("GET", "/gradio_api/queue/data"), ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/cancel"), ("POST", "/gradio_api/reset"), ("POST", "/gradio_api/reset/"),
    ("POST", "/gradio_api/component_server"), ("POST", "/gradio_api/component_server/"),
}  # fmt: skip


def routes(found: list[Any]) -> list[Route]:
    """Every route, also inside of mounts and included routers."""
    every: list[Route] = []
    for route in found:
        if isinstance(route, Mount):
            every += routes(list(route.routes))
        elif (inner := getattr(route, "original_router", None)) is not None:
            every += routes(inner.routes)
        elif isinstance(route, Route) or hasattr(route, "path_regex"):
            every.append(route)
    return every


def test_exactly_these_routes_of_gradio_are_open(tmp_path: Path) -> None:
    """A new version of Gradio that adds a route of one word changes this list, and this test says so."""

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("inside")(scope, receive, send)

    with samples.playground(tmp_path) as playground:
        offered = routes(list(web(playground).routes))
    assert len(offered) > 60, "Gradio's own routes are among them"
    visitor = TestClient(Door(inside, DoorSettings(secret="s", hosts=("testserver",))))
    visitor.get("/")
    passed = set()
    for route in offered:
        path = route.path
        while "{" in path:
            head, _, rest = path.partition("{")
            name, _, tail = rest.partition("}")
            path = head + ("x2345678" if "session" in name else "x") + tail
        for method in (route.methods or {"GET"}) - {"HEAD"} if path != "/" else route.methods or set():
            answer = visitor.request(method, path)
            if answer.status_code != 404:
                passed.add((method, path))
    assert passed == OPEN


@dataclass
class Served:
    port: int
    log: Path
    cookie: str = ""

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int | None, str]:
        """One raw request, path as it stands; gives the status (None: hung up) and the beginning of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host="host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            stream = "event-stream" in answer.headers.get("content-type", "")
            return answer.status, "" if stream else answer.read(5000).decode("utf-8", "replace")
        except (http.client.HTTPException, ConnectionError):
            return None, ""
        finally:
            connection.close()

    def post(self, path: str, value: Any, **headers: str) -> tuple[int | None, str]:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, body, **{"content_type": "application/json", "cookie": self.cookie, **headers})

    def raw(self, data: bytes) -> bytes:
        """The status line that these bytes are answered with."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            with suppress(ConnectionError):  # it may answer and hang up before everything is sent
                connection.sendall(data)
            return connection.recv(300).split(b"\r\n")[0]

    def visit(self) -> str:
        """The cookie of a new visitor."""
        return get(self.port, "/")[1]["set-cookie"].partition(";")[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    found = samples.settings(folder)
    environment = {
        **os.environ, "PLAYGROUND_DATA": str(found.data), "PLAYGROUND_MODELS": str(found.models),
        "PLAYGROUND_LIBRARY": str(found.library), "PLAYGROUND_PORT": str(port),
    }  # fmt: skip
    log = folder / "log.txt"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "playground", "serve"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
    try:
        for _ in range(120):
            try:
                get(port, "/healthz")
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                asyncio.run(asyncio.sleep(0.3))
        server = Served(port, log)
        server.cookie = server.visit()
        yield server
    finally:
        process.terminate()
        assert process.wait(15) == 0, log.read_text()
    behind = [
        line for line in log.read_text().splitlines() if "/playground/service/" in line or "/playground/store/" in line
    ]
    assert behind == [], "Gradio may stumble over an unknown session or component; nothing of ours does"


@pytest.mark.parametrize(
    "path",
    [
        "//", "//gradio_api/deep_link", "/gradio_api//deep_link", "/gradio_api/%64eep_link", "/config%0a",
        "/published%0a", "//config",
        "/x/../gradio_api/deep_link", "/gradio_api/file=/etc/passwd", "/gradio_api/file%3d/etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/", "/gradio_api/proxy=http://127.0.0.1:1/", "/gradio_api/upload",
        "/gradio_api/queue/data%00", "/gradio_api/heartbeat/abcdefgh/../../deep_link", "/gradio_api/call/run",
        "/gradio_api/token", "/token", "/user", "/app_id", "/LOGIN", "/openapi.json", "/%2e%2e/%2e%2e",
    ],
)  # fmt: skip
def test_no_spelling_of_a_shut_path_opens_it(served: Served, path: str) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "POST", "FOO"):
        assert served.ask(method, path, cookie=served.cookie)[0] in (404, 405), method


@pytest.mark.parametrize(
    "path", ["/assets/..%2f..%2fetc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "/assets/../config"]
)
def test_no_file_outside_comes_through_the_assets(served: Served, path: str) -> None:
    status, said = served.ask("GET", path)
    assert status in (403, 404)
    assert "root:" not in said


def test_no_method_but_those_of_the_page_does_anything(served: Served) -> None:
    assert served.ask("HEAD", "/", cookie=served.cookie)[0] == 200
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "FOO"):
        for path in ("/", "/config", "/gradio_api/queue/join"):
            assert served.ask(method, path, cookie=served.cookie)[0] == 405


def test_large_chunked_and_odd_bodies_are_refused(served: Served) -> None:
    head = (
        f"POST /gradio_api/queue/join HTTP/1.1\r\nhost: 127.0.0.1:{served.port}\r\ncookie: {served.cookie}\r\n".encode()
    )
    chunked = head + b"transfer-encoding: chunked\r\n\r\n"
    assert b" 413 " in served.raw(chunked + b"".join(b"%x\r\n%s\r\n" % (60_000, b"x" * 60_000) for _ in range(5)))
    assert b" 422 " in served.raw(chunked + b"2\r\n{}\r\n0\r\n\r\n")
    assert b" 413 " in served.raw(head + b"content-length: 300000\r\n\r\n" + b"x" * 300_000)
    assert served.post("/gradio_api/queue/join", b"[" * 100_000)[0] == 400
    assert served.post("/gradio_api/queue/join", b"{not json")[0] == 400
    form = b'--x\r\ncontent-disposition: form-data; name="session_hash"\r\n\r\nabcdef1234\r\n--x--'
    assert served.post("/gradio_api/component_server", form, content_type="multipart/form-data; boundary=x")[0] == 400
    assert b" 400 " in served.raw(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 200_000 + b"\r\n\r\n")
    assert b" 400 " in served.raw(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: evil.example\r\n\r\n")


def test_names_and_origins_of_others_open_nothing(served: Served) -> None:
    here, body = f"127.0.0.1:{served.port}", {"session_hash": "dddddddddd", "fn_index": 0, "data": []}
    assert served.ask("GET", "/", host="evil.example")[0] == 403
    rebound = {"host": "evil.example", "origin": "http://evil.example"}
    assert served.post("/gradio_api/queue/join", body, **rebound)[0] == 403
    assert b" 403 " in served.raw(b"GET / HTTP/1.0\r\n\r\n")
    for origin in (
        "null",
        "http://evil.example",
        f"http://{here}.evil.example",
        f"http://evil.example/://{here}",
        "file://",
    ):
        assert served.post("/gradio_api/queue/join", body, origin=origin)[0] == 403, origin
    assert "evil" not in served.ask("GET", "/config", x_forwarded_host="evil.example", x_forwarded_proto="https")[1]


def test_the_session_of_somebody_else_is_shut_on_every_route(served: Served) -> None:
    mine, other = "aaaaaaaaaa", served.visit()
    assert served.ask("GET", f"/gradio_api/queue/data?session_hash={mine}", cookie=served.cookie)[0] in (200, 404)
    assert (
        served.post("/gradio_api/queue/join", {"session_hash": mine, "fn_index": 0, "data": []}, cookie=other)[0] == 403
    )
    assert (
        served.post("/gradio_api/cancel", {"session_hash": mine, "fn_index": 0, "event_id": "x"}, cookie=other)[0]
        == 403
    )
    for path in (f"/gradio_api/queue/data?session_hash={mine}", f"/gradio_api/heartbeat/{mine}"):
        assert served.ask("GET", path, cookie=other)[0] == 403
    utf16 = f'{{"session_hash": "{mine}"}}'.encode("utf-16")
    assert served.post("/gradio_api/queue/join", utf16, cookie=other)[0] == 403
    in_query = f"/gradio_api/queue/join?session_hash={mine}"
    assert served.post(in_query, {"fn_index": 0, "data": []}, cookie=other)[0] == 400, "the body alone names a session"


def test_only_the_offered_functions_of_a_component_can_be_called(served: Served) -> None:
    config = json.loads(get(served.port, "/config", {"cookie": served.cookie})[2])
    offering = {c["id"]: c["props"]["server_fns"] for c in config["components"] if c["props"].get("server_fns")}
    board = next(number for number, names in offering.items() if "save" in names)
    plain = next(c["id"] for c in config["components"] if c["id"] not in offering)
    for number, name in (
        (board, "__init__"),
        (board, "postprocess"),
        (board, "table"),
        (plain, "save"),
        (999_999, "save"),
    ):
        body = {"session_hash": "bbbbbbbbbb", "component_id": number, "fn_name": name, "data": {}}
        assert served.post("/gradio_api/component_server", body)[0] in (404, 500), (number, name)
    for data in (None, [], "x", {"comparison": "\0", "uuid": 1}, {"comparison": "\ud800", "answers": []}):
        for name in ("save", "draft", "stop"):
            body = {"session_hash": "bbbbbbbbbb", "component_id": board, "fn_name": name, "data": data}
            status, said = served.post("/gradio_api/component_server", body)
            assert (status, "error" in said) == (200, True), (name, data, said)
