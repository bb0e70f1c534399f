"""Door: one ASGI middleware before Gradio, the same in both starts. Knows HTTP and visitors, nothing of models.

In this order: unknown routes are 404, foreign origins 403, `deep_link` is dropped, bodies are bounded, the signed
visitor cookie is read, a Gradio session belongs to whoever used it first, and every answer gets its headers.
Sign-in and roles will come in `Door.identify`; what it returns lies in `scope["pg_user"]` for every function.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "playground"
LASTS = 90 * 24 * 3600  # seconds a visitor is known; renewed by every page
MOST_BODY = 256_000  # bytes of a request
MOST_SESSIONS = 20_000
FREE = re.compile(
    r"/((assets|static|svelte)/.*|theme\.css|favicon\.ico|manifest\.json|robots\.txt|gradio_api/startup-events)$"
)
PAGES = re.compile(r"/(\w+/?)?$")
OPEN = re.compile(
    r"/(config|healthz)/?$|/gradio_api/((queue/(join|data)|run/predict|cancel|reset|component_server)/?|heartbeat/[\w-]+)$"
)
PROGRAMS = re.compile(r"/gradio_api/info/?$")
SHUT = re.compile(r"/(monitoring|docs|redoc|login|logout|pwa_icon)/?$")
POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; "
    "worker-src 'self' blob:; manifest-src 'self'; form-action 'self'; base-uri 'self'; object-src 'none'; "
    "frame-src 'none'; frame-ancestors {ancestors}"
)


@dataclass(frozen=True, kw_only=True)
class DoorSettings:
    """`hosts`: further host names of the page; `embedded`: the page sits in a frame of huggingface.co."""

    secret: str
    hosts: tuple[str, ...] = ()
    https: bool = False
    embedded: bool = False
    programs: bool = False  # clients without a page may call the public endpoints


def visitor(request: Any) -> str:
    """The visitor's id, from a `gr.Request` or the raw request. Never taken from what the page sent."""
    return getattr(request, "request", request).scope["pg_user"]["id"]


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
        return bool(FREE.match(self.path))


class Door:
    def __init__(self, app: ASGIApp, settings: DoorSettings) -> None:
        self.app, self.settings = app, settings
        self._owners: OrderedDict[str, str] = OrderedDict()  # Gradio's session hash -> visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no page of ours opens a websocket
            await send({"type": "websocket.close", "code": 1008})
            return
        visit = _visit(scope)
        out = _Out(visit, send, self)
        try:
            self._check_route(visit)
            visit.body = await _read(visit, receive)
            visit.user = self.identify(visit)
            self._check_session(visit)
        except Refused as refused:
            await out.reply(refused.status, str(refused))
            return
        except ConnectionError:
            return
        if visit.path.rstrip("/") == "/healthz":
            await out.reply(200, "ok")
            return
        inner = {**scope, "pg_user": visit.user, "query_string": urlencode(visit.query).encode()}
        if not visit.free:  # our policy's nonce goes into the page, so it must arrive unpacked
            inner["headers"] = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        await self.app(inner, _again(visit, receive), out)

    # -- who

    def identify(self, visit: Visit) -> dict[str, str] | None:
        """The visitor of a request: {id, role}. Later, sign-in looks the role up in the database here."""
        known = self.unseal(_cookies(visit.headers.get("cookie", "")).get(COOKIE, ""))
        page = not visit.posts and bool(PAGES.match(visit.path))
        if known is None and page:
            known = f"visitor-{secrets.token_hex(12)}"
        visit.greet = page
        if known is None and self.settings.programs and (session := _session(visit)):
            known = f"program-{session}"
        if known is None and not visit.free and not visit.path.startswith(("/config", "/healthz", "/gradio_api/info")):
            raise Refused(401, "Open the page first: this address needs its cookie.")
        return {"id": known, "role": "visitor"} if known else None

    def seal(self, value: str) -> str:
        payload = json.dumps([value, int(time.time()) + LASTS]).encode()
        text = base64.urlsafe_b64encode(payload).decode().rstrip("=")
        return f"{text}.{self._mac(text)}"

    def unseal(self, sealed: str) -> str | None:
        text, _, mac = sealed.rpartition(".")
        if not text or not hmac.compare_digest(mac.encode(), self._mac(text).encode()):
            return None
        try:
            value, until = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, binascii.Error):
            return None
        return value if isinstance(value, str) and until > time.time() else None

    def _mac(self, text: str) -> str:
        return hmac.new(self.settings.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def cookie(self, value: str) -> str:
        same = "SameSite=Lax" + ("; Secure" if self.settings.https else "")
        if self.settings.embedded:
            same = "SameSite=None; Secure; Partitioned"
        return f"{COOKIE}={self.seal(value)}; Path=/; HttpOnly; Max-Age={LASTS}; {same}"

    # -- what may pass

    def _check_route(self, visit: Visit) -> None:
        path = visit.path
        allowed = visit.free or OPEN.match(path) or (self.settings.programs and PROGRAMS.match(path))
        if not allowed and (SHUT.match(path) or not PAGES.match(path)):
            raise Refused(404, "There is no such page.")
        origin = visit.headers.get("origin", "").split("://")[-1]
        if origin and not visit.free and origin not in (visit.headers.get("host"), *self.settings.hosts):
            raise Refused(403, "This request came from another site.")
        visit.query.pop("deep_link", None)

    def _check_session(self, visit: Visit) -> None:
        if "/gradio_api/" not in visit.path or visit.user is None:
            return
        session = _session(visit)
        if session is None:
            return
        if not re.fullmatch(r"[\w-]{6,40}", session):
            raise Refused(400, "The session's name cannot be read. Reload the page.")
        owner = self._owners.setdefault(session, visit.user["id"])
        self._owners.move_to_end(session)
        while len(self._owners) > MOST_SESSIONS:
            self._owners.popitem(last=False)
        if owner != visit.user["id"]:
            raise Refused(403, "This session belongs to somebody else. Reload the page.")

    def headers(self, visit: Visit) -> list[tuple[bytes, bytes]]:
        ancestors = "https://huggingface.co" if self.settings.embedded else "'none'"
        pairs = {
            "content-security-policy": POLICY.format(nonce=visit.nonce, ancestors=ancestors),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
            "cross-origin-opener-policy": "same-origin",
            "x-accel-buffering": "no",
        }
        if not visit.free:
            pairs["cache-control"] = "no-store"
        if self.settings.https:
            pairs["strict-transport-security"] = "max-age=31536000"
        if visit.greet and visit.user:
            pairs["set-cookie"] = self.cookie(visit.user["id"])
        return [(name.encode(), value.encode()) for name, value in pairs.items()]


class _Out:
    """Sends an answer on, with headers; a page is held back until the nonce stands in each of its scripts."""

    def __init__(self, visit: Visit, send: Send, door: Door) -> None:
        self._visit, self._send, self._door = visit, send, door
        self._start: Message | None = None
        self._page = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            own = self._door.headers(self._visit)
            names = {name for name, _ in own}
            kept = [pair for pair in message.get("headers", []) if _passes(pair[0].lower(), names)]
            message = {**message, "headers": [*kept, *own]}
            if any(n == b"content-type" and v.startswith(b"text/html") for n, v in kept):
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            self._page += message.get("body", b"")
            if message.get("more_body"):
                return
            message = await self._finish()
        await self._send(message)

    async def _finish(self) -> Message:
        assert self._start is not None
        body = bytes(self._page).replace(b"<script", b'<script nonce="%s"' % self._visit.nonce.encode())
        kept = [pair for pair in self._start["headers"] if pair[0] != b"content-length"]
        await self._send({**self._start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
        self._start = None
        return {"type": "http.response.body", "body": body}

    async def reply(self, status: int, words: str) -> None:
        body = words.encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _passes(name: bytes, ours: set[bytes]) -> bool:
    """Whether a header of Gradio's goes out: not where we set it, and none that opens the answer to another origin."""
    return not name.startswith(b"access-control-") and (name not in ours or name == b"set-cookie")


def _visit(scope: Scope) -> Visit:
    path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
    return Visit(
        scope=scope,
        path=path if path.startswith("/") else f"/{path}",
        headers={k.decode("latin1"): v.decode("latin1") for k, v in scope["headers"]},
        query=dict(parse_qsl(scope["query_string"].decode("latin1"), keep_blank_values=True)),
        posts=scope["method"] not in ("GET", "HEAD", "OPTIONS"),
    )


async def _read(visit: Visit, receive: Receive) -> bytes:
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


def _again(visit: Visit, receive: Receive) -> Receive:
    """The body that was read, once more; afterwards the real channel, which reports a closed connection."""
    given = not visit.posts

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": visit.body, "more_body": False}

    return again


def _session(visit: Visit) -> str | None:
    if "/heartbeat/" in visit.path:
        return visit.path.rstrip("/").rpartition("/")[2]
    found: Any = visit.query.get("session_hash")
    if visit.body:
        try:
            data = json.loads(visit.body)
        except ValueError as error:
            raise Refused(400, "The request cannot be read.") from error
        found = data.get("session_hash") if isinstance(data, dict) else None
    return None if found is None else str(found)


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}
