"""The runner: sides that answer at the same time, each with its own end."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Sequence

import pytest

from adapters.base import Chunk, GenerateConfig, Message
from adapters.errors import ServerFailed
from adapters.fake import create
from playground.runner import Background, Limits, Run, Side

CONFIG = GenerateConfig(max_tokens=20)
ASK = (Message("user", "Input:\nchest pain\nOutput:"),)


@pytest.fixture
def background() -> Iterator[Background]:
    loop = Background()
    yield loop
    loop.close()


def side(key: str, **options: object) -> Side:
    return Side(key, create(key, options, ()), ASK, CONFIG)


async def drain(run: Run) -> list[tuple[str, ...]]:
    return [tuple(s.state for s in sides) async for sides in run.updates()]


async def test_a_fast_side_ends_while_a_slow_one_still_answers(background: Background) -> None:
    fast, slow = side("A", text="quick"), side("B", chunks=["s"] * 8, delay=0.1)
    states = await drain(Run(background, [fast, slow], limits=Limits()))
    assert ("done", "answering") in states
    assert states[-1] == ("done", "done")
    assert (fast.text, slow.text) == ("quick", "ssssssss")


async def test_two_slow_sides_answer_in_parallel(background: Background) -> None:
    started = time.monotonic()
    await drain(Run(background, [side(k, chunks=["x"] * 5, delay=0.1) for k in "AB"], limits=Limits()))
    assert time.monotonic() - started < 0.9  # one after the other would take at least 1.0


async def test_a_failure_stays_on_its_side_and_keeps_its_text(background: Background) -> None:
    bad, good = side("A", chunks=["one ", "two"], fail_after=1), side("B", text="fine")
    await drain(Run(background, [bad, good], limits=Limits()))
    assert bad.state == "failed"
    assert isinstance(bad.error, ServerFailed)
    assert (bad.text, good.state, good.text) == ("one ", "done", "fine")


async def test_stop_ends_live_sides_and_leaves_finished_ones(background: Background) -> None:
    run = Run(background, [side("A", text="quick"), side("B", chunks=["x"] * 100, delay=0.05)], limits=Limits())
    async for sides in run.updates():
        if sides[0].state == "done" and sides[1].text:
            run.stop()
    assert [s.state for s in run.sides] == ["done", "stopped"]
    assert 0 < len(run.sides[1].text) < 100


class Hanging:
    """Never answers; tells when it was closed."""

    model = "fake/hanging"

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.when: float | None = None

    async def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
        try:
            yield Chunk(parameters={})
            await asyncio.sleep(60)
        finally:
            self.when = time.monotonic()
            self.closed.set()


async def test_closing_the_updates_closes_the_provider_stream_within_a_second(background: Background) -> None:
    adapter = Hanging()
    updates = Run(background, [Side("A", adapter, ASK, CONFIG)], limits=Limits()).updates()
    await anext(updates)
    closed_at = time.monotonic()
    await updates.aclose()
    await asyncio.to_thread(adapter.closed.wait, 2)
    assert adapter.when is not None
    assert adapter.when - closed_at < 1


async def test_a_side_without_a_sign_of_life_fails_and_says_so(background: Background) -> None:
    late = Side("A", Hanging(), ASK, CONFIG)
    await drain(Run(background, [late], limits=Limits(first=0.3, stall=0.3)))
    assert late.state == "failed"
    assert "0.3 seconds" in str(late.error)


async def test_it_yields_at_least_once_a_second_while_nothing_comes(background: Background) -> None:
    run = Run(background, [Side("A", Hanging(), ASK, CONFIG)], limits=Limits(first=3.5))
    assert len(await drain(run)) >= 3


async def test_text_that_utf_8_cannot_carry_is_mended_whatever_adapter_it_comes_from(background: Background) -> None:
    odd = side("A", chunks=["caf\xe9 \ud83e", " x\0"])
    await drain(Run(background, [odd], limits=Limits()))
    assert odd.text == odd.completion().text == "caf\xe9 \ufffd x\ufffd"


async def test_a_bug_in_an_adapter_ends_its_side(background: Background) -> None:
    class Broken(Hanging):
        async def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
            yield Chunk(text="x")
            raise KeyError("a bug")

    broken = Side("A", Broken(), ASK, CONFIG)
    await drain(Run(background, [broken], limits=Limits()))
    assert broken.state == "failed"
    assert "KeyError" not in str(broken.error)
