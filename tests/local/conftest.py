"""A tiny taught checkpoint for the whole session, and an engine for each test."""

import asyncio
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.local.engine import Engine
from adapters.local.spec import LocalSpec, read_spec
from adapters.local_transformers import LocalTransformers

MISSING = [n for n in ("torch", "transformers", "bitsandbytes", "accelerate") if importlib.util.find_spec(n) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [i for i in items if Path(__file__).parent in i.path.parents]
    for item in here:
        item.add_marker(pytest.mark.local)
        if MISSING and os.environ.get("PLAYGROUND_REQUIRE_ALL") != "1":
            reason = f"{', '.join(MISSING)} not installed; type: pip install -e '.[test]'"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.local.checkpoint import make

    return make(tmp_path_factory.mktemp("checkpoint") / "nano")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """77 million random parameters: slow enough to be stopped in mid-prefill."""
    from tests.local.checkpoint import make

    return make(tmp_path_factory.mktemp("checkpoint") / "small", size="small", steps=0, context=2048)


@pytest.fixture
def copy(nano: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(nano, tmp_path / "model"))


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLAYGROUND_LOCAL_MODELS", str(tmp_path / "pulled"))
    return tmp_path / "pulled"


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


def spec_of(folder: Path, **options: object) -> LocalSpec:
    return read_spec(str(folder), {"quantisation": "none", "context": 400, **options})


def adapter_for(folder: Path, engine: Engine, **options: object) -> LocalTransformers:
    return LocalTransformers(str(folder), spec_of(folder, **options), engine)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait, while this loop goes on, for what another thread does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the engine's thread sets no event of this loop
            await asyncio.sleep(0.005)
