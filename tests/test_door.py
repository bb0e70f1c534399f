"""The door: who may come in, with what, and what every answer carries. Both starts are real processes."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from playground.ui.door import Door, DoorSettings
from playground.ui.visit import MOST_BODY
from tests import samples

ROOT = Path(__file__).parents[1]


async def echo(request: Request) -> JSONResponse:
    body = await request.body()
    user = request.scope["pg_user"]
    told = {"user": user, "body": len(body), "query": str(request.url.query), "path": request.url.path}
    return JSONResponse({**told, "forwarded": request.headers.get("x-forwarded-host")})


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse("<html><script>1</script><script src='/assets/x.js'></script></html>")


def client(**changes: Any) -> TestClient:
    paths = (
        "/config", "/assets/x.js", "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/component_server",
        "/gradio_api/heartbeat/abcdef12", "/gradio_api/deep_link", "/gradio_api/upload", "/monitoring", "/openapi.json",
        "/gradio_api/file=/etc/passwd", "/gradio_api/info", "/login", "/gradio_api/call/run", "/gradio_api/run/predict",
    )  # fmt: skip
    app = Starlette(routes=[Route("/", page), *(Route(p, echo, methods=["GET", "POST"]) for p in paths)])
    rules = DoorSettings(secret="s", **{"hosts": ("testserver",), **changes})
    return TestClient(Door(app, rules), base_url="http://testserver")


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/deep_link", "/gradio_api/upload", "/monitoring", "/openapi.json", "/gradio_api/file=/etc/passwd",
        "/gradio_api/info", "/login", "/gradio_api/call/run", "/gradio_api/nothing", "/a/b", "/docs",
        "/config%0a", "/published%0A", "/gradio_api/queue/join%0a", "/gradio_api/proxy=http://127.0.0.1:1/",
        "/gradio_api/%64eep_link", "/gradio_api/queue/data/../../upload", "/gradio_api/run/other",
    ],
)  # fmt: skip
def test_what_is_not_on_the_list_is_not_there(path: str) -> None:
    inside = client()
    inside.get("/")
    assert inside.get(path).status_code == 404
    assert inside.post(path).status_code == 404


def test_a_visitor_gets_a_name_that_lasts_and_cannot_be_forged() -> None:
    inside = client()
    first = inside.get("/").headers["set-cookie"]
    assert "HttpOnly" in first
    assert "SameSite=Lax" in first
    one = inside.get("/config").json()["user"]["id"]
    assert inside.get("/config").json()["user"]["id"] == one
    other = client()
    other.get("/")
    assert other.get("/config").json()["user"]["id"] != one
    value = inside.cookies["playground"]
    forged = client()
    forged.cookies.set("playground", value[:-1] + ("0" if value[-1] != "0" else "1"))
    assert forged.post("/gradio_api/queue/join", json={}).status_code == 401


def test_without_a_page_there_is_no_way_in() -> None:
    assert client().post("/gradio_api/queue/join", json={}).status_code == 401
    assert client().get("/assets/x.js").status_code == 200
    assert client().get("/healthz").text == "ok"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://testserver", 200), ("https://testserver", 200), ("https://study.example.org", 200),
        ("http://evil.example", 403), ("null", 403), ("http://testserver.evil.example", 403), ("testserver", 403),
        ("http://testserver:81", 403), ("http://evil.example/://testserver", 403), ("HTTP://TestServer", 200),
        ("ftp://testserver", 403), ("http://evil@testserver", 403),
    ],
)  # fmt: skip
def test_other_sites_may_not_act_for_a_visitor(origin: str, status: int) -> None:
    inside = client(hosts=("testserver", "study.example.org"))
    inside.get("/")
    assert inside.post("/gradio_api/queue/join", json={}, headers={"origin": origin}).status_code == status


def test_behind_https_the_plain_page_of_the_same_name_is_another_site() -> None:
    inside = client(https=True, programs=True)
    for scheme, status in (("http", 403), ("https", 200)):
        answer = inside.post(
            "/gradio_api/queue/join", json={"session_hash": "abcdef1234"}, headers={"origin": f"{scheme}://testserver"}
        )
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("where", "status"), [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)]
)
def test_a_browser_that_says_the_request_is_another_sites_is_believed(where: str, status: int) -> None:
    inside = client()
    inside.get("/", headers={"sec-fetch-site": "cross-site"})  # a link on another site may lead to the page
    address = "/gradio_api/queue/data?session_hash=abcdef1234"
    assert inside.get(address, headers={"sec-fetch-site": where}).status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("testserver", 200), ("TESTSERVER.", 200), ("testserver:7860", 200), ("localhost:7860", 200),
        ("[::1]:7860", 200), ("127.0.0.1", 200), ("10.20.30.40:80", 200), ("ward.localhost", 200),
        ("evil.example", 403), ("", 403),
        ("testserver.evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil.example", 403),
    ],
)  # fmt: skip
def test_a_foreign_name_that_points_here_opens_nothing(host: str, status: int) -> None:
    """A site can let its own name point to 127.0.0.1: then its page and this one are of one origin to a browser."""
    inside = client()
    answer = inside.get("/", headers={"host": host})
    assert answer.status_code == status
    assert ("PLAYGROUND_HOSTS" in answer.text) == (status == 403)
    assert inside.get("/healthz", headers={"host": host}).status_code == 200, "a load balancer asks by any name"


def test_the_machines_own_name_is_known() -> None:
    assert client(hosts=()).get("/", headers={"host": f"{socket.gethostname()}:7860"}).status_code == 200


@pytest.mark.parametrize(("forwarded", "seen"), [("evil.example", False), ("testserver", True), ("10.0.0.1, x", True)])
def test_a_foreign_forwarded_name_does_not_reach_the_page(forwarded: str, seen: bool) -> None:
    inside = client()
    inside.get("/")
    assert (inside.get("/config", headers={"x-forwarded-host": forwarded}).json()["forwarded"] is not None) == seen


def test_a_session_belongs_to_whoever_used_it_first() -> None:
    inside = client()
    inside.get("/")
    body = {"session_hash": "abcdef1234"}
    assert inside.post("/gradio_api/queue/join", json=body).status_code == 200
    stolen = TestClient(inside.app, base_url="http://testserver")
    stolen.get("/")
    assert stolen.post("/gradio_api/queue/join", json=body).status_code == 403
    assert stolen.get("/gradio_api/queue/data?session_hash=abcdef1234").status_code == 403
    assert stolen.post("/gradio_api/queue/join", json={"session_hash": "../../etc"}).status_code == 400
    assert stolen.post("/gradio_api/queue/join", content=b"{not json").status_code == 400
    assert stolen.post("/gradio_api/queue/join", content=b"[" * 100_000).status_code == 400
    twice = "/gradio_api/queue/data?session_hash=abcdef1234&session_hash=mine123456"
    assert stolen.get(twice).json()["query"] == "session_hash=mine123456", (
        "the name that was checked is the one passed on"
    )
    assert stolen.get("/gradio_api/heartbeat/abcdef1234").status_code == 403


@pytest.mark.parametrize("value", ["", ".", "a.b", "%ff.%ff", "\xe9.\xe9", '"x\\', "x" * 5000])
def test_a_cookie_that_was_never_ours_is_none(value: str) -> None:
    header = {"cookie": f"playground={value}".encode("latin1")}
    assert client().post("/gradio_api/queue/join", json={}, headers=header).status_code == 401


def test_a_cookie_that_has_run_out_is_none_and_one_of_another_key_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(scope: object, receive: object, send: object) -> None: ...

    ours, theirs = (Door(nobody, DoorSettings(secret=secret)) for secret in ("s", "t"))
    assert ours.unseal(ours.seal("visitor-1")) == "visitor-1"
    assert theirs.unseal(ours.seal("visitor-1")) is None
    monkeypatch.setattr("playground.ui.door.LASTS", -1)
    assert ours.unseal(ours.seal("visitor-1")) is None


def test_bodies_are_bounded_and_arrive_whole() -> None:
    inside = client()
    inside.get("/")
    fits = inside.post("/gradio_api/component_server", json={"data": "x" * 200_000})
    assert fits.json()["body"] > 200_000
    assert inside.post("/gradio_api/component_server", content=b"x" * (MOST_BODY + 1)).status_code == 413


def test_a_deep_link_is_dropped() -> None:
    inside = client()
    inside.get("/")
    assert inside.get("/config?deep_link=abc&x=1").json()["query"] == "x=1"


def test_every_script_of_a_page_carries_this_answer_s_nonce() -> None:
    inside = client()
    one, two = inside.get("/"), inside.get("/")
    for answer in (one, two):
        policy = answer.headers["content-security-policy"]
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        assert answer.text.count(f'<script nonce="{nonce}"') == 2
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy.partition("style-src")[0]
        assert int(answer.headers["content-length"]) == len(answer.content)
    assert one.headers["content-security-policy"] != two.headers["content-security-policy"]
    assert one.headers["cache-control"] == "no-store"
    assert one.headers["x-content-type-options"] == "nosniff"


def test_in_a_frame_of_a_space_the_cookie_and_the_policy_allow_it() -> None:
    answer = client(embedded=True, https=True).get("/")
    assert "SameSite=None; Secure; Partitioned" in answer.headers["set-cookie"]
    assert "frame-ancestors https://huggingface.co" in answer.headers["content-security-policy"]
    assert "strict-transport-security" in answer.headers


def test_programs_come_in_only_where_the_setting_allows_it() -> None:
    body = {"session_hash": "abcdef1234"}
    inside = client(programs=True)
    assert inside.get("/gradio_api/info").status_code == 200
    assert inside.post("/gradio_api/queue/join", json=body).json()["user"]["id"] == "program-abcdef1234"
    assert client().post("/gradio_api/queue/join", json=body).status_code == 401


# -- the two starts


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(params=["serve", "app.py"])
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes], Path]]:
    port, log = free_port(), tmp_path / "log.txt"
    found = samples.settings(tmp_path)
    environment = {
        **os.environ, "PLAYGROUND_DATA": str(found.data), "PLAYGROUND_MODELS": str(found.models),
        "PLAYGROUND_LIBRARY": str(found.library), "PLAYGROUND_PORT": str(port),
    }  # fmt: skip
    how = {"serve": ["-m", "playground", "serve"], "app.py": ["app.py"]}[request.param]
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, *how], cwd=ROOT, env=environment, stdout=file, stderr=file)
    try:
        for _ in range(200):
            assert process.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield port, process, log
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def get(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body


def test_both_starts_shut_the_same_doors_and_stop_gracefully(
    started: tuple[int, subprocess.Popen[bytes], Path],
) -> None:
    port, process, log = started
    status, headers, body = get(port, "/")
    assert status == 200
    assert "Clinical task playground" in body
    assert "'nonce-" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in get(port, "/", {"origin": f"http://127.0.0.1:{port}"})[1]
    for path in ("/gradio_api/info", "/monitoring", "/openapi.json", "/gradio_api/upload", "/docs"):
        assert get(port, path)[0] == 404, path
    assert get(port, "/", {"origin": "http://evil.example"})[0] == 403
    assert "torch" not in log.read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "Traceback" not in log.read_text()


def test_a_stop_in_the_first_moment_is_graceful_too(started: tuple[int, subprocess.Popen[bytes], Path]) -> None:
    _, process, log = started  # its port has only just answered
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert "Traceback" not in log.read_text()


def test_a_stop_at_the_line_that_tells_the_address_is_not_lost(tmp_path: Path) -> None:
    environment = {**os.environ, "PLAYGROUND_DATA": str(tmp_path), "PLAYGROUND_PORT": str(free_port())}
    command = [sys.executable, "-m", "playground", "serve"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "Ctrl-C stops it" in next(line for line in process.stderr if "playground on" in line)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()
