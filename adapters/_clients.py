"""The httpx2 clients of an adapter, one for each event loop, and how they reach the network; knows no API.

A client belongs to the loop it was made in. It is kept inside a suspended async generator, since a loop closes those
when it ends: nobody has to close an adapter (decision 10).
"""

import asyncio
import importlib
import threading
from collections.abc import AsyncGenerator, Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from adapters._endpoint import Endpoint, is_address
from adapters.errors import Unavailable

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
    """`made` gives an httpx2 client, `connect` what asks through it, which may be the same."""

    def __init__(self, package: str, made: Callable[[], Any], connect: Callable[[Any], Client]) -> None:
        self._package, self._made, self._connect = package, made, connect
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
        http = self._made()
        try:
            yield self._connect(http)
        finally:
            self._kept.pop(loop, None)
            await http.aclose()


def http_client(endpoint: Endpoint) -> Any:
    """An httpx2 client for this endpoint, on aiohttp. Raises `Unavailable` for a proxy that is none of HTTP."""
    import httpx2

    from adapters._transport import Transport

    transport = endpoint.transport or Transport(
        limit=CONNECTIONS,
        connect=CONNECT_LIMIT,
        kept_alive=KEPT_ALIVE,
        secure=httpx2.create_ssl_context() if endpoint.base_url.startswith("https:") else None,
        proxy=proxy_of(endpoint),
    )
    return httpx2.AsyncClient(
        transport=transport,
        timeout=httpx2.Timeout(None, connect=CONNECT_LIMIT),
        follow_redirects=False,  # decision 12
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # none: a server need not know its visitors again
    )


def proxy_of(endpoint: Endpoint) -> str | None:
    """The proxy of the environment for these requests; none can reach this machine's own servers.

    The one for the address's scheme counts, else the one for all. Raises `Unavailable` for SOCKS and the like.
    """
    at, known = urlsplit(endpoint.base_url), getproxies()
    proxy = known.get(at.scheme) or known.get("all")
    if not proxy or endpoint.on_loopback or proxy_bypass(at.hostname or ""):
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not is_address(url):
        fix = "Set HTTPS_PROXY to http://HOST:PORT, or name the model's host in NO_PROXY; then restart."
        raise Unavailable("The environment's proxy is no HTTP proxy.", fix=fix)
    return url
