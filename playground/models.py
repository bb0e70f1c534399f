"""The list of models a page may offer: models.yaml -> ModelSpec; opens no model and asks no network."""

from pathlib import Path
from typing import Any

from pydantic import Field

from playground.errors import BadFile
from playground.task import Strict, read_yaml, validated


class Price(Strict):
    """Price per million tokens, with the day it was read off."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    currency: str = "USD"
    date: str


class ModelSpec(Strict):
    """One line of models.yaml. `sends_to` names who receives the text; None: it stays on this machine."""

    model: str
    label: str
    note: str = ""
    options: dict[str, Any] = {}
    price: Price | None = None
    sends_to: str | None = None
    baseline: bool = False

    @property
    def local(self) -> bool:
        return self.sends_to is None

    def cost(self, input_tokens: int | None, output_tokens: int | None) -> float | None:
        """Cost of one answer in `price.currency`; 0 on this machine, None when a count or the price is unknown."""
        if self.local and self.price is None:
            return 0.0
        if self.price is None or input_tokens is None or output_tokens is None:
            return None
        return (self.price.input * input_tokens + self.price.output * output_tokens) / 1e6


class ModelList(Strict):
    models: tuple[ModelSpec, ...]


def read_models(path: Path) -> tuple[ModelSpec, ...]:
    """The models in the file's order; raises `BadFile` for a broken file or a model listed twice."""
    models = validated(ModelList, read_yaml(path), path).models
    seen: set[str] = set()
    for spec in models:
        if spec.model in seen:
            raise BadFile(path, f"'{spec.model}' is listed twice. Give one of them another name.")
        seen.add(spec.model)
    return models
