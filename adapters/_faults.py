"""What an API says went wrong -> one class of our error tree, with the next step; knows no SDK and no transport."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from adapters.errors import (
    AdapterError,
    AuthenticationFailed,
    BadRequest,
    PromptTooLong,
    RateLimited,
    ServerFailed,
    Unavailable,
    UnknownModel,
)

NO_CREDIT = {"insufficient_quota", "billing_error", "billing_hard_limit_reached", "insufficient_balance"}
TOO_LONG = {"context_length_exceeded", "exceed_context_size_error", "request_too_large", "string_above_max_length"}
NO_KEY = {"authentication_error", "invalid_api_key", "permission_error", "permission_denied"}
NO_MODEL = {"not_found_error", "model_not_found", "NotFoundError"}
TOO_MANY = {"rate_limit_error", "rate_limit_exceeded", "overloaded_error", "requests", "tokens"}
REFUSED = {"invalid_request_error", "BadRequestError", "unsupported_parameter", "unsupported_value"}
TOO_LONG_TEXT = re.compile(r"maximum context|context (length|window|size)|prompt is too long|too many tokens", re.I)
SHOWN = 300  # characters of the API's own message


@dataclass(frozen=True, kw_only=True)
class Party:
    """The other side, as error messages name it. `key` is kept only to be struck out of what it sends back."""

    who: str
    model: str
    key: str | None = field(default=None, repr=False)
    key_env: str | None = None

    def clean(self, text: str) -> str:
        text = " ".join(text.split())
        if self.key:
            text = text.replace(self.key, "***")
        return text if len(text) <= SHOWN else text[:SHOWN] + "…"


@dataclass(frozen=True)
class Complaint:
    """What could be read of an error body: its message, its type and code words, the parameter it is about."""

    message: str = ""
    words: frozenset[str] = frozenset()
    status: int | None = None


def read_complaint(body: object) -> Complaint:
    """Read the error bodies of OpenAI, Anthropic, vLLM, llama.cpp, TGI, Ollama and FastAPI; anything else is text."""
    if not isinstance(body, Mapping):
        text = str(body or "").strip()
        return Complaint("" if text.startswith("<") else text)  # a proxy's page of HTML says nothing
    inner = body.get("error") or body
    if not isinstance(inner, Mapping):
        return Complaint(str(inner), frozenset(_words(body)))
    code = inner.get("code")
    message = inner.get("message") or inner.get("detail") or inner.get("error") or ""
    status = code if isinstance(code, int) and not isinstance(code, bool) else None
    return Complaint(message if isinstance(message, str) else str(message), frozenset(_words(inner)), status)


def _words(body: Mapping[str, Any]) -> set[str]:
    return {v for k in ("type", "code", "error_type") if isinstance(v := body.get(k), str)}


def fault(
    party: Party, body: object, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> AdapterError:
    """The error that a body (of a refused request, or of an error event in a stream) stands for."""
    complaint = read_complaint(body)
    status = complaint.status if status is None else status
    words, message = complaint.words, party.clean(complaint.message)
    said = f": {message}" if message else "."
    if status is not None and 300 <= status < 400:
        return _moved(party, headers or {})
    if status == 402 or words & NO_CREDIT or "credit balance" in message.lower():
        return Unavailable(f"{party.who} gives no more answers to this account{said}", fix="Check plan and billing.")
    if status in (401, 403) or words & NO_KEY:
        return _no_access(party, status, said)
    if status == 413 or words & TOO_LONG or (status in (400, 422, 500, None) and TOO_LONG_TEXT.search(message)):
        return _too_long(party, body, message)
    if status == 404 or words & NO_MODEL:
        fix = "Check the model's name and `base_url` in models.yaml."
        return UnknownModel(f"{party.who} does not know '{party.model}'{said}", fix=fix)
    after = retry_after(headers or {})
    if status in (429, 529) or (status == 503 and after is not None) or (status is None and words & TOO_MANY):
        fix = "Wait a minute, then try this side again." if after is None else f"Wait {after:.0f} s, then try again."
        return RateLimited(f"{party.who} has had too many requests{said}", retry_after=after, fix=fix)
    if status in (400, 409, 422) or (status is None and words & REFUSED):
        return BadRequest(f"{party.who} refused the request{said}", fix=_remedy(message))
    if status is not None and 400 <= status < 500 and status != 408:
        return BadRequest(f"{party.who} answered with status {status}{said}", fix="Check `base_url` in models.yaml.")
    code = f" (status {status})" if status else ""
    return ServerFailed(f"{party.who} failed{code}{said}")


def _moved(party: Party, headers: Mapping[str, str]) -> AdapterError:
    """Nobody follows: the page says where a text goes, and a server does not change that."""
    fix = "If the text may go there, write the new address as `base_url` in models.yaml."
    return Unavailable(f"{party.who} sends requests on{_where(party, headers.get('location', ''))}.", fix=fix)


def _where(party: Party, location: str) -> str:
    """Without user name, password and query."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    host = f"{scheme}//{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
    path = "" if "@" in parts.path else parts.path
    return f" to {party.clean(host + path)}" if host or path else ""


def _no_access(party: Party, status: int | None, said: str) -> AdapterError:
    if not party.key_env:
        fix = "Name the variable that holds the key as `api_key_env` in models.yaml."
        return AuthenticationFailed(f"{party.who} wants a key.", fix=fix)
    if status == 403:
        fix = f"Check what the key in {party.key_env} is allowed to do."
        return AuthenticationFailed(f"{party.who} does not allow this{said}", fix=fix)
    return AuthenticationFailed(f"{party.who} did not accept the key.", fix=f"Check {party.key_env} and restart.")


def _too_long(party: Party, body: object, message: str) -> PromptTooLong:
    """Token counts from llama.cpp's fields, or from "maximum context length is 4096 ... 5000 tokens" and its like."""
    inner = body.get("error", body) if isinstance(body, Mapping) else {}
    inner = inner if isinstance(inner, Mapping) else {}
    need, have = inner.get("n_prompt_tokens"), inner.get("n_ctx")
    counts = [int(n) for n in re.findall(r"\d{3,}", message.replace(",", ""))]
    if not isinstance(need, int) or not isinstance(have, int):
        need, have = (max(counts), min(counts)) if len(set(counts)) == 2 else (None, None)
    said = f": {message}" if message else "."
    return PromptTooLong(f"The prompt is too long for '{party.model}'{said}", need=need, have=have)


def _remedy(message: str) -> str:
    """The line in models.yaml that lets the request through, for the refusals that have one."""
    if "max_completion_tokens" in message:
        return "Write `max_tokens_field: max_completion_tokens` among its options in models.yaml."
    for name in ("temperature", "seed"):
        if name in message:
            return f"Write `{name}: omit` among its options in models.yaml."
    return "Check its options in models.yaml."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as `retry-after-ms` or `retry-after` (seconds or a date) ask; None when unsaid or unreadable."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        text = headers.get("retry-after")
        return None if text is None else max(0.0, float(text))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(headers["retry-after"])
    except (ValueError, KeyError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
