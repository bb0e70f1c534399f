"""A rating form as YAML describes it: items, anchored scales, "cannot judge"; knows no page and no database.

Answers are strings by key: `preference`, or `item.SIDE` such as `correctness.A`; `na` means cannot judge.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from playground.errors import BadInput
from playground.task import Strict, read_yaml, validated

CANNOT_JUDGE = "na"
TIE, NONE = "tie", "none"


class Option(Strict):
    value: str
    label: str
    help: str = ""


class Item(Strict):
    """One question. `preference` is asked once, everything else for each side. `when`: asked only after these."""

    id: str = Field(pattern=r"^[a-z_]+$")
    title: str
    help: str = ""
    kind: Literal["preference", "scale", "choice"]
    options: tuple[Option, ...] = ()
    when: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def short(self) -> str:
        """A name for lists of what is missing."""
        return self.id.replace("_", " ").capitalize()

    def values(self, sides: Sequence[str]) -> tuple[str, ...]:
        if self.kind == "preference":
            return (*sides, TIE, NONE, CANNOT_JUDGE)
        return (*(o.value for o in self.options), CANNOT_JUDGE)


class Instrument(Strict):
    id: str
    version: int
    title: str
    source: str  # where its dimensions and anchors come from
    items: tuple[Item, ...]
    comment: str = "Comment"

    def due(self, answers: Mapping[str, str], sides: Sequence[str]) -> tuple[str, ...]:
        """The keys that must be answered, in order, given the answers so far. One side has no preference."""
        keys: list[str] = []
        for item in self.items:
            if item.kind == "preference":
                keys += [item.id] if len(sides) > 1 else []
                continue
            for side in sides:
                asked = all(answers.get(f"{other}.{side}") in values for other, values in item.when.items())
                keys += [f"{item.id}.{side}"] if asked else []
        return tuple(keys)

    def missing(self, answers: Mapping[str, str], sides: Sequence[str]) -> tuple[str, ...]:
        return tuple(key for key in self.due(answers, sides) if not answers.get(key))

    def check(self, answers: Mapping[str, str], sides: Sequence[str]) -> None:
        """Raise `BadInput` for an unknown key or a value that the form does not offer."""
        items = {item.id: item for item in self.items}
        due = set(self.due(answers, sides))
        for key, value in answers.items():
            item = items.get(key.partition(".")[0])
            if item is None or key not in due:
                raise BadInput(f"The form has no line '{key}' for these answers. Reload the page.")
            if value not in item.values(sides):
                raise BadInput(f"'{value}' is not a choice of {item.title}. Reload the page.")


def read_instrument(path: Path) -> Instrument:
    return validated(Instrument, {"id": path.stem, **read_yaml(path)}, path)
