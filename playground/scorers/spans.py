"""Our stricter scores of lists: extracted values and spans, and named entities as sets."""

import re

from playground.scorer import Score, Scorer
from playground.scorers.labels import set_score
from playground.scorers.normal import holds, plain, without_frame
from playground.task import Case, Task

SEXES = {"m": "M", "male": "M", "man": "M", "boy": "M", "f": "F", "female": "F", "woman": "F", "girl": "F"}
SEX = re.compile(r"(?:gender|sex)\W{0,4}\s*(male|female|man|woman|boy|girl|m|f)\b", re.IGNORECASE)
SEX_WORD = re.compile(r"\b(male|female|man|woman|boy|girl)\b", re.IGNORECASE)
AGE = re.compile(r"(\d+(?:\.\d+)?)\s*['\"]?\s*[,\-\s]\s*['\"]?\s*(year|month|week|day|hour)s?\b", re.IGNORECASE)
NULLS = {"not found", "none", "nothing", "no", "n a", "there is no related entity", "no entity", "no entities", "empty"}
LEAD = re.compile(r"^[^\n:]{0,60}(?:\bis|\bare|:)\s*(?=\S)")
AMOUNT = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:mg|mcg|[µμ]g|g|kg|m[Ll]|L|units?|U|IU|mmol|mEq|%)(?![A-Za-z])")
LONGER = 6  # words that a part may hold beside the span it gives


def score(text: str, case: Case, task: Task) -> Score:
    """Age and sex by value; spans and doses as whole words, regardless of order and case."""
    if not text.strip():
        return Score(metric="extraction", value=0.0, explanation="The answer is empty.")
    targets = task.targets(case)
    if targets and "gender" in targets[0].lower() and "age" in targets[0].lower():
        return _age_and_sex(text, targets[0])
    wanted = [s for t in targets[:1] for s in split(t)] if task.target == "alternatives" else list(targets)
    wanted = [w for w in wanted if plain(w) not in NULLS]
    parts = [p for p in split(without_frame(text)) if plain(p) not in NULLS]
    if not wanted:
        right = not parts
        words = "Rightly nothing found." if right else "Something is given where nothing stands in the text."
        return Score(metric="extraction", value=float(right), answer=", ".join(parts) or "none", explanation=words)
    found = {w for w in wanted if any(_gives(p, w) for p in parts)}
    extra = [p for p in parts if not any(_gives(p, w) for w in wanted)]
    value = 2 * len(found) / (len(wanted) + len(found) + len(extra)) if found else 0.0
    words = f"{len(found)} of {len(wanted)} spans found" + (f", {len(extra)} added." if extra else ".")
    return Score(metric="extraction", value=value, answer=", ".join(parts) or "none", explanation=words)


def _gives(part: str, wanted: str) -> bool:
    """Whether a part holds the wanted words and little else; of an amount, no other amount beside it."""
    words, asked = plain(part), plain(wanted)
    amounts = set(AMOUNT.findall(wanted))
    if amounts and set(AMOUNT.findall(part)) - amounts:
        return False
    return holds(asked, words) and len(words.split()) <= len(asked.split()) + LONGER


def _age_and_sex(text: str, target: str) -> Score:
    said, right = _values(text), _values(target)
    same = [name for name in ("sex", "age") if said[name] == right[name] and right[name]]
    wrong = [name for name in ("sex", "age") if name not in same]
    words = "Sex and age are right." if not wrong else f"{' and '.join(wrong).capitalize()} differ or are missing."
    answer = f"sex {said['sex'] or 'not given'}, age {said['age'] or 'not given'}"
    return Score(metric="extraction", value=len(same) / 2, answer=answer, explanation=words)


def _values(text: str) -> dict[str, str]:
    named = SEX.search(text) or SEX_WORD.search(text)
    ages = [f"{float(number):g} {unit.lower()}" for number, unit in AGE.findall(text)]
    return {"sex": SEXES[named.group(1).lower()] if named else "", "age": ", ".join(sorted(set(ages)))}


def split(text: str) -> list[str]:
    """Parts of a list: lines, bullets, semicolons, and commas outside of brackets and of numbers."""
    parts: list[str] = []
    for line in re.split(r"[\n;]+", text):
        line = re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", line)
        depth, start = 0, 0
        for i, c in enumerate(line):
            depth += (c in "([{") - (c in ")]}")
            if c == "," and depth <= 0 and re.match(r"\s|$", line[i + 1 : i + 2]):
                parts.append(line[start:i])
                start = i + 1
        parts.append(line[start:])
    return [part for p in parts if (part := p.strip().strip(".").strip())]


def score_entities(text: str, case: Case, task: Task) -> Score:
    """F1 between two sets of entities; order, case, bullets and a lead-in do not matter."""
    if not text.strip():
        return Score(metric="entities", value=0.0, explanation="The answer is empty.")
    found = {plain(e) for e in entities(text)}
    return set_score("entities", found, {plain(t) for t in task.targets(case)} - {""})


def entities(text: str) -> list[str]:
    """The entities of an answer; both spellings of the null answer give none."""
    body = without_frame(text)
    if plain(body) in NULLS or plain(body).startswith("there is no related entity"):
        return []
    first, _, rest = body.partition("\n")
    body = LEAD.sub("", first, count=1) + ("\n" + rest if rest else "")
    return [e for e in split(re.sub(r",? and (?=\S+\s*\.?\s*$)", ", ", body)) if plain(e) and plain(e) not in NULLS]


SCORERS = (
    Scorer(
        id="extraction",
        title="Values, strict",
        kind="strict",
        score=score,
        caveat="Compares values and whole words, so that '5 mg' is not found in '25 mg'; order does not matter.",
        source="Ours",
    ),
    Scorer(
        id="entities",
        title="Entity F1, strict",
        kind="strict",
        score=score_entities,
        caveat="Sets of exact entities; a shorter or longer span counts as another entity.",
        source="Ours; exact-match F1 as in the CoNLL-2003 evaluation, on sets",
    ),
)
