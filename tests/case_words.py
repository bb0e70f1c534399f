"""Words, sentences, options and kinds of synthetic cases, for the rules over them; knows no rule and no scorer."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from playground.scorers.choice import options_of
from playground.task import Case, Task

Group = tuple[Task, Sequence[Case]]  # a task with its cases

KINDS: Mapping[str, Sequence[int]] = {  # official task numbers (MedS-Ins) of each shape of case
    "mcqa": (57, 58, 59, 60, 61, 122, 129), "pubmedqa": (123,),
    "question": (114,), "trials": (110,), "radiology": (112, 78, *range(83, 95)),
    "pico": (1, 2, 3), "dose": (29,), "age_sex": (74,), "claim": (18,), "term": (46, 50),
    "rationale": range(51, 57), "ner": range(125, 129), "diagnosis": (130,), "seer": (131,),
    "outcome": (117, 118, 119), "hallmarks": (106,), "answer": (12,), "fact": (16,), "justification": (100,),
    "nli": (41,), "nli_generation": (42,),
}  # fmt: skip
OF_NUMBER = {f"task{number}": kind for kind, numbers in KINDS.items() for number in numbers}
RECORDS = ("diagnosis", "seer", "outcome")  # lists of fields or questions, no running text
NO_SPACES = {"zh": (1.4, 2.2), "ja": (1.7, 2.8)}  # characters that stand for one English word, fewest and most
NEGATIONS = ("no", "not", "without", "denies", "denied", "never", "absent")
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


RELATIVES = listed(
    "mother mother's father father's brother brother's sister sister's son son's daughter daughter's wife wife's "
    "husband husband's partner aunt uncle parent parents grandmother grandfather cousin boyfriend girlfriend child "
    "family twin niece nephew colleague friend nurse doctor physician fetus foetus sexual"
)


def kind(task: Task) -> str:
    """The shape of a task's cases by its official id; "other" for a task that MedS-Bench does not have."""
    return next((OF_NUMBER[name] for name in task.medsbench if name in OF_NUMBER), "other")


def at(task: Task, case: Case) -> str:
    return f"{task.id}/{case.id}"


def text_of(case: Case, *, options: bool = True) -> str:
    """All inputs of a case, one below the other, in NFC."""
    parts = [value for name, value in case.inputs.items() if options or name != "options"]
    return unicodedata.normalize("NFC", "\n".join(parts))


def target_of(case: Case) -> str:
    """The reference that is exported: the first one."""
    return unicodedata.normalize("NFC", (case.target or ("",))[0])


def words(text: str) -> list[str]:
    return [w.lower() for w in WORD.findall(text)]


def size(text: str, language: str) -> int:
    """Words; in Chinese and Japanese characters without spaces and punctuation."""
    return sum(c.isalnum() for c in text) if language in NO_SPACES else len(text.split())


def bounds(low: float, high: float, language: str, slack: float = 0.15) -> tuple[int, int]:
    """A range of English words as sizes in a language, widened by `slack`."""
    fewest, most = NO_SPACES.get(language, (1.0, 1.0))
    return int(low * fewest * (1 - slack)), int(high * most * (1 + slack)) + 1


def sentences(text: str) -> list[str]:
    """Sentences, closed by . ! ? or their CJK forms; a line break ends one too."""
    text = re.sub(r"\b(e\.g|i\.e|vs|approx|no|fig|al|p\.\s?ex|т\.\s?е|т\.\s?д)\.", r"\1", text, flags=re.IGNORECASE)
    return [s.strip() for s in re.split(r"(?<=[.!?])[\"'”»)]*\s+|(?<=[。！？])|\n+", text) if s.strip(" .")]


def lettered(case: Case) -> tuple[dict[str, str], str]:
    """(letter -> option, the key's letter); the letter is "" where the case has no lettered options."""
    options = dict(options_of(case)) if "options" in case.inputs else {}
    letter = target_of(case)[:1]
    return options, letter if letter in options and len(options) > 1 else ""


def choices(groups: Sequence[Group]) -> list[tuple[Task, Case, dict[str, str], str]]:
    """Every multiple-choice case with its options and key."""
    found = ((t, c, *lettered(c)) for t, cases in groups if kind(t) == "mcqa" for c in cases)
    return [entry for entry in found if entry[3]]


def grams(task: Task, case: Case, n: int = 5) -> frozenset[str]:
    """n-grams of words (Chinese, Japanese: characters) of the inputs, without the names of a record's fields."""
    text = text_of(case).lower()
    if kind(task) in ("seer", "outcome"):
        text = re.sub(r"(?:^|(?<=[\n;,]))[^:;\n,]{1,60}:", " ", text)
    tokens = [c for c in text if c.isalnum()] if task.language in NO_SPACES else words(text)
    return frozenset(" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def pairs(cases: Sequence[Case]) -> Iterator[tuple[Case, Case]]:
    return combinations(cases, 2)


def occurrences(part: str, text: str) -> list[int]:
    """Where a text stands on word boundaries."""
    left, right = r"(?<!\w)" if part[:1].isalnum() else "", r"(?!\w)" if part[-1:].isalnum() else ""
    return [m.start() for m in re.finditer(left + re.escape(part) + right, text)]


def negated_before(text: str, place: int, within: int = 5) -> bool:
    """Whether a negation stands within so many words before a place, in the same sentence."""
    before = re.split(r"[.;\n]", text[:place])[-1]
    return any(w in NEGATIONS for w in words(before)[-within:])
