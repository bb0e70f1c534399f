"""A task type and a case, as they stand in YAML files; knows no model, no score and no page."""

import hashlib
import json
from pathlib import Path
from string import Template
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from playground.errors import BadFile

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # measured: 240 files in 0.04 s, in Python 0.37 s
RAW = "input"  # the one input of a case that came as finished text: a released file, a results CSV

T = TypeVar("T", bound=BaseModel)
Language = Literal["en", "zh", "ja", "fr", "ru", "es"]
Difficulty = Literal["easy", "medium", "hard", "trap"]
Category = Literal[
    "Multiple-choice QA", "Text summarisation", "Information extraction", "Concept explanation", "Rationale",
    "Named entity recognition", "Diagnosis", "Treatment planning", "Clinical outcome prediction",
    "Text classification", "Fact verification", "Natural language inference", "Other MedS-Ins tasks",
]  # fmt: skip


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reading(Strict):
    """One independent reading of a case: who read it with which brief, and what they answered unseen."""

    brief: Literal["physician", "psychometrician"]
    reader: str
    date: str
    answer: str
    confidence: int = Field(ge=1, le=5)
    changes: str = ""


class Case(Strict):
    """One question with its reference answer. `target` None: no reference; empty: the null answer is right."""

    id: str
    task: str
    title: str = ""
    difficulty: Difficulty | None = None
    topic: str = ""
    inputs: dict[str, str]
    target: tuple[str, ...] | None = None
    source: str
    licence: str
    restricted: bool = False  # never exported with its text unless asked
    notes: str = ""
    readings: tuple[Reading, ...] = ()

    def sha256(self) -> str:
        """Hash of what a model and a scorer see: task, inputs and target."""
        seen = [self.task, self.inputs, self.target]
        return hashlib.sha256(json.dumps(seen, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


class Task(Strict):
    """A clinical task type: how a case becomes a prompt, what an answer looks like, how it is scored and rated."""

    id: str
    medsbench: tuple[str, ...] = ()  # official task ids
    category: Category
    title: str
    column: str = ""  # the column's name in the paper's tables
    order: int = 100
    language: Language = "en"
    instruction: str
    prompt: str
    inputs: tuple[str, ...]
    labels: tuple[str, ...] = ()
    answer: str = "$target"
    empty: str = ""
    target: Literal["alternatives", "set"] = "alternatives"
    scorers: tuple[str, ...]
    instrument: str = "default"
    max_tokens: int = Field(gt=0, le=8192)
    caveat: str = ""
    own: bool = True  # False: imported, with its own Definition

    @model_validator(mode="after")
    def _prompt_uses_its_inputs(self) -> "Task":
        used = set(Template(self.prompt).get_identifiers())
        if used != set(self.inputs):
            raise ValueError(f"prompt uses {sorted(used)}, but inputs are {sorted(self.inputs)}")
        return self

    def text(self, case: Case) -> str:
        """The case as a model reads it: the text after `Input:`."""
        if set(case.inputs) == {RAW} and self.inputs != (RAW,):
            return case.inputs[RAW]
        return Template(self.prompt).substitute(case.inputs).strip()

    def reference(self, case: Case) -> str | None:
        """The reference answer in the official output format; None when the case has none."""
        if case.target is None:
            return None
        if not case.target:
            return self.empty
        if set(case.inputs) == {RAW}:  # a released row is already in the official format
            return case.target[0]
        target = ", ".join(case.target) if self.target == "set" else case.target[0]
        return Template(self.answer).substitute(target=target)

    def targets(self, case: Case) -> tuple[str, ...]:
        """The reference without its official frame: labels, entities, a letter and its text. Empty: none is right."""
        given = case.target or ()
        if set(case.inputs) != {RAW} or not given:
            return given
        before, _, after = self.answer.partition("$target")
        bare = tuple(g.strip().removeprefix(before.strip()).removesuffix(after.strip()).strip(" :") for g in given)
        if self.empty and given[0].strip(" .").lower() == self.empty.strip(" .").lower():
            return ()
        return tuple(p.strip() for p in bare[0].split(", ") if p.strip()) if self.target == "set" else bare


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML mapping; raises `BadFile` with line and reason."""
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    except FileNotFoundError as error:
        raise BadFile(path, "there is no such file.") from error
    except OSError as error:
        raise BadFile(path, f"cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        position = f"line {mark.line + 1}" if mark else ""
        raise BadFile(path, f"not readable as YAML: {reason}.", position=position) from error
    if not isinstance(value, dict):
        raise BadFile(path, "must hold one mapping of keys to values.")
    return value


def validated(kind: type[T], value: dict[str, Any], path: object) -> T:
    """Check `value` against a type; raises `BadFile` that names key and reason."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(k) for k in first["loc"]) or "the file"
        raise BadFile(path, f"{key}: {first['msg']}.") from error


def read_task(path: Path) -> Task:
    return validated(Task, {"id": path.stem, **read_yaml(path)}, path)


def read_case(path: Path) -> Case:
    case = validated(Case, read_yaml(path), path)
    if case.id != path.stem:
        raise BadFile(path, f"id is '{case.id}', but the file is named '{path.stem}'. Make them equal.")
    return case
