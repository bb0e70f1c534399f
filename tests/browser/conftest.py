"""A real server process, a real Chromium, and a model server on 127.0.0.1."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.pages import ComparePage
from tests.http_provider import HttpProvider, Plan

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ANSWER = (
    "The answer is **entailment**.\n\n1. The note says so.\n2. Nothing speaks against it.\n\n"
    "| sign | value |\n|---|---|\n| pulse | 118 |\n"
)
expect.set_options(timeout=15_000)  # milliseconds; two shared cores can be slow
LIBRARY = Path(__file__).with_name("library")
HOSTILE = Path(__file__).with_name("hostile.md").read_text(encoding="utf-8")
MODELS = [  # names that stand nowhere else, so that a leak is seen
    (
        "openai/zebrafinch-9",
        "Zebrafinch Nine",
        {"base_url": "{url}", "api_key_env": "TEST_MODEL_KEY", "max_retries": 0},
    ),
    ("compatible/quokka", "Quokka Large", {"base_url": "{url}", "model": "quokka-large", "max_retries": 0}),
    ("fake/wombat", "Wombat Echo", {"text": "neutral", "delay": 0.01}),
    ("fake/axolotl", "Axolotl Hostile", {"text": HOSTILE}),
]


@dataclass(frozen=True)
class Server:
    url: str
    data: Path
    models: HttpProvider

    @property
    def database(self) -> str:
        return f"sqlite:///{self.data / 'playground.db'}"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


@contextmanager
def serving(data: Path, listed: Sequence[Mapping[str, Any]], **environment: str) -> Iterator[str]:
    """The address of a playground process with these models and its data in `data`; it must end well."""
    models, log, port = data / "models.yaml", data / "log.txt", free_port()
    models.write_text(yaml.safe_dump({"models": [dict(one) for one in listed]}), encoding="utf-8")
    environment = {**os.environ, "PLAYGROUND_DATA": str(data), "PLAYGROUND_MODELS": str(models), **environment}
    with log.open("wb") as file:
        command = [sys.executable, "-m", "playground", "serve", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(url, process, log)
        yield url
    finally:
        process.terminate()
        assert process.wait(20) == 0, log.read_text()[-3000:]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("data")
    with HttpProvider(Plan(ANSWER, tokens_per_second=60)) as provider:
        listed = [
            {
                "model": model,
                "label": label,
                "options": {k: provider.openai_url if v == "{url}" else v for k, v in options.items()},
                **({"sends_to": "Zebra House"} if model.startswith("openai/") else {}),
            }
            for model, label, options in MODELS
        ]
        more = {"PLAYGROUND_LIBRARY": str(LIBRARY), "TEST_MODEL_KEY": "k", "PLAYGROUND_FIRST_TOKEN_LIMIT": "20"}
        with serving(data, listed, **more) as url:
            yield Server(url, data, provider)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def compare(page: Page, server: Server) -> ComparePage:
    """The Compare page, opened by a new visitor."""
    opened = ComparePage(page, server.url)
    opened.open()
    return opened
