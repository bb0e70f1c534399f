"""A stop in mid-stream, in both starts: requests are closed, what came is stored, the database is closed, code 0."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from gradio_client import Client

from playground.store import Store
from tests import samples
from tests.http_provider import HttpProvider, Plan
from tests.test_door import ROOT, free_port

RAISED = re.compile(r"[\w.]+(Error|Exception|Exit|Interrupt)\b")
SIDES = [{"model": "compatible/slow"}, {"model": "fake/right"}]


@pytest.fixture
def provider() -> Iterator[HttpProvider]:
    with HttpProvider(Plan("word " * 2000, tokens_per_second=20)) as running:
        yield running


def start(how: list[str], folder: Path, provider: HttpProvider, port: int) -> subprocess.Popen[bytes]:
    found, listed = samples.settings(folder), folder / "models.yaml"
    models = [
        {"model": "compatible/slow", "label": "Slow", "options": {"base_url": provider.openai_url}},
        {"model": "fake/right", "label": "Right", "options": {"text": "neutral"}},
    ]
    listed.write_text(yaml.safe_dump({"models": models}))
    environment = {
        **os.environ, "PLAYGROUND_DATA": str(found.data), "PLAYGROUND_MODELS": str(listed), "PLAYGROUND_API_OPEN": "1",
        "PLAYGROUND_LIBRARY": str(found.library), "PLAYGROUND_PORT": str(port),
    }  # fmt: skip
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([sys.executable, *how], cwd=ROOT, env=environment, stdout=log, stderr=log)
    for _ in range(200):
        assert process.poll() is None, (folder / "log.txt").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            time.sleep(0.2)
    raise AssertionError((folder / "log.txt").read_text())


def page_left_open(port: int) -> http.client.HTTPConnection:
    """What a browser holds while a page is open: a stream that ends with the page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
    connection.request("GET", "/gradio_api/heartbeat/0123456789ab", headers={"cookie": cookie})
    assert connection.getresponse().status == 200
    return connection


@pytest.mark.parametrize(
    ("how", "sign"),
    [(["-m", "playground", "serve"], signal.SIGTERM), (["app.py"], signal.SIGINT)],
    ids=["serve", "app.py"],
)
def test_a_stop_in_mid_stream_closes_requests_stores_what_came_and_ends_well(
    tmp_path: Path, provider: HttpProvider, how: list[str], sign: signal.Signals
) -> None:
    port = free_port()
    process = start(how, tmp_path, provider, port)
    maps = Path(f"/proc/{process.pid}/maps")
    try:
        if maps.exists():  # Linux: a start loads the SDK of its models before anybody asks, and never torch
            provider.wait(lambda: "/aiohttp/" in maps.read_text(), timeout=30)
            assert "libtorch" not in maps.read_text()
        client = Client(f"http://127.0.0.1:{port}", verbose=False)
        ask = {"task": "pairs", "case": "one", "sides": SIDES}
        threading.Thread(target=lambda: client.submit(ask, api_name="/compare"), daemon=True).start()
        provider.wait(lambda: provider.asked("slow") and provider.asked("slow")[0].sent > 5, timeout=30)
        page = page_left_open(port)
        told = time.monotonic()
        process.send_signal(sign)
        assert process.wait(12) == 0, (tmp_path / "log.txt").read_text()
        assert time.monotonic() - told < 8
        page.close()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    provider.wait(lambda: provider.asked("slow")[0].closed_by_client)
    data = tmp_path / "data"
    assert not (data / "playground.db-wal").exists(), "the database was closed, so its log is merged"
    with Store.open(f"sqlite:///{data / 'playground.db'}") as store:
        (run,) = store.iterate_comparisons()
        stored = store.comparison(run.id)
    assert stored is not None
    assert [r.state for r in stored.responses] == ["stopped", "done"]
    assert stored.responses[0].text.startswith("word word")
    assert stored.responses[0].scores == ()
    said = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in said
    assert not RAISED.search(said)
