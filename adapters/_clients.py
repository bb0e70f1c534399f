"""The httpx2 clients of an adapter, one for each event loop, and how they reach the network; knows no API.

A client belongs to the loop it was made in. It is kept inside a suspended async generator, since a loop closes those
when it ends: nobody has to close an adapter (decision 10).
"""

import asyncio
import importlib
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from adapters._endpoint import Endpoint

CONNECTIONS = 1000
CONNECT_LIMIT = 10.0  # seconds
KEPT_ALIVE = 30.0  # seconds that an idle connection is kept
Client = Any  # httpx2.AsyncClient, or an SDK's client on one; not imported here
_loading, _loaded = threading.Lock(), set[str]()


def load(package: str) -> None:
    """Import what a first request through this package would wait for; blocks for up to a second.

    Of many requests that come at once one does the work: a client costs 27 ms, 200 of them 5 s of CPU.
    """
    with _loading:
        if package not in _loaded:
            importlib.import_module(package)
            importlib.import_module("adapters._transport")
            _loaded.add(package)


class Clients:
    """`opened` makes an httpx2 client and what asks through it, which may be the same."""

    def __init__(self, package: str, opened: Callable[[], tuple[Any, Client]]) -> None:
        self._package, self._opened = package, opened
        self._kept: dict[asyncio.AbstractEventLoop, tuple[AsyncGenerator[Client, None], Client]] = {}

    async def here(self) -> Client:
        """The running loop's client."""
        loop = asyncio.get_running_loop()
        if self._package not in _loaded:
            await asyncio.to_thread(load, self._package)  # other streams go on
        if loop not in self._kept:
            keeper = self._keep(loop)
            self._kept[loop] = keeper, await anext(keeper)
        return self._kept[loop][1]

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Client, None]:
        http, client = self._opened()
        try:
            yield client
        finally:
            self._kept.pop(loop, None)
            await http.aclose()


def options_for(endpoint: Endpoint) -> dict[str, Any]:
    """What an httpx2 client for this endpoint is made with. `transport` None: it has to know the proxies itself."""
    import httpx2

    from adapters._transport import Transport

    transport, secure = endpoint.transport, endpoint.base_url.startswith("https:")
    if transport is None and not by_proxy(endpoint):
        certificates = httpx2.create_ssl_context() if secure else None
        transport = Transport(limit=CONNECTIONS, connect=CONNECT_LIMIT, kept_alive=KEPT_ALIVE, secure=certificates)
    limits = httpx2.Limits(
        max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEPT_ALIVE
    )
    return {
        "timeout": httpx2.Timeout(None, connect=CONNECT_LIMIT),
        "limits": limits,
        "transport": transport,
        "follow_redirects": False,  # decision 12
    }


def by_proxy(endpoint: Endpoint) -> bool:
    """Whether the environment sends this request through a proxy; none can reach this machine's own servers."""
    at = urlsplit(endpoint.base_url)
    known = getproxies()
    named = at.scheme in known or "all" in known
    return named and not endpoint.on_loopback and not proxy_bypass(at.hostname or "")
