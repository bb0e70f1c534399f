"""Options of a model in models.yaml -> a checked `Endpoint`, with reasons and fixes; knows no SDK, asks no network."""

import difflib
import importlib.util
import ipaddress
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from adapters._faults import Party
from adapters.errors import BadRequest, Unavailable

OPTIONS = {
    "model", "model_env", "base_url", "base_url_env", "api_key_env", "api_version", "max_tokens_field",
    "reasoning_room", "temperature", "seed", "extra", "stop", "timeout_first_token", "timeout_stall", "max_retries",
    "transport",
}  # fmt: skip
OURS = {"model", "messages", "system", "stream", "stream_options"}  # body fields that `extra` may not replace


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a provider module knows beforehand. `base_url` None: models.yaml must say where the model is."""

    provider: str
    who: str
    package: str  # that makes the requests
    needs: str  # what pip installs
    base_url: str | None = None
    key_env: str | None = None
    without: frozenset[str] = frozenset()  # options that mean nothing to this API


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where and how one model is asked. Times are seconds. `transport` (httpx2) replaces the network in tests."""

    party: Party
    reference: str
    base_url: str
    api_version: str | None = None
    max_tokens_field: str = "max_tokens"
    reasoning_room: int = 0  # tokens granted on top of the run's max_tokens, for thinking that is not shown
    temperature: float | Literal["omit"] | None = None  # None: as the run says
    seed: Literal["omit"] | None = None  # None: as the run says
    extra: Mapping[str, Any] = field(default_factory=dict)
    stop: tuple[str, ...] = ()
    first_token_limit: float = 60.0
    stall_limit: float = 30.0
    max_retries: int = 2
    transport: Any = None

    @property
    def identity(self) -> str:
        """What answers here: address, model, version of the API, also from the environment. No secrets."""
        return f"{_shown(self.base_url)} {self.party.model}" + (f" {self.api_version}" if self.api_version else "")

    def at(self, path: str) -> str:
        """The address of a path of the API; a query of `base_url` stays behind it."""
        parts = urlsplit(self.base_url)
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path))

    @property
    def on_loopback(self) -> bool:
        return _is_loopback(self.base_url)


def why_not(kind: Kind, name: str, options: Mapping[str, Any], env: Mapping[str, str]) -> str | None:
    """Why the model cannot be asked from here, with the fix; None if it can."""
    if not _installed(kind.package, "aiohttp"):
        return f"The package for it is missing. Run: pip install {kind.needs}"
    try:
        read_endpoint(kind, name, options, env)
    except (BadRequest, Unavailable) as error:
        return str(error)
    return None


def _installed(*modules: str) -> bool:
    return all(sys.modules.get(name) or importlib.util.find_spec(name) for name in modules)


def receiver(kind: Kind, name: str, options: Mapping[str, Any], env: Mapping[str, str]) -> str | None:
    """Who gets the text: the provider, or the host of another address; None for an address of this machine itself."""
    try:
        url = _url(kind, f"{kind.provider}/{name}", options, env)
    except (BadRequest, Unavailable):
        return kind.who  # it cannot be asked as it stands
    if _is_loopback(url):
        return None
    return kind.who if url == kind.base_url else urlsplit(url).hostname


def open_endpoint(kind: Kind, name: str, options: Mapping[str, Any], env: Mapping[str, str]) -> Endpoint:
    """As `read_endpoint`; raises `Unavailable` also where a package is not installed."""
    if not _installed(kind.package, "aiohttp"):
        raise Unavailable("The package for it is missing.", fix=f"Run: pip install {kind.needs}")
    return read_endpoint(kind, name, options, env)


def read_endpoint(kind: Kind, name: str, options: Mapping[str, Any], env: Mapping[str, str]) -> Endpoint:
    """Check the options; raises `BadRequest` for what models.yaml says wrongly, `Unavailable` for what is missing."""
    reference = f"{kind.provider}/{name}"
    _known_only(reference, options, OPTIONS - kind.without)
    url = _url(kind, reference, options, env)
    key_env = options.get("api_key_env") or kind.key_env
    party = Party(
        who=kind.who if kind.base_url else _shown(url),
        model=_model(name, options, env),
        key=_key(key_env, env),
        key_env=key_env,
    )
    version = options.get("api_version")
    return Endpoint(
        party=party,
        reference=reference,
        base_url=url,
        api_version=None if version is None else str(version),
        max_tokens_field=str(options.get("max_tokens_field") or "max_tokens"),
        reasoning_room=int(_number(reference, options, "reasoning_room", 0, least=0)),
        temperature=_temperature(reference, options.get("temperature")),
        seed=_seed(reference, options.get("seed")),
        extra=_extra(reference, options.get("extra") or {}),
        stop=_stop(reference, options.get("stop") or ()),
        first_token_limit=_number(reference, options, "timeout_first_token", 60.0),
        stall_limit=_number(reference, options, "timeout_stall", 30.0),
        max_retries=int(_number(reference, options, "max_retries", 2, least=0)),
        transport=options.get("transport"),
    )


def _known_only(reference: str, options: Mapping[str, Any], known: set[str]) -> None:
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(str(option), known, n=1)
            fix = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(sorted(known - {'transport'}))}."
            raise BadRequest(f"{reference} has an option '{option}' that does not exist.", fix=fix)


def _url(kind: Kind, reference: str, options: Mapping[str, Any], env: Mapping[str, str]) -> str:
    variable = options.get("base_url_env")
    if variable and not env.get(variable):
        raise Unavailable("Its address is not set.", fix=f"Set {variable}, then restart.")
    url = str(env[variable] if variable else options.get("base_url") or kind.base_url or "").strip().rstrip("/")
    if not is_address(url):
        fix = "Write `base_url` among its options in models.yaml, such as http://127.0.0.1:11434/v1."
        raise BadRequest(f"{reference} has no usable address: http:// or https://, and a host.", fix=fix)
    if kind.base_url and urlsplit(url).query:
        raise BadRequest(f"{reference}: the query of its address would be lost.", fix="Leave it out of `base_url`.")
    return url


def _model(name: str, options: Mapping[str, Any], env: Mapping[str, str]) -> str:
    if variable := options.get("model_env"):
        if not env.get(variable):
            raise Unavailable("The model's name is not set.", fix=f"Set {variable}, then restart.")
        return env[variable]
    return str(options.get("model") or name)


def is_address(url: str) -> bool:
    """Whether it is http:// or https:// with a host and, if any, a port that can be."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")  # as it is looked up; raises for a name that no host can have
        return parts.scheme in ("http", "https") and bool(host) and parts.port != 0 and _is_plain(url)
    except ValueError:  # also a port that is no number
        return False


def _is_plain(url: str) -> bool:
    return url.isprintable() and " " not in url


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, such as 127.0.0.1.example.org
        return False


def _shown(url: str) -> str:
    """The address without user name, password and query, which may hold a secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _key(variable: str | None, env: Mapping[str, str]) -> str | None:
    if not variable:
        return None
    key = env.get(variable, "").strip()
    if not key:
        raise Unavailable("No key.", fix=f"Set {variable}, then restart.")
    if not key.isascii() or not key.isprintable() or " " in key:
        fix = f"Copy it again into {variable}, then restart."
        raise Unavailable("The key holds characters that no key has.", fix=fix)
    return key


def _temperature(reference: str, value: object) -> float | Literal["omit"] | None:
    if value is None:
        return None
    if value == "omit":
        return "omit"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise BadRequest(f"{reference}: temperature is '{value}'.", fix="Write a number, or `temperature: omit`.")


def _seed(reference: str, value: object) -> Literal["omit"] | None:
    if value is None:
        return None
    if value == "omit":
        return "omit"
    raise BadRequest(
        f"{reference}: seed is '{value}'.", fix="A run sets the seed. Write `seed: omit`, or leave it out."
    )


def _extra(reference: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadRequest(f"{reference}: extra is not a mapping.", fix="Write body fields and values under `extra`.")
    if taken := OURS & set(value):
        raise BadRequest(f"{reference}: extra may not set {', '.join(sorted(taken))}.", fix="Remove it from `extra`.")
    return value


def _stop(reference: str, value: object) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if isinstance(texts, list | tuple) and all(isinstance(t, str) for t in texts):
        return tuple(texts)
    raise BadRequest(f"{reference}: stop is not a list of texts.", fix='Write, for example, `stop: ["\\n\\nInput:"]`.')


def _number(reference: str, options: Mapping[str, Any], name: str, default: float, *, least: float = 0.001) -> float:
    value = options.get(name, default)
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value < 1e6:
        return float(value)
    raise BadRequest(f"{reference}: {name} is '{value}'.", fix=f"Write a number such as {default:g}.")
