"""aiohttp under an httpx2 client, on sockets that can be left alone for a while; knows no API.

The SDKs bring such a transport, but hide the connection. A loop wakes for every packet, whoever reads it: at 400
streams of 50 tokens a second that is most of the work, and the kernel would gather them for nothing. Figures stand in
tests/benchmarks/streaming.md and batch.md.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial

import aiohttp
import httpx2

from adapters._breath import UNREAD


class Transport(httpx2.AsyncBaseTransport):
    """Connections of the running loop. `connect` and `kept_alive` in seconds; `secure`: which certificates to trust.

    `proxy` is told, not looked up by aiohttp, which would also read ~/.netrc and then refuse a key.
    """

    def __init__(
        self, *, limit: int, connect: float, kept_alive: float, secure: ssl.SSLContext | None, proxy: str | None = None
    ) -> None:
        connector = aiohttp.TCPConnector(limit=limit, keepalive_timeout=kept_alive, ssl=secure or True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            proxy=proxy,
            timeout=aiohttp.ClientTimeout(sock_connect=connect),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # httpx2 does it
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises what aiohttp raises; an SDK turns that into its own connection error."""
        url = request.url
        if url.userinfo:  # httpx2 has made a header of it, and aiohttp refuses to have both
            url = url.copy_with(username="", password="")
        answer = await self._session.request(
            request.method,
            str(url),
            headers=request.headers.multi_items(),
            data=await request.aread() or None,
            allow_redirects=False,  # what is done about them is httpx2's affair
        )
        return httpx2.Response(
            answer.status,
            headers=list(answer.raw_headers),
            stream=_Body(answer),
            request=request,
            extensions={"http_version": b"HTTP/1.1", UNREAD: partial(_unread, answer)},
        )

    async def aclose(self) -> None:
        await self._session.close()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for block in self._answer.content.iter_any():
            yield block

    async def aclose(self) -> None:
        """An answer that was not read to its end takes its connection along, so that the server stops."""
        self._answer.release()
        await self._answer.wait_for_close()


@contextmanager
def _unread(answer: aiohttp.ClientResponse) -> Iterator[None]:
    """What comes meanwhile waits in the kernel. So does the news that the other side has gone."""
    transport = answer.connection.transport if answer.connection else None
    if transport is None or transport.is_closing():
        yield
        return
    transport.pause_reading()
    try:
        yield
    finally:
        if not transport.is_closing():
            transport.resume_reading()
