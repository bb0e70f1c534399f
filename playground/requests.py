"""What a page or a program asks for -> a checked CompareRequest; every value is doubted. Opens no model."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters._text import whole
from playground.errors import BadInput
from playground.library import Library
from playground.prompt import MAX_SHOTS
from playground.task import Case, Task

MIN_SIDES, MAX_SIDES = 2, 4
LONGEST = 50_000  # characters of one pasted input
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class SideRequest:
    model: str
    temperature: float


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """One comparison as asked for. A pasted case is `restricted`: its text leaves only for `confirmed` receivers."""

    task: Task
    case: Case
    sides: tuple[SideRequest, ...]
    shots: int
    seed: int
    max_tokens: int
    blind: bool
    confirmed: tuple[str, ...] = ()


def read_request(payload: Mapping[str, Any], library: Library) -> CompareRequest:
    """Check a payload: {task, case | own, sides, temperature, max_tokens, shots, seed, blind, confirmed}.

    Raises `BadInput` (or `UnknownName`) with a sentence that says what to change.
    """
    if not isinstance(payload, Mapping):
        raise BadInput("Send an object with task, case and sides.")
    task = library.task(_text(payload, "task", "Choose a task."))
    own = payload.get("own")
    case = own_case(task, own) if own else library.case(task.id, _text(payload, "case", "Choose a case."))
    common = _number(payload, "temperature", 0.0, low=0, high=2)
    shots, seed = read_sampling(payload)
    return CompareRequest(
        task=task,
        case=case,
        sides=_sides(payload.get("sides"), common),
        shots=shots,
        seed=seed,
        max_tokens=int(_number(payload, "max_tokens", task.max_tokens, low=1, high=8192, whole=True)),
        blind=payload.get("blind") is True,
        confirmed=tuple(c for c in _list(payload.get("confirmed")) if isinstance(c, str)),
    )


def read_sampling(payload: Mapping[str, Any]) -> tuple[int, int]:
    """Number of demonstrations and the seed that fixes them; raises `BadInput`."""
    shots = _number(payload, "shots", 0, low=0, high=MAX_SHOTS, whole=True)
    return int(shots), int(_number(payload, "seed", 0, low=0, high=LARGEST_SEED, whole=True))


def own_case(task: Task, own: Any) -> Case:
    """A visitor's pasted case: {inputs: {name: text}, reference: str or null}. Its id is a hash of its text."""
    if not isinstance(own, Mapping) or not isinstance(own.get("inputs"), Mapping):
        raise BadInput("Paste the case's text first.")
    inputs: dict[str, str] = {}
    for name in task.inputs:
        value = own["inputs"].get(name)
        if not isinstance(value, str) or not value.strip():
            raise BadInput(f"Fill in '{name}' of your own case.")
        if len(value) > LONGEST:
            raise BadInput(f"'{name}' has {len(value):,} characters; the most is {LONGEST:,}. Shorten it.")
        inputs[name] = whole(value).strip()
    reference = own.get("reference")
    target = None
    if isinstance(reference, str) and reference.strip():
        text = whole(reference).strip()
        if len(text) > LONGEST:
            raise BadInput(f"The reference has {len(text):,} characters; the most is {LONGEST:,}. Shorten it.")
        target = tuple(p.strip() for p in text.split(",") if p.strip()) if task.target == "set" else (text,)
        if task.empty and text.rstrip(".").lower() == task.empty.rstrip(".").lower():
            target = ()
    digest = hashlib.sha256(repr((task.id, sorted(inputs.items()), target)).encode()).hexdigest()[:12]
    return Case(
        id=f"own-{digest}",
        task=task.id,
        title="Your own case",
        inputs=inputs,
        target=target,
        source="pasted by a visitor",
        licence="not stated",
        restricted=True,
    )


def _sides(value: Any, temperature: float) -> tuple[SideRequest, ...]:
    sides = []
    for item in _list(value):
        if not isinstance(item, Mapping) or not isinstance(item.get("model"), str):
            raise BadInput("Each side needs a model.")
        own = item.get("temperature")
        number = temperature if own is None else _number(item, "temperature", 0.0, low=0, high=2)
        sides.append(SideRequest(item["model"], number))
    if not MIN_SIDES <= len(sides) <= MAX_SIDES:
        raise BadInput(f"Choose two to four models; {len(sides)} chosen.")
    if len(set(sides)) < len(sides):
        raise BadInput("The same model stands twice with the same settings. Change one temperature.")
    return tuple(sides)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _text(payload: Mapping[str, Any], key: str, otherwise: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str) or not value:
        raise BadInput(otherwise)
    return value


def _number(
    payload: Mapping[str, Any], key: str, default: float, *, low: float, high: float, whole: bool = False
) -> float:
    value = payload.get(key)
    if value is None:
        return default
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not low <= value <= high or (whole and value != int(value)):
        kind = "whole number" if whole else "number"
        raise BadInput(f"{key.replace('_', ' ')} must be a {kind} from {low:g} to {high:g}.")
    return float(value)
