"""Rules 1-9 that every synthetic case obeys: form, scores, options, labels, spans, grounding; pure functions.

A rule takes the cases of one task, or (pooled) all groups, and gives complaints that say what to change.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from string import Template

from playground.answering import score_records
from playground.scorers.normal import plain
from playground.task import Case, Task
from tests.case_words import (
    Group,
    at,
    choices,
    jaccard,
    kind,
    lettered,
    listed,
    negated_before,
    occurrences,
    sentences,
    size,
    target_of,
    text_of,
    words,
)

FINDINGS = ("effusion", "pneumothora", "fracture", "mass", "nodul", "thromb")
SIDES = {"left": ("left",), "right": ("right",), "bilateral": ("bilateral", "both", "each")}
ABSOLUTES = {
    "en": ("always", "never", "all of the above", "none of the above"), "fr": ("toujours", "jamais"),
    "es": ("siempre", "nunca", "jamás"), "ru": ("всегда", "никогда"), "zh": ("总是", "从不", "以上都"),
    "ja": ("必ず", "決して", "すべて正しい"),
}  # fmt: skip
COMMON = listed(
    "about above after again along among because before being below between could during every first following from "
    "given have likely might other should since still their there these those through under until using where "
    "which while whose within without would "
    "après avant autre cette depuis entre leurs moins pendant quelle sans sous très "
    "antes cuando desde después donde entre hasta menos mientras porque sobre tiene "
    "более может перед после через чтобы который которая"
)
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def schema(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 1: difficulty, topic, source, notes are there; no topic twice in a task.

    Readings are added by reviewers later, so none is fine; where one stands, both briefs must, the physician's sure.
    """
    found = []
    for case in cases:
        missing = [name for name in ("title", "difficulty", "topic", "notes") if not getattr(case, name)]
        found += [f"{at(task, case)}: add {name}." for name in missing]
        if case.source != "synthetic" or case.licence != "CC0-1.0" or case.restricted:
            found.append(f"{at(task, case)}: source must be synthetic, licence CC0-1.0, not restricted.")
        if len(case.title) > 60:
            found.append(f"{at(task, case)}: title has {len(case.title)} characters; shorten to 60.")
        if case.notes and not (re.search(r"\b(?:19|20)\d\d\b", case.notes) or size(case.notes, "en") >= 12):
            found.append(f"{at(task, case)}: notes must say why the reference holds, with a source of the fact.")
        briefs = {r.brief for r in case.readings}
        sure = all(r.confidence >= 4 for r in case.readings if r.brief == "physician")
        if briefs and (len(briefs) < 2 or not sure):
            found.append(f"{at(task, case)}: readings need both briefs, the physician's with confidence 4 or 5.")
    topics = Counter(plain(c.topic) for c in cases if c.topic)
    return found + [f"{task.id}: topic '{t}' stands {n} times; change all but one." for t, n in topics.items() if n > 1]


def topics(groups: Sequence[Group], most: int = 3) -> list[str]:
    """Rule 1, pooled: no topic in more than three tasks of one language.

    The rule's "thrice over all" holds within a language: rationales and questions of six languages share topics.
    """
    seen: dict[tuple[str, str], list[str]] = {}
    for task, cases in groups:
        for case in cases:
            seen.setdefault((task.language, plain(case.topic)), []).append(at(task, case))
    return [f"topic '{k[1]}' stands in {', '.join(v)}; change some." for k, v in seen.items() if k[1] and len(v) > most]


def never_full(scorer: str, case: Case, task: Task) -> str:
    """Why a scorer cannot give full marks to the official answer of a case, "" where it can. The named exceptions."""
    key = target_of(case).strip().lower()
    if scorer == "medsbench_mcqa" and task.language != "en":
        return "the official code knows the English opening only"
    if scorer == "medsbench_mcqa" and lettered(case)[1] == "E":
        return "the official code knows options A to D only"
    if scorer == "medsbench_mcqa" and key == "maybe":
        return "the official code knows y and n only"
    if scorer.startswith("medsbench_justification"):
        return "the official code removes periods from the reference alone"
    return ""


def self_score(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 2: the official answer gets full marks, silence 0, each other closed label or option 0."""
    found = []
    for case in cases:
        answer = task.reference(case) or ""
        for record in score_records(answer, case, task):
            excused = never_full(record.metric, case, task)
            if record.value is not None and record.value < 0.999 and not excused:
                found.append(
                    f"{at(task, case)}: the official answer '{answer[:60]}' gets {record.value:.2f} "
                    f"from {record.metric}; change target or answer format."
                )
        for other in ("", *wrong_answers(case, task)):
            for record in score_records(other, case, task):
                if record.value:
                    found.append(
                        f"{at(task, case)}: the wrong answer '{other[:60]}' gets {record.value:.2f} from "
                        f"{record.metric}; choose another target."
                    )
    return found


def wrong_answers(case: Case, task: Task) -> list[str]:
    """Every other closed label, or option, in the official format."""
    options, letter = lettered(case)
    others = [f"{a}: {text}" for a, text in options.items() if a != letter] if letter else []
    right = {plain(t) for t in case.target or ()}
    others += [label for label in task.labels if plain(label) not in right]
    return [Template(task.answer).substitute(target=other) for other in others]


def positions(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 3: no letter is the key more than ceil(n/k)+1 times in a task."""
    keyed = choices([(task, cases)])
    if not keyed:
        return []
    most = math.ceil(len(keyed) / len(keyed[0][2])) + 1
    letters = Counter(letter for *_, letter in keyed)
    return [f"{task.id}: {k} is the key {n} times of {len(keyed)}; move some." for k, n in letters.items() if n > most]


def pooled_positions(groups: Sequence[Group], least: int = 24) -> list[str]:
    """Rule 3, pooled over four-option cases from 24 on: each letter is the key in 15-35 %."""
    letters = Counter(letter for _, _, options, letter in choices(groups) if len(options) == 4)
    n = letters.total()
    if n < least:
        return []
    return [
        f"over all tasks: {k} is the key in {letters[k] / n:.0%} of {n} cases; bring it to 15-35 %."
        for k in "ABCD" if not 0.15 <= letters[k] / n <= 0.35
    ]  # fmt: skip


def option_lengths(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 4: the longest option is at most twice the shortest, unless all have fewer than 15 characters."""
    found = []
    for _, case, options, _ in choices([(task, cases)]):
        lengths = [len(o) for o in options.values()]
        if max(lengths) >= 15 and max(lengths) > 2 * min(lengths):
            found.append(f"{at(task, case)}: options have {min(lengths)} to {max(lengths)} characters; even them out.")
    return found


def key_lengths(groups: Sequence[Group], least: int = 12) -> list[str]:
    """Rule 4, pooled from 12 cases on: the key is strictly longest, or shortest, in at most 40 %."""
    keyed = choices(groups)
    if len(keyed) < least:
        return []
    found = []
    for name, sign in (("longest", 1), ("shortest", -1)):
        which = []
        for task, case, options, letter in keyed:
            others = [sign * len(o) for k, o in options.items() if k != letter]
            if sign * len(options[letter]) > max(others):
                which.append(at(task, case))
        if len(which) > 0.4 * len(keyed):
            found.append(f"over all tasks: the key is {name} in {len(which)} of {len(keyed)}: {', '.join(which)}.")
    return found


def wording(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 5: no long word in stem and key only, no absolutes, no "except", numbers ascending.

    Long words are not looked for in Chinese and Japanese (no spaces); function words do not count.
    """
    found = []
    for _, case, options, letter in choices([(task, cases)]):
        stem = text_of(case, options=False)
        others = {w for k, o in options.items() if k != letter for w in words(o)}
        shared = {w for w in words(options[letter]) if len(w) >= 5 and w not in COMMON} & set(words(stem)) - others
        if shared and task.language not in ("zh", "ja"):
            found.append(f"{at(task, case)}: '{min(shared)}' is in the stem and the key only; reword one.")
        said = [a for a in ABSOLUTES[task.language] if any(a in o.lower() for o in options.values())]
        found += [f"{at(task, case)}: an option says '{a}'; reword it." for a in said]
        if re.search(r"\bexcept\b|\bsauf\b|\bexcepto\b|\bкроме\b", stem, re.IGNORECASE):
            found.append(f"{at(task, case)}: the stem asks for an exception; ask positively.")
        numbers = [re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*\D{0,12}", o) for o in options.values()]
        values = [float(m.group(1).replace(",", ".")) for m in numbers if m]
        if len(values) == len(options) and values != sorted(values):
            found.append(f"{at(task, case)}: put the numbers of the options in ascending order.")
    return found


def trivial_answers(groups: Sequence[Group], least: int = 12) -> list[str]:
    """Rule 6, pooled: constant label (from 6 cases), first or longest option (from 12) is right at most chance + 20 %.

    Cases whose label sets are equal are pooled. The nearest neighbour on the NLI statement counts from 12 cases on.
    """
    found, by_labels = [], dict[tuple[str, ...], list[tuple[Task, Case]]]()
    for task, cases in groups:
        if task.labels and task.target == "alternatives":
            by_labels.setdefault(tuple(sorted(task.labels)), []).extend((task, c) for c in cases)
    for labels, members in by_labels.items():
        label, n = Counter(target_of(c) for _, c in members).most_common(1)[0] if members else ("", 0)
        if len(members) >= 6 and n / len(members) > 1 / len(labels) + 0.2:
            names = ", ".join(sorted({t.id for t, _ in members}))
            found.append(f"{names}: always '{label}' is right in {n} of {len(members)}; change some cases.")
    keyed = choices(groups)
    if len(keyed) >= least:
        chance = sum(1 / len(o) for _, _, o, _ in keyed) / len(keyed)
        first = sum(letter == "A" for *_, letter in keyed) / len(keyed)
        longest = sum(letter == max(o, key=lambda k: len(o[k])) for _, _, o, letter in keyed) / len(keyed)
        for name, share in (("first", first), ("longest", longest)):
            if share > chance + 0.2:
                found.append(f"over all tasks: the {name} option is right in {share:.0%} of {len(keyed)}; change some.")
    return found + _neighbours(groups, least)


def _neighbours(groups: Sequence[Group], least: int) -> list[str]:
    found = []
    for task, cases in groups:
        bags = [(frozenset(words(c.inputs["statement"])), target_of(c)) for c in cases if "statement" in c.inputs]
        if kind(task) != "nli" or len(bags) < least:
            continue
        right = 0
        for i, (bag, label) in enumerate(bags):
            others = [b for j, b in enumerate(bags) if j != i]
            right += max(others, key=lambda o: jaccard(bag, o[0]))[1] == label
        if right / len(bags) > 1 / len(task.labels) + 0.2:
            found.append(f"{task.id}: the likest statement gives the label in {right} of {len(bags)}; vary statements.")
    return found


def coverage(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 7: up to 3 labels each floor(n/k) times; 4-10 labels min(n, k) different; more labels none twice.

    All ten hallmarks from 6 cases on, as their cases hold sets.
    """
    n, k = len(cases), len(task.labels)
    counts = Counter(t for c in cases for t in c.target or ())
    strange = [f"{at(task, c)}: '{t}' is no label." for c in cases if k for t in c.target or () if t not in task.labels]
    if not k or strange:
        return strange
    if k <= 3:
        return [f"{task.id}: '{x}' stands {counts[x]} times; give {n // k}." for x in task.labels if counts[x] < n // k]
    if k <= 10:
        wanted = k if task.target == "set" and n >= 6 else min(n, k)
        missing = ", ".join(x for x in task.labels if x not in counts)
        return [f"{task.id}: {len(counts)} labels occur, {wanted} should; add {missing}."] * (len(counts) < wanted)
    return [f"{task.id}: label '{x}' stands {m} times; change all but one." for x, m in counts.items() if m > 1]


def spans(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 8 (entities, PICO, doses): verbatim on word boundaries, in text order, no ", ", none inside another.

    A dose may hold a comma: only one is asked for.
    """
    found = []
    if kind(task) not in ("ner", "pico", "dose"):
        return found
    for case in cases:
        given = list(case.target or ())[: None if task.target == "set" else 1]
        text, places = text_of(case), list[int]()
        for span in given:
            where = occurrences(span, text)
            if not where:
                found.append(f"{at(task, case)}: '{span}' does not stand in the input word for word.")
            if ", " in span and kind(task) != "dose":
                found.append(f"{at(task, case)}: '{span}' holds a comma and a space; choose a span without.")
            if kind(task) == "dose" and text.count(span) > len(where):
                found.append(f"{at(task, case)}: '{span}' stands inside another number or word; change one of them.")
            if any(span != other and occurrences(span, other) for other in given):
                found.append(f"{at(task, case)}: '{span}' stands inside another target; keep one of them.")
            places += where[:1]
        if places != sorted(places):
            found.append(f"{at(task, case)}: put the targets in the order of the text.")
        if len(set(given)) < len(given):
            found.append(f"{at(task, case)}: a target stands twice.")
    return found


def grounding(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 9: numbers, sides and listed findings of the reference stand in the input; none affirmed if only denied.

    Summaries and claim explanations. Of a rationale numbers only: it weighs findings that the patient lacks.
    A dictionary definition has nothing to stand on but its term.
    """
    of = kind(task)
    if of not in ("question", "trials", "radiology", "claim", "rationale"):
        return []
    found = []
    for case in cases:
        text, said = text_of(case), target_of(case)
        missing = sorted(_numbers(said) - _numbers(text))
        found += [f"{at(task, case)}: number {n} of the reference is not in the input." for n in missing]
        if of == "rationale" or task.language != "en":
            continue
        known, low = set(words(text)), text.lower()
        for side, forms in SIDES.items():
            both = side == "bilateral" and {"left", "right"} <= known
            if side in words(said) and not known & set(forms) and not both:
                found.append(f"{at(task, case)}: '{side}' of the reference is not in the input.")
        for finding in FINDINGS:
            if not any(_affirmed(finding, s) for s in sentences(said.lower())) or _affirmed(finding, low):
                continue
            why = "denied in" if re.search(rf"\b{finding}", low) else "not in"
            found.append(f"{at(task, case)}: '{finding}' of the reference is {why} the input.")
    return found


def _numbers(text: str) -> set[str]:
    digits = {n.replace(",", ".") for n in re.findall(r"(?<![\w.,])\d+(?:[.,]\d+)?", text)}
    digits = {n.rstrip("0").rstrip(".") if "." in n else n for n in digits}
    return digits | {str(NUMBERS.index(w)) for w in words(text) if w in NUMBERS}


def _affirmed(finding: str, text: str) -> bool:
    return any(not negated_before(text, m.start()) for m in re.finditer(rf"\b{finding}", text))


PER_TASK = (schema, self_score, positions, option_lengths, wording, coverage, spans, grounding)
POOLED = (topics, pooled_positions, key_lengths, trivial_answers)
