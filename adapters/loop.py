"""The event loop that answers are read in: uvloop where it is installed (not on Windows), else Python's own."""

import asyncio
import importlib.util


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop that nobody has started; close it after use."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()
