"""One server for a test, a bench on it, and a disk that is soon full."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch.helpers import KEY, Bench, bench, on_server
from tests.conftest import REQUIRE_ALL
from tests.http_provider import HttpProvider, Plan


@pytest.fixture
def server() -> Iterator[HttpProvider]:
    with HttpProvider(Plan("neutral")) as running:
        yield running


@pytest.fixture
def make(server: HttpProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    """`make("a", "b", cases=5, **options)`: a bench whose models are on the server."""
    monkeypatch.setenv("SECRET_KEY", KEY)

    def made(*names: str, cases: int = 6, **options: Any) -> Bench:
        return bench(tmp_path, on_server(server.openai_url, *names, **options), cases=cases)

    return made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(words, capture_output=True).returncode:
        reason = "mounting a tmpfs is not permitted here: run as root, in a container with CAP_SYS_ADMIN"
        pytest.fail(reason) if REQUIRE_ALL else pytest.skip(reason)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
