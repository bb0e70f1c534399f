"""One pace for all lanes of a provider: rates space the starts, a hold stops everyone, a halt sends them away."""

import asyncio
import time

import pytest

from playground.batch.pace import Halted, LocalPace, account_of
from playground.models import ModelSpec

BOTH = {"p/a": "p", "p/b": "p", "q/c": "q"}


def at_once() -> float:
    return 0.0


async def starts(pace: LocalPace, model: str, number: int) -> list[float]:
    begun = time.monotonic()

    async def lane() -> float:
        await pace.turn(model)
        return time.monotonic() - begun

    return sorted(await asyncio.gather(*(lane() for _ in range(number))))


async def test_a_rate_spaces_the_starts() -> None:
    found = await starts(LocalPace({"p/a": 50}), "p/a", 6)
    assert found[0] < 0.02
    assert found[-1] >= 0.099


async def test_a_hold_stops_every_model_of_the_provider_and_no_other() -> None:
    pace = LocalPace({}, accounts=BOTH, spread=at_once)
    await pace.hold("p/a", 0.2)
    assert min(await starts(pace, "p/b", 3)) >= 0.19
    assert max(await starts(pace, "q/c", 3)) < 0.1


async def test_a_lane_that_waits_for_its_rate_is_held_too() -> None:
    pace = LocalPace({"p/a": 20}, accounts=BOTH, spread=at_once)
    waiting = asyncio.create_task(starts(pace, "p/a", 4))
    await asyncio.sleep(0.01)
    await pace.hold("p/b", 0.4)
    found = await waiting
    assert found[0] < 0.1
    assert min(found[1:]) >= 0.38
    assert found[-1] - found[1] >= 0.09, "the rate holds after the wait as well"


async def test_the_longest_hold_counts() -> None:
    pace = LocalPace({}, spread=at_once)
    await pace.hold("p/a", 0.2)
    await pace.hold("p/a", 0.01)
    assert min(await starts(pace, "p/a", 1)) >= 0.19


async def test_a_halt_sends_those_away_who_wait() -> None:
    pace = LocalPace({}, accounts=BOTH)
    await pace.hold("p/a", 30)
    waiting = [asyncio.create_task(pace.turn(m)) for m in ("p/a", "p/b")]
    await asyncio.sleep(0.01)
    pace.halt("p/a")
    with pytest.raises(Halted):
        await asyncio.wait_for(waiting[0], 1)
    assert not waiting[1].done()
    pace.halt()
    with pytest.raises(Halted):
        await asyncio.wait_for(waiting[1], 1)
    with pytest.raises(Halted):
        await pace.turn("q/c")


def test_models_share_an_account_by_provider_address_and_key() -> None:
    def account(model: str, **options: str) -> str:
        return account_of(ModelSpec(model=model, label="x", options=options))

    assert account("openai/a") == account("openai/b")
    assert account("openai/a") != account("anthropic/a")
    assert account("compatible/a", base_url="http://x/v1") != account("compatible/b", base_url="http://y/v1")
    assert account("openai/a", api_key_env="ONE") != account("openai/a", api_key_env="TWO")
