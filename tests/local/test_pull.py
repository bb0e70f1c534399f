"""Quantise once, load quickly: what `playground local pull` leaves behind, and what `check` prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.base import GenerateConfig, Message, complete
from adapters.errors import ConnectionBroken, Unavailable
from adapters.local import pull as pulling
from adapters.local.engine import Engine
from adapters.local.loading import resident_bytes
from adapters.local.pull import pull
from adapters.local.weights import SUMS, check_sums, find
from tests.local.checkpoint import ANSWERS, SYSTEM
from tests.local.conftest import adapter_for, spec_of, until

ASK = (Message("system", SYSTEM), Message("user", "Count to thirty."))


@pytest.mark.parametrize("quantisation", ["nf4", "int8"])
async def test_a_pulled_model_is_quantised_on_disk_and_answers_the_same(
    nano: Path, engine: Engine, quantisation: str
) -> None:
    said: list[str] = []
    spec = spec_of(nano, quantisation=quantisation)
    made = pull(spec, say=said.append)
    assert made.quantised == quantisation
    assert made.size < find(spec_of(nano)).size
    check_sums(made.folder)
    assert find(spec).folder == made.folder
    done = await complete(adapter_for(nano, engine, quantisation=quantisation), ASK, GenerateConfig(max_tokens=100))
    assert done.text == ANSWERS["Count to thirty."]
    assert done.parameters["quantisation"] == quantisation
    assert any("Saved" in words for words in said)


def test_a_second_pull_changes_nothing(nano: Path) -> None:
    spec = spec_of(nano, quantisation="nf4")
    first = pull(spec, say=lambda words: None).folder
    stamp = (first / SUMS).stat().st_mtime_ns
    said: list[str] = []
    assert pull(spec, say=said.append).folder == first
    assert (first / SUMS).stat().st_mtime_ns == stamp
    assert "here already" in said[0]


def test_a_pull_that_fails_leaves_nothing_behind(copy: Path, models_folder: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5000])
    with pytest.raises(Exception, match=r".+"):
        pull(spec_of(copy, quantisation="nf4"), say=lambda words: None)
    assert not list(models_folder.iterdir())


def test_a_full_disk_is_said_before_anything_is_made(nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling.shutil, "disk_usage", lambda path: pulling.shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(Unavailable, match="PLAYGROUND_LOCAL_MODELS"):
        pull(spec_of(nano, quantisation="nf4"), say=lambda words: None)


def test_a_hub_id_without_a_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConnectionBroken, match="HF_HUB_OFFLINE"):
        pull(spec_of(Path("nobody/nothing")), say=lambda words: None)


async def test_eviction_gives_memory_back(small: Path, engine: Engine) -> None:
    config = GenerateConfig(max_tokens=1)
    await complete(adapter_for(small, engine, context=512), ASK, config)  # torch and its pools are up
    await until(lambda: not engine.busy)
    engine.evict_all()
    empty = resident_bytes()
    await complete(adapter_for(small, engine, context=512, quantisation="int8"), ASK, config)
    await until(lambda: not engine.busy)
    loaded = engine.resident()[0]
    size = sum(p.numel() * p.element_size() for p in loaded.model.parameters())
    full = resident_bytes()
    assert full - empty > 0.6 * size  # int8 weights lie in anonymous memory, which a leak would keep
    del loaded
    engine.evict_all()
    assert full - resident_bytes() > 0.6 * (full - empty)


def test_check_loads_answers_and_measures(nano: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PLAYGROUND_DATA": str(tmp_path / "data")}
    tool = Path(sys.executable).with_name("playground")
    found = subprocess.run(
        [tool, "local", "check", str(nano), "--task", "nli"], env=environment, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    for word in ("memory", "load", "first token", "speed", "tokens"):
        assert word in found.stdout
