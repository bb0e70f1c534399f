"""The line before the runs: places, order, leaving, a full line."""

import pytest

from playground.errors import Busy
from playground.service.line import Line


async def test_runs_start_in_the_order_they_came_as_places_get_free() -> None:
    line = Line(places=1, most_waiting=5)
    first, second, third = line.join(), line.join(), line.join()
    assert await first.wait(0.01)
    assert (second.ahead, third.ahead) == (0, 1)
    assert not await second.wait(0.01)
    first.done()
    assert await second.wait(0.01)
    assert not await third.wait(0.01)


async def test_who_leaves_is_told_and_makes_room() -> None:
    line = Line(places=1, most_waiting=5)
    first, second, third = line.join(), line.join(), line.join()
    assert line.leave(second.id)
    assert not await second.wait(0.01)
    assert second.left
    assert not line.leave(first.id), "a running one does not wait"
    first.done()
    assert await third.wait(0.01)


async def test_a_full_line_refuses_and_nothing_is_lost() -> None:
    line = Line(places=1, most_waiting=1)
    first, second = line.join(), line.join()
    with pytest.raises(Busy, match="Nothing was sent to a model"):
        line.join()
    first.done()
    assert await second.wait(0.01)
    assert await line.join().wait(0.01) is False, "it waits behind the second"
