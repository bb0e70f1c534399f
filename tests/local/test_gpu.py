"""What is said of a graphics card, with an `nvidia-smi` on the path and a torch that cannot use it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.base import GenerateConfig, Message, complete
from adapters.errors import Unavailable
from adapters.local import available
from adapters.local.engine import Engine
from tests.local.conftest import adapter_for, spec_of


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tool that reports two cards with 8,000 and 24,000 MiB free; each call leaves a line in the file."""
    tool, log = tmp_path / "bin" / "nvidia-smi", tmp_path / "asked"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\necho x >> {log}\nprintf '8000\\n24000\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    available._ask_nvidia.cache_clear()
    yield log
    available._ask_nvidia.cache_clear()


def test_the_freest_card_counts_and_is_not_asked_for_every_model(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "GPU_ASKED_EVERY", 1e9)
    assert {available.gpu_free() for _ in range(20)} == {24_000 * 1024 * 1024}
    assert len(asked.read_text().split()) == 1


def test_a_card_makes_four_bits_fast_and_its_memory_is_what_counts(
    asked: Path, nano: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(available, "has_avx512_bf16", lambda: False)
    monkeypatch.setattr(available, "SLOW_ABOVE", 1000)
    monkeypatch.setattr(available, "memory_available", lambda: 0)
    assert available.why_not(spec_of(nano, quantisation="nf4")) is None


async def test_a_torch_that_cannot_use_the_card_is_said_before_it_crawls(
    asked: Path, nano: Path, engine: Engine
) -> None:
    with pytest.raises(Unavailable, match=r"torch cannot use it\. Install .* or write device: cpu"):
        await complete(adapter_for(nano, engine), (Message("user", "x"),), GenerateConfig(max_tokens=4))
    done = await complete(
        adapter_for(nano, engine, device="cpu"), (Message("user", "x"),), GenerateConfig(max_tokens=4)
    )
    assert done.parameters["device"] == "cpu"
