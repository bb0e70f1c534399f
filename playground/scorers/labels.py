"""Our stricter label scores: whole phrases, longest label first; negations and lists of labels do not pass."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from playground.scorer import Score, Scorer
from playground.scorers.normal import clauses, negated, plain, without_frame
from playground.task import Case, Task

SHORT = {"yes", "no", "maybe", "true", "false", "0", "1", "2"}
STATED = re.compile(r"(?:answer|label|verdict|prediction|result|outcome)\s*(?:is|:|=)+\s*(\w+)")  # in lower case


def asserted(text: str, labels: Iterable[str]) -> list[str]:
    """The labels that the text asserts, in order of mention; a longer label hides a shorter one inside it."""
    ordered = sorted(set(labels), key=lambda label: -len(plain(label)))
    found: dict[str, int] = {}
    for at, clause in enumerate(clauses(without_frame(text))):
        rest = f" {clause} "
        for label in ordered:
            words = f" {plain(label)} "
            while (place := rest.find(words)) >= 0:
                if not negated(rest[:place]):
                    found.setdefault(label, at * 10_000 + place)
                rest = f"{rest[:place]} {'~' * (len(words) - 2)} {rest[place + len(words) :]}"
    return sorted(found, key=lambda label: found[label])


@lru_cache(maxsize=256)
def _by_plain(labels: tuple[str, ...]) -> Mapping[str, str]:
    """Label made plain -> label; once for a task, not once for an answer."""
    return {plain(label): label for label in labels}


def short_label(text: str, labels: Sequence[str]) -> tuple[str, str]:
    """(label or "", why) for labels such as yes, no, True, 2: what is stated, else the only or the first word."""
    by_plain = _by_plain(tuple(labels))
    body = without_frame(text)
    stated = [plain(m.group(1)) for m in STATED.finditer(body.lower())]
    stated = [word for word in stated if word in by_plain]
    if len(set(stated)) == 1:
        return by_plain[stated[0]], f"It states {by_plain[stated[0]]}."
    words = plain(body).split()
    said = [word for word in words if word in by_plain]
    if len(set(said)) == 1:
        return by_plain[said[0]], f"It says only {by_plain[said[0]]}."
    if words and words[0] in by_plain and not re.match(r"\s*\w+\s*(?:or|/)\s*\w+", body):
        return by_plain[words[0]], f"It begins with {by_plain[words[0]]}."
    lines = body.splitlines()  # `without_frame` has stripped it
    last = plain(lines[-1]) if len(lines) > 1 else " ".join(words)
    if last in by_plain:
        return by_plain[last], f"It ends with {by_plain[last]}."
    return "", "No label was found." if not said else "It says several labels."


def score(text: str, case: Case, task: Task) -> Score:
    """1 if exactly one label is asserted and it is a reference."""
    if not text.strip():
        return Score(metric="label", value=0.0, explanation="The answer is empty.")
    targets, labels = task.targets(case), task.labels or task.targets(case)
    if _by_plain(tuple(labels)).keys() <= SHORT:
        said, why = short_label(text, labels)
        right = plain(said) in {plain(t) for t in targets} if said else False
        return Score(metric="label", value=float(right), answer=said or "nothing", explanation=why)
    known = [*labels, *(t for t in targets if plain(t) not in {plain(x) for x in labels})]
    found = list(dict.fromkeys(plain(label) for label in asserted(text, known)))
    shown = ", ".join(found) or "nothing"
    if len(found) != 1:
        why = "No label is asserted." if not found else f"{len(found)} labels are asserted; one is asked for."
        return Score(metric="label", value=0.0, answer=shown, explanation=why)
    right = found[0] in {plain(t) for t in targets}
    why = "The one asserted label is the reference." if right else "The asserted label is another one."
    return Score(metric="label", value=float(right), answer=shown, explanation=why)


def score_set(text: str, case: Case, task: Task) -> Score:
    """F1 between the asserted labels and the reference's."""
    if not text.strip():
        return Score(metric="label_set", value=0.0, explanation="The answer is empty.")
    found = {plain(label) for label in asserted(text, task.labels)}
    right = {plain(t) for t in task.targets(case)}
    return set_score("label_set", found, right)


def set_score(metric: str, found: set[str], right: set[str]) -> Score:
    """F1 of two sets; two empty sets agree."""
    both = len(found & right)
    value = 2 * both / (len(found) + len(right)) if found or right else 1.0
    missed, extra = sorted(right - found), sorted(found - right)
    words = "All found, nothing added." if not missed and not extra else "; ".join(
        part for part in (
            f"missed {', '.join(missed)}" if missed else "", f"added {', '.join(extra)}" if extra else "",
        ) if part
    ).capitalize() + "."  # fmt: skip
    return Score(metric=metric, value=value, answer=", ".join(sorted(found)) or "none", explanation=words)


SCORERS = (
    Scorer(
        id="label",
        title="Accuracy, strict",
        kind="strict",
        score=score,
        caveat="Exactly one label must be asserted, as a whole phrase; negated mentions do not count.",
        source="Ours",
    ),
    Scorer(
        id="label_set",
        title="Set F1, strict",
        kind="strict",
        score=score_set,
        caveat="F1 of this case's label set; British spelling and hyphens are accepted.",
        source="Ours; example-based F1 (Godbole and Sarawagi 2004)",
    ),
)
