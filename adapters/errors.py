"""What can go wrong between us and a model; knows nothing of tasks or pages.

    AdapterError                      a failure ends its own side: no score, no vote
    ├── Unavailable                   cannot run here: a key, a package, weights or memory is missing
    ├── BadRequest                    the model's API refused the request itself
    │   └── PromptTooLong             the messages do not fit the model's context
    ├── AuthenticationFailed          the key was not accepted
    ├── UnknownModel                  the API does not know this model
    ├── RateLimited                   too many requests; may be tried again (`retry_after` seconds)
    ├── ConnectionBroken              no connection, or it broke
    ├── ServerFailed                  the API answered with an internal error
    ├── TooSlow                       no first token, or a stall, within the limit
    ├── Malformed                     the API sent something unreadable
    └── OutOfMemory                   the machine ran out of memory

`str(error)` is for the researcher: it may name provider and model. `error.public` is for raters and names neither.
"""

from typing import ClassVar


class AdapterError(Exception):
    """A failure of a model's client. `public` never names a provider or a model; `fix` says what to do next."""

    kind: ClassVar[str] = "failed"
    public: ClassVar[str] = "No answer on this side. It is not scored and cannot be rated. Rate the others."
    retryable: ClassVar[bool] = False  # may be asked again before the first chunk
    fatal: ClassVar[bool] = False  # every further request to this model would fail alike

    def __init__(self, message: str, *, fix: str = "Try this side again.") -> None:
        super().__init__(message)
        self.fix = fix

    def __str__(self) -> str:
        said = str(self.args[0])
        return f"{said if said.endswith(('.', '!', '?')) else f'{said}.'} {self.fix}".strip()


class Unavailable(AdapterError):
    kind, fatal = "unavailable", True


class BadRequest(AdapterError):
    kind = "bad request"


class PromptTooLong(BadRequest):
    """The messages need more tokens than the model takes. `need` and `have` are token counts, when known."""

    kind = "prompt too long"

    def __init__(self, message: str, *, need: int | None = None, have: int | None = None, fix: str = "") -> None:
        super().__init__(message, fix=fix or "Use fewer demonstrations or a shorter text.")
        self.need, self.have = need, have


class AuthenticationFailed(AdapterError):
    kind, fatal = "authentication", True


class UnknownModel(AdapterError):
    kind, fatal = "unknown model", True


class RateLimited(AdapterError):
    """`retry_after`: seconds that the API asked us to wait, or None."""

    kind, retryable = "rate limited", True

    def __init__(self, message: str, *, retry_after: float | None = None, fix: str = "Wait a minute.") -> None:
        super().__init__(message, fix=fix)
        self.retry_after = retry_after


class ConnectionBroken(AdapterError):
    kind, retryable = "connection", True


class ServerFailed(AdapterError):
    kind = "server error"


class TooSlow(AdapterError):
    kind = "too slow"


class Malformed(AdapterError):
    kind = "malformed"


class OutOfMemory(AdapterError):
    kind = "out of memory"
