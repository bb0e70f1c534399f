"""Small real objects for tests: a task, its cases, records and an open playground. Nothing here is mocked."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from playground.records import Comparison, Rating, Response, ScoreRecord
from playground.service import Playground
from playground.settings import Settings
from playground.task import Case, Task

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LABELS = ("entailment", "contradiction", "neutral")


def task(**changes: Any) -> Task:
    values: dict[str, Any] = {
        "id": "pairs", "category": "Natural language inference", "title": "Pairs of sentences", "order": 99,
        "instruction": "Answer with one label: entailment, contradiction or neutral.",
        "prompt": "Sentence1: $premise\n\nSentence2: $statement", "inputs": ("premise", "statement"),
        "labels": LABELS, "scorers": ("medsbench_nli", "label"), "max_tokens": 32, **changes,
    }  # fmt: skip
    return Task(**values)


def case(name: str = "one", target: Sequence[str] | None = ("neutral",), **changes: Any) -> Case:
    values: dict[str, Any] = {
        "id": name, "task": "pairs", "title": f"Case {name}",
        "inputs": {"premise": f"A man of 60 coughs ({name}).", "statement": "He has pneumonia."},
        "target": None if target is None else tuple(target), "source": "synthetic", "licence": "CC0-1.0", **changes,
    }  # fmt: skip
    return Case(**values)


def response(comparison: str, side: str = "A", **changes: Any) -> Response:
    values: dict[str, Any] = {
        "id": uuid.uuid4().hex, "comparison": comparison, "side": side, "model": f"fake/{side}",
        "label": f"Fake {side}",
        "model_returned": "fake-1", "state": "done", "text": "neutral", "text_sha256": "0" * 64,
        "parameters": {"temperature": 0.0}, "messages": (("user", "Input"),), "created": NOW,
        "scores": (ScoreRecord(metric="label", version=1, value=1.0, answer="neutral", explanation="equal"),),
        **changes,
    }  # fmt: skip
    return Response(**values)


def comparison(**changes: Any) -> Comparison:
    of = case()
    values: dict[str, Any] = {
        "id": uuid.uuid4().hex, "owner": "visitor-1", "task": "pairs", "case": of.id, "case_sha256": of.sha256(),
        "case_inputs": of.inputs, "case_target": of.target, "source": "synthetic", "licence": "CC0-1.0",
        "instrument": "default", "instrument_version": 1, "blinded": True, "shots": 0, "seed": 0,
        "prompt_sha256": "1" * 64, "app_version": "0", "created": NOW, **changes,
    }  # fmt: skip
    return Comparison(**values)


def answers(sides: str = "AB", **changes: str) -> dict[str, str]:
    """A complete form."""
    full = {"preference": "A"} if len(sides) > 1 else {}
    for side in sides:
        full |= {f"{item}.{side}": "4" for item in ("correctness", "completeness", "clarity")}
        full[f"harm.{side}"] = "none"
    return {**full, **changes}


def rating(of: Comparison, **changes: Any) -> Rating:
    values: dict[str, Any] = {
        "uuid": uuid.uuid4().hex, "comparison": of.id, "rater": of.owner, "answers": answers(), "comment": "",
        "seconds": 12.5, "instrument": "default", "instrument_version": 1, "shown": ("A", "B"), "app_version": "0",
        **changes,
    }  # fmt: skip
    return Rating(**values)


MODELS = [
    {"model": "fake/echo", "label": "Echo"},
    {"model": "fake/right", "label": "Always right", "options": {"text": "neutral"}},
    {"model": "fake/slow", "label": "Slow", "options": {"chunks": ["a "] * 200, "delay": 0.02}},
    {"model": "fake/broken", "label": "Broken", "options": {"text": "neutral", "fail_after": 0}},
    {"model": "fake/away", "label": "Away", "sends_to": "Elsewhere", "options": {"text": "entailment"}},
    {"model": "fake/off", "label": "Off", "options": {"unavailable": "set FAKE_KEY, then restart"}},
    {"model": "baseline/majority", "label": "Most frequent answer", "baseline": True},
]


def settings(folder: Path, **changes: Any) -> Settings:
    """Settings of a playground in `folder` that knows the task `pairs` with three cases and the models above."""
    (folder / "own" / "tasks").mkdir(parents=True, exist_ok=True)
    (folder / "own" / "examples" / "pairs").mkdir(parents=True, exist_ok=True)
    plain = task().model_dump(mode="json", exclude={"id"})
    (folder / "own" / "tasks" / "pairs.yaml").write_text(yaml.safe_dump(plain))
    for name, target in (("one", "neutral"), ("two", "neutral"), ("three", "entailment")):
        plain = case(name, [target]).model_dump(mode="json", exclude_none=True)
        (folder / "own" / "examples" / "pairs" / f"{name}.yaml").write_text(yaml.safe_dump(plain))
    models = folder / "models.yaml"
    models.write_text(yaml.safe_dump({"models": MODELS}))
    base = Settings(data=folder / "data", models=models, library=folder / "own", secret="s")
    return replace(base, **changes)


def playground(folder: Path, **changes: Any) -> Playground:
    return Playground.open(settings(folder, **changes))
