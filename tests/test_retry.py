"""When a request is made again, and after how long."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters._faults import retry_after
from adapters.base import Chunk
from adapters.errors import AdapterError, ConnectionBroken, Malformed, RateLimited, ServerFailed, TooSlow
from adapters.retry import retrying


class Script:
    """Attempts that yield their texts and then fail, one after the other; the last one succeeds."""

    def __init__(self, *failures: tuple[Sequence[str], AdapterError]) -> None:
        self.failures, self.attempts, self.waits = list(failures), 0, []

    async def attempt(self) -> AsyncGenerator[Chunk, None]:
        self.attempts += 1
        if self.attempts <= len(self.failures):
            texts, error = self.failures[self.attempts - 1]
            for text in texts:
                yield Chunk(text)
            raise error
        yield Chunk("fine")

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def run(self, *, retries: int = 2, spread: float = 0.0) -> str:
        stream = retrying(self.attempt, retries=retries, sleep=self.sleep, spread=lambda: spread)
        return "".join([chunk.text async for chunk in stream])


async def test_a_broken_connection_is_tried_again_with_growing_pauses() -> None:
    script = Script(([], ConnectionBroken("x")), ([], ConnectionBroken("x")), ([], ConnectionBroken("x")))
    assert await script.run(retries=3) == "fine"
    assert script.waits == [0.5, 1.0, 2.0]


async def test_pauses_differ_so_that_many_callers_do_not_come_back_together() -> None:
    script = Script(([], ConnectionBroken("x")))
    await script.run(spread=1.0)
    assert script.waits == [0.75]


async def test_retries_are_bounded_and_the_last_error_is_the_one_told() -> None:
    script = Script(([], ConnectionBroken("first")), ([], ConnectionBroken("second")), ([], ConnectionBroken("third")))
    with pytest.raises(ConnectionBroken, match="third"):
        await script.run(retries=2)
    assert script.attempts == 3


async def test_after_the_first_text_nothing_is_tried_again() -> None:
    script = Script((["The pat"], ConnectionBroken("x")))
    with pytest.raises(ConnectionBroken):
        await script.run()
    assert script.attempts == 1


@pytest.mark.parametrize("error", [ServerFailed("x"), Malformed("x"), TooSlow("x")])
async def test_what_does_not_pass_by_itself_is_not_tried_again(error: AdapterError) -> None:
    script = Script(([], error))
    with pytest.raises(type(error)):
        await script.run()
    assert script.attempts == 1


async def test_the_time_asked_for_is_waited_but_never_too_long() -> None:
    script = Script(([], RateLimited("x", retry_after=7)))
    assert await script.run() == "fine"
    assert script.waits == [7]
    script = Script(([], RateLimited("x", retry_after=31)))
    with pytest.raises(RateLimited):
        await script.run()
    assert script.waits == []


def test_retry_after_is_read_in_each_of_its_forms() -> None:
    assert retry_after({"retry-after": "2.5"}) == 2.5
    assert retry_after({"retry-after-ms": "150", "retry-after": "9"}) == 0.15
    soon = retry_after({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)})
    assert soon is not None
    assert 50 < soon <= 60
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None
