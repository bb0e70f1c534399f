"""One HTTP request as it passes the door: its path, body, session, cookies and names; knows no rule and no Gradio."""

import ipaddress
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope

MOST_BODY = 256_000  # bytes of a request
FREE = re.compile(
    r"/((assets|static|svelte)/.*|theme\.css|favicon\.ico|manifest\.json|robots\.txt|gradio_api/startup-events)"
)
ORIGIN = re.compile(r"(https?)://([^/@\s]+)")


class Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class Visit:
    """One request as it passes the door."""

    scope: Scope
    path: str
    headers: Mapping[str, str]
    query: dict[str, str]
    posts: bool
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    body: bytes = b""
    user: dict[str, str] | None = None
    greet: bool = False  # set or renew the cookie

    @property
    def free(self) -> bool:
        return bool(FREE.fullmatch(self.path))


def read_visit(scope: Scope) -> Visit:
    path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
    return Visit(
        scope=scope,
        path=path if path.startswith("/") else f"/{path}",
        headers={k.decode("latin1"): v.decode("latin1") for k, v in scope["headers"]},
        query=dict(parse_qsl(scope["query_string"].decode("latin1"), keep_blank_values=True)),
        posts=scope["method"] not in ("GET", "HEAD", "OPTIONS"),
    )


async def read_body(visit: Visit, receive: Receive) -> bytes:
    body, more = bytearray(), visit.posts
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client has gone")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BODY:
            raise Refused(413, f"The request is larger than {MOST_BODY // 1000} kB. Shorten the text.")
    return bytes(body)


def again(visit: Visit, receive: Receive) -> Receive:
    """The body that was read, once more; afterwards the real channel, which reports a closed connection."""
    given = not visit.posts

    async def once_more() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": visit.body, "more_body": False}

    return once_more


def session_of(visit: Visit) -> str | None:
    if "/heartbeat/" in visit.path:
        return visit.path.rstrip("/").rpartition("/")[2]
    found: Any = visit.query.get("session_hash")
    if visit.body:
        try:
            data = json.loads(visit.body)
        except (ValueError, RecursionError) as error:
            raise Refused(400, "The request cannot be read.") from error
        found = data.get("session_hash") if isinstance(data, dict) else None
    return None if found is None else str(found)


def cookies_of(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def origin_of(visit: Visit) -> tuple[str, str] | None:
    """Scheme and host, with its port, of the page that makes the request; None where no page of another kind says so.

    Raises `Refused` for an origin that is none, such as `null`.
    """
    text = visit.headers.get("origin", "")
    if not text:
        return None
    found = ORIGIN.fullmatch(text.lower())
    if found is None:
        raise Refused(403, "This request came from another site.")
    return found[1], found[2]


def bare(host: str) -> str:
    """A host's name without port, brackets and last dot, in small letters."""
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return name.removesuffix(".")


def is_here(name: str) -> bool:
    """Whether a bare name needs no name server, so that no other site can have made it point here."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
