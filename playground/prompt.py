"""Case -> messages, laid out as MedS-Bench's own evaluation does it; knows no model.

Layout after the official `Evaluation/EvalDataset.py` (MAGIC-AI4Med/MedS-Ins, commit 185cfc0): the system message
holds the demonstrations and the definition, the user message the case. Demonstrations come from the other cases.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.base import Message, messages_sha256
from playground.task import Case, Task

MAX_SHOTS = 3
LEARN = "Please learn from the few-shot cases to see what content you have to output."


@dataclass(frozen=True)
class Prompt:
    """The exact messages, with the ids of the demonstrations in them."""

    messages: tuple[Message, ...]
    demonstrations: tuple[str, ...]

    @property
    def sha256(self) -> str:
        return messages_sha256(self.messages)

    @property
    def shots(self) -> int:
        return len(self.demonstrations)


def demonstrations(task: Task, case: Case, pool: Sequence[Case], *, shots: int, seed: int) -> tuple[Case, ...]:
    """Up to `shots` other cases with a reference, drawn by `seed`; never the case itself nor one with its text.

    Where more than one demonstration is drawn and the task has labels, they do not all share one answer if the
    draw offers another.
    """
    text, chosen, spare = task.text(case), [], []
    draw = random.Random(f"{seed}:{task.id}:{case.id}").sample(range(len(pool)), min(len(pool), shots + 12))
    for other in (pool[i] for i in draw):
        if other.id == case.id or other.target is None or task.text(other) == text:
            continue
        (chosen if len(chosen) < shots else spare).append(other)
    if task.labels and len(chosen) > 1 and len({c.target for c in chosen}) == 1:
        chosen[-1] = next((c for c in spare if c.target != chosen[0].target), chosen[-1])
    return tuple(chosen)


def build(task: Task, case: Case, pool: Sequence[Case], *, shots: int, seed: int) -> Prompt:
    """Messages for one case. Zero shots: the definition, then the bare input, as the official code does it."""
    shown = demonstrations(task, case, pool, shots=shots, seed=seed) if shots else ()
    instruction = task.instruction.strip()
    if not shown:
        messages = (Message("system", instruction), Message("user", task.text(case)))
        return Prompt(messages, ())
    parts = [f"Input:\n{task.text(c)}\n\nOutput:\n{task.reference(c)}\n" for c in shown]
    system = "\n\n".join(parts) + f"\n\n{instruction}{LEARN}"
    messages = (Message("system", system), Message("user", f"Input:\n{task.text(case)}\nOutput:"))
    return Prompt(messages, tuple(c.id for c in shown))
