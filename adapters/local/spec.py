"""What a `local/...` entry asks for: options -> LocalSpec; looks at no file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from adapters.errors import BadRequest

Quantisation = Literal["nf4", "int8", "none"]
MMEDINS = "Henrychur/MMedS-Llama-3-8B"
DEFAULT_CONTEXT = 2048  # the trained length of MMedIns-Llama 3; its config allows 8,192
KNOWN = {"path", "quantisation", "revision", "device", "context", "stop", "reference_prompt", "max_retries"}


@dataclass(frozen=True, kw_only=True)
class LocalSpec:
    """A model as it is to be loaded. `context`: prompt and answer together, in tokens."""

    name: str  # hub id or folder
    quantisation: Quantisation = "nf4"
    revision: str = "main"
    device: str = "auto"  # auto, cpu, cuda, cuda:1
    context: int = DEFAULT_CONTEXT
    stop: tuple[str, ...] = ()  # names of tokens beside the tokenizer's own end
    reference_prompt: bool = False  # the authors' exact string, double begin-of-text included

    @property
    def key(self) -> str:
        """What must be equal for two requests to share one loaded model."""
        loaded = {k: v for k, v in asdict(self).items() if k not in ("context", "stop", "reference_prompt")}
        return hashlib.sha256(json.dumps(loaded, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def single_turn(self) -> bool:
        """MMedIns-Llama 3 was trained on one system and one user message."""
        return self.name == MMEDINS or self.name.rstrip("/").endswith(MMEDINS.partition("/")[2])


def read_spec(name: str, options: Mapping[str, Any]) -> LocalSpec:
    """Check the options; raises `BadRequest` that names the option and what it may be."""
    unknown = set(options) - KNOWN
    if unknown:
        raise _bad(f"options {', '.join(sorted(unknown))} are not known", f"Known: {', '.join(sorted(KNOWN))}.")
    quantisation = options.get("quantisation", "nf4")
    if quantisation not in get_args(Quantisation):
        raise _bad(f"quantisation '{quantisation}' is not known", "Write nf4, int8 or none.")
    context = options.get("context", DEFAULT_CONTEXT)
    if not isinstance(context, int) or isinstance(context, bool) or context < 16:
        raise _bad(f"context {context!r} is not a number of tokens", "Write, for example, 2048.")
    stop = options.get("stop", ())
    return LocalSpec(
        name=str(options.get("path") or name),
        quantisation=cast(Quantisation, quantisation),
        revision=str(options.get("revision", "main")),
        device=str(options.get("device", "auto")),
        context=context,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        reference_prompt=bool(options.get("reference_prompt", False)),
    )


def _bad(what: str, fix: str) -> BadRequest:
    return BadRequest(f"In models.yaml: {what}.", fix=fix)
