"""Door: one ASGI middleware before Gradio, the same in both starts. Knows HTTP and visitors, nothing of models.

In this order: unknown routes are 404, unknown names of this server and foreign origins 403, `deep_link` is dropped,
bodies are bounded, the signed visitor cookie is read, a Gradio session belongs to whoever used it first, and every
answer gets its headers.
Sign-in and roles will come in `Door.identify`; what it returns lies in `scope["pg_user"]` for every function.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import socket
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.ui.visit import (
    Refused,
    Visit,
    again,
    bare,
    cookies_of,
    is_here,
    origin_of,
    read_body,
    read_visit,
    session_of,
)

COOKIE = "playground"
LASTS = 90 * 24 * 3600  # seconds a visitor is known; renewed by every page
MOST_SESSIONS = 20_000
PAGES = re.compile(r"/(\w+/?)?")  # of these, the app knows its own pages alone
OPEN = re.compile(
    r"/(config|healthz)/?|/gradio_api/((queue/(join|data)|run/predict|cancel|reset|component_server)/?|heartbeat/[\w-]+)"
)
PROGRAMS = re.compile(r"/gradio_api/info/?")
SHUT = re.compile(r"/(monitoring|docs|redoc|login|logout|pwa_icon)/?")
POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; "
    "worker-src 'self' blob:; manifest-src 'self'; form-action 'self'; base-uri 'self'; object-src 'none'; "
    "frame-src 'none'; frame-ancestors {ancestors}"
)


@dataclass(frozen=True, kw_only=True)
class DoorSettings:
    """`hosts`: the page's names beside addresses and this machine's own; `embedded`: in a frame of huggingface.co."""

    secret: str
    hosts: tuple[str, ...] = ()
    https: bool = False
    embedded: bool = False
    programs: bool = False  # clients without a page may call the public endpoints


def visitor(request: Any) -> str:
    """The visitor's id, from a `gr.Request` or the raw request. Never taken from what the page sent."""
    return getattr(request, "request", request).scope["pg_user"]["id"]


class Door:
    def __init__(self, app: ASGIApp, settings: DoorSettings) -> None:
        self.app, self.settings = app, settings
        self._names = {bare(name) for name in (*settings.hosts, socket.gethostname())}
        self._owners: OrderedDict[str, str] = OrderedDict()  # Gradio's session hash -> visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no page of ours opens a websocket
            await send({"type": "websocket.close", "code": 1008})
            return
        visit = read_visit(scope)
        out = _Out(visit, send, self)
        try:
            self._check_route(visit)
            visit.body = await read_body(visit, receive)
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
        inner["headers"] = [pair for pair in scope["headers"] if pair[0] not in self._kept_back(visit)]
        await self.app(inner, again(visit, receive), out)

    def _kept_back(self, visit: Visit) -> set[bytes]:
        """Headers that Gradio must not see: a foreign name it would write into the page, and compression there."""
        names = set() if visit.free else {b"accept-encoding"}  # our policy's nonce goes into the page
        forwarded = visit.headers.get("x-forwarded-host", "").partition(",")[0]
        return names if self._knows(forwarded) else names | {b"x-forwarded-host"}

    # -- who

    def identify(self, visit: Visit) -> dict[str, str] | None:
        """The visitor of a request: {id, role}. Later, sign-in looks the role up in the database here."""
        known = self.unseal(cookies_of(visit.headers.get("cookie", "")).get(COOKIE, ""))
        page = not visit.posts and bool(PAGES.fullmatch(visit.path))
        if known is None and page:
            known = f"visitor-{secrets.token_hex(12)}"
        visit.greet = page
        if known is None and self.settings.programs and (session := session_of(visit)):
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
        opened = OPEN.fullmatch(path)
        allowed = visit.free or opened or (self.settings.programs and PROGRAMS.fullmatch(path))
        if not allowed and (SHUT.fullmatch(path) or not PAGES.fullmatch(path)):
            raise Refused(404, "There is no such page.")
        if path.rstrip("/") != "/healthz" and not self._knows(visit.headers.get("host", "")):
            raise Refused(403, "The page is not known by this name. Whoever runs it can add it to PLAYGROUND_HOSTS.")
        if not visit.free:
            self._check_origin(visit)
        if opened and visit.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise Refused(403, "This request came from another site.")
        visit.query.pop("deep_link", None)

    def _knows(self, host: str) -> bool:
        """Whether the page may be opened under this name: otherwise a site could let its own name point here."""
        return self.settings.embedded or bare(host) in self._names or is_here(bare(host))

    def _check_origin(self, visit: Visit) -> None:
        origin = origin_of(visit)
        if origin is None:
            return
        scheme, host = origin
        ours = (visit.headers.get("host", "").lower(), *self.settings.hosts)
        if host not in ours or (self.settings.https and scheme != "https"):
            raise Refused(403, "This request came from another site.")

    def _check_session(self, visit: Visit) -> None:
        if "/gradio_api/" not in visit.path or visit.user is None:
            return
        session = session_of(visit)
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
