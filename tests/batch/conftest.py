"""One server for a test, and a bench on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch.helpers import KEY, Bench, bench, on_server
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
