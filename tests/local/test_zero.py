"""ZeroGPU: answers come out of `spaces.GPU`, in a forked worker; this process never touches torch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.local import available, zero
from tests.local.checkpoint import ANSWERS, make
from tests.local.conftest import spec_of

HERE = Path(__file__).with_name("zero_gpu")
ROOT = Path(__file__).parents[2]


def run(*command: str | Path, **more: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (HERE, ROOT))), **more}
    found = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=100)
    assert found.returncode == 0, found.stderr[-3000:]
    return found.stdout


@pytest.fixture(scope="module")
def told(nano: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process with a lent GPU said: a batch, a stop, a damaged model, an answer after each."""
    place = tmp_path_factory.mktemp("zero")
    endless = make(place / "endless", context=4096, endless=True)
    damaged = place / "damaged"
    damaged.mkdir()
    for path in nano.iterdir():
        (damaged / path.name).write_bytes(path.read_bytes())
    (damaged / "model.safetensors").write_bytes((nano / "model.safetensors").read_bytes()[:-5000])
    return json.loads(run(HERE / "ask.py", nano, endless, damaged))


def test_a_batch_is_answered_inside_the_decorator_in_another_process(told: dict[str, Any]) -> None:
    assert told["texts"] == list(ANSWERS.values())
    assert told["batch"] == len(ANSWERS)
    assert told["here"] not in told["workers"]
    assert told["torch"] is False


def test_the_worker_keeps_the_model_and_asks_for_no_more_time_than_is_likely(told: dict[str, Any]) -> None:
    assert len(set(told["workers"])) == 1
    assert told["seconds"] == [35, 120, 35, 35, 35]  # 30 s for a load, a second for 20 tokens, at most 120


def test_a_stop_reaches_the_worker_though_closing_the_generator_does_not(told: dict[str, Any]) -> None:
    assert told["after"] == ANSWERS["Show two faces."]
    assert told["values"][1] < 1500  # 2904 to the end of its 3000 tokens


def test_a_failure_there_is_an_error_here_and_the_worker_lives(told: dict[str, Any]) -> None:
    assert told["failure"].startswith("Unavailable: A weights file")
    assert told["again"] == ANSWERS["Show two faces."]


def test_a_space_finds_a_decorated_function_before_it_starts(tmp_path: Path) -> None:
    code = (
        "import spaces; seen = []; real = spaces.GPU\n"
        "spaces.GPU = lambda **options: lambda task: seen.append(task.__name__) or real(**options)(task)\n"
        "from playground.service import Playground\n"
        "from playground.settings import from_environment\n"
        "from playground.ui.app import build\n"
        "with Playground.open(from_environment()) as playground: build(playground)\n"
        "print(seen)"
    )
    data = {"PLAYGROUND_DATA": str(tmp_path), "SPACES_ZERO_GPU": "1"}
    assert run("-c", code, **data).strip() == "['there']"


def test_a_lent_gpu_is_not_looked_for_before_it_is_lent(monkeypatch: pytest.MonkeyPatch, nano: Path) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setattr(available, "gpu_free", lambda: None)
    monkeypatch.setattr(available, "memory_available", lambda: 0)
    monkeypatch.setattr(available, "has_avx512_bf16", lambda: False)
    assert available.device_of(spec_of(nano)) == "cuda"
    assert available.why_not(spec_of(nano, quantisation="nf4")) is None


def test_without_the_package_the_engine_s_own_thread_answers() -> None:
    assert zero.lent is None
