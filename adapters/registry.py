"""`provider/name` -> adapter. A folder is the registry: every module here with a `PROVIDER` is a provider, no `_*` is.

A provider module holds three things and imports its SDK only inside them:

- `PROVIDER: str`, the part before the slash;
- `unavailable(name, options) -> str | None`, why it cannot run here and the fix, asked before anything is loaded;
- `create(name, options, examples) -> Adapter`, which raises `Unavailable` or `BadRequest` with a fix;
- `sends_to(name, options) -> str | None`, where text leaves the process: who receives it, None for this machine;
- optionally `NEEDS_EXAMPLES = True` for providers that answer from cases,
  `AT_ONCE: int`, how many requests of a batch run it takes at once, and `warm() -> None`, which imports what the
  first request would otherwise wait for: called in a thread after a start, never for a list, opens no connection.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import adapters
from adapters.base import Adapter, Example
from adapters.errors import UnknownModel

Options = Mapping[str, Any]


@lru_cache(maxsize=1)
def providers() -> Mapping[str, ModuleType]:
    """Provider name -> module, found by looking into this folder, once."""
    found = {}
    for name in (info.name for info in pkgutil.iter_modules(adapters.__path__) if not info.name.startswith("_")):
        module = importlib.import_module(f"adapters.{name}")
        if isinstance(name := getattr(module, "PROVIDER", None), str):
            found[name] = module
    return found


def split(reference: str) -> tuple[str, str]:
    """`provider/name` -> (provider, name); the name may hold further slashes."""
    provider, slash, name = reference.partition("/")
    if not slash or not provider or not name:
        raise UnknownModel(
            f"'{reference}' is not a model reference.", fix="Write provider/name, such as baseline/lead."
        )
    return provider, name


def _module(provider: str) -> ModuleType:
    known = providers()
    if provider not in known:
        near = difflib.get_close_matches(provider, known, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Known providers: {', '.join(sorted(known))}."
        raise UnknownModel(f"There is no provider '{provider}'.", fix=hint)
    return known[provider]


def unavailable(reference: str, options: Options) -> str | None:
    """Why this model cannot run here, with the fix; None if it can. Loads nothing and asks no network."""
    provider, name = split(reference)
    return _module(provider).unavailable(name, options)


def sends_to(reference: str, options: Options) -> str | None:
    """Who receives the text of a request to this model; None: it stays on this machine."""
    provider, name = split(reference)
    tell = getattr(providers().get(provider), "sends_to", None)
    return tell(name, options) if tell else None


def needs_examples(reference: str) -> bool:
    """Whether this provider answers from the task's other cases."""
    return bool(getattr(_module(split(reference)[0]), "NEEDS_EXAMPLES", False))


def at_once(reference: str) -> int | None:
    """How many requests of a batch run this provider takes at once; None: as many as are sent."""
    return getattr(_module(split(reference)[0]), "AT_ONCE", None)


def warm(references: Iterable[str]) -> None:
    """Import what the first requests to these models would wait for; blocks for seconds, so call it in a thread."""
    known = providers()
    for provider in dict.fromkeys(split(reference)[0] for reference in references):
        if prepare := getattr(known.get(provider), "warm", None):
            prepare()


def create(reference: str, options: Options, *, examples: Sequence[Example] = ()) -> Adapter:
    """Open an adapter. `examples`: the task's cases, for providers that answer from them (baselines)."""
    provider, name = split(reference)
    return _module(provider).create(name, options, examples)
