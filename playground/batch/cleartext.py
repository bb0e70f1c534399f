"""Options of models.yaml that hold a secret itself instead of the name of its variable; knows no provider."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from playground.errors import BadInput
from playground.models import ModelSpec

NAMED = re.compile(r"(^|[_-])(key|token|secret|password|passwd|authorization|credentials?)$", re.IGNORECASE)
LOOKS = re.compile(r"^(Bearer |Basic |sk-|hf_|gsk_|xai-|AIza|ghp_)\S{8}")
SHORTEST = 8  # characters; a stop token such as </s> is no secret


def refuse_secrets(spec: ModelSpec) -> None:
    """Raises `BadInput` that names the options, never their values."""
    if found := sorted(set(clear_secrets(spec.options))):
        raise BadInput(
            f"models.yaml holds a secret in clear text: {spec.model}, {', '.join(found)}. Put it into a variable of "
            "every node's environment and write the variable's name: api_key_env, or base_url_env for an address."
        )


def clear_secrets(options: Mapping[str, object], at: str = "") -> Iterator[str]:
    """Dotted names of the options that hold one, as far as name or value gives it away."""
    for name, value in options.items():
        path = f"{at}{name}"
        if isinstance(value, Mapping):
            yield from clear_secrets(value, f"{path}.")
        elif isinstance(value, list | tuple):
            yield from clear_secrets({str(i): each for i, each in enumerate(value)}, f"{path}.")
        elif isinstance(value, str) and _is_secret(str(name), value):
            yield path


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that may be written down: an option that holds a secret is its SHA-256, so that a change still shows."""
    tops = {path.partition(".")[0] for path in clear_secrets(options)}
    return {name: _sha256(value) if name in tops else value for name, value in options.items()}


def _sha256(value: object) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _is_secret(name: str, value: str) -> bool:
    if LOOKS.match(value) or (NAMED.search(name) and len(value) >= SHORTEST):
        return True
    if not value.startswith(("http://", "https://")):
        return False
    try:
        parts = urlsplit(value)
        return bool(parts.username or parts.password or parts.query)
    except ValueError:  # no address at all: the adapter says so
        return False
