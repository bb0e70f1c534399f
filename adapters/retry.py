"""Ask again, before the first text only and only for what may pass by itself; knows no API.

A retry after text has been shown would join two answers, so from the first text on every error is final.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from adapters.base import Chunk
from adapters.errors import AdapterError, RateLimited

LONGEST_WAIT = 30.0  # seconds; a longer Retry-After is handed to the caller as an error
LONGEST_BACKOFF = 8.0

Attempt = Callable[[], AsyncGenerator[Chunk, None]]


async def retrying(
    attempt: Attempt,
    *,
    retries: int,
    longest: float = LONGEST_WAIT,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    spread: Callable[[], float] = random.random,
) -> AsyncGenerator[Chunk, None]:
    """Stream `attempt()`; start it again up to `retries` times while no text has come and the error allows it.

    Before each wait a `status` chunk says so. `longest`: the longest Retry-After in seconds that is waited for.
    `spread` gives 0..1 and keeps many callers from coming back in the same instant.
    """
    for number in range(retries + 1):
        begun = False
        try:
            async with aclosing(attempt()) as chunks:
                async for chunk in chunks:
                    begun = begun or bool(chunk.text)
                    yield chunk
            return
        except AdapterError as error:
            wait = pause(error, number, longest, spread)
            if begun or wait is None or number == retries:
                raise
            reason = "Too many requests" if isinstance(error, RateLimited) else "No connection"
        yield Chunk(status=f"{reason}. Trying again in {wait:.0f} s ({number + 1} of {retries}).")
        await sleep(wait)


def pause(error: AdapterError, number: int, longest: float, spread: Callable[[], float]) -> float | None:
    """Seconds to wait before attempt `number` + 2, or None where waiting is of no use."""
    if not error.retryable:
        return None
    asked = error.retry_after if isinstance(error, RateLimited) else None
    if asked is None:
        return min(LONGEST_BACKOFF, 0.5 * 2**number) * (1 + spread() / 2)
    return asked + spread() * min(1.0, asked / 4) if asked <= longest else None
