"""Our stricter multiple-choice score: the letter is really extracted, in six languages; option E counts."""

import re
from collections.abc import Mapping, Sequence

from playground.scorer import Score, Scorer
from playground.scorers.labels import short_label
from playground.scorers.normal import holds, plain, without_frame
from playground.task import RAW, Case, Task

FULL_WIDTH = str.maketrans("ＡＢＣＤＥ", "ABCDE")
OPTION = re.compile(r"(?:^|\t|\n|(?<=\s))([A-E])[:.)]\s*(.+?)(?=\s*(?:\t|\n|$|\s[B-E][:.)]\s))")
CLAIM = re.compile(
    r"(?:right answer|correct answer|correct option|best answer|answer|option|choice|choose|select|pick"
    r"|r[ée]ponses?(?: correcte)?|respuesta(?: correcta)?|opci[óo]n(?: correcta)?|правильн\w* ответ\w*|ответ\w*|вариант"
    r"|正确答案|答案|选项|选择|正しい答え|正解|答え)"
    r"(?:\s*(?:is|are|would be|must be|est|es|la|le|—|–|-|是|为|は|:|：|=))*\s*[(\[（「]?\s*([A-E])(?![A-Za-z])",
    re.IGNORECASE,
)
LEADING = re.compile(r"^\s*[(\[（]?([A-E])(?:[)\]）:.、,，]|\s*$|\s*[-–—]\s|\t)")
ALONE = re.compile(r"(?<![A-Za-z'])([A-E])(?![A-Za-z'])")
NOT_BEFORE = re.compile(
    r"(?:\bnot|\bno es|n'est pas|\bno|\bне|不是|isn't|neither|nor|except|rule[sd]? out|rather than)\s*"
    r"(?:the\s+)?(?:answer|option|choice|вариант|la|le)?\s*[(\[]?$",
    re.IGNORECASE,
)
AND_ANOTHER = re.compile(
    r"^\s*[)\]）]?\s*(?:or|and|/|,|ou|et|o|y|или|и|或|和|か|と)\s*[(\[（]?([A-E])(?![A-Za-z])", re.I
)
LISTED = re.compile(r"(?<![A-Za-z])([A-E])[:.)）]")
NOT_AFTER = re.compile(
    r"^\s*[)\]]?\s*(?:is|are|was)?\s*(?:not|wrong|incorrect|不对|错误|ではな|じゃな|ではありません)", re.I
)


def options_of(case: Case) -> Mapping[str, str]:
    """Letter -> option text, from the case's options line or its finished text."""
    text = case.inputs.get("options") or case.inputs.get(RAW, "")
    found = [(m.group(1), m.group(2).strip()) for m in OPTION.finditer(text)]
    last = max((i for i, (letter, _) in enumerate(found) if letter == "A"), default=0)
    return dict(found[last:])


def extract(text: str, options: Mapping[str, str]) -> tuple[str, str]:
    """(letter or "", why): the one letter that the answer claims."""
    body = without_frame(text).translate(FULL_WIDTH)
    letters = set(options) or set("ABCDE")
    for pattern, how in ((CLAIM, "states the answer"), (LEADING, "begins with"), (ALONE, "names")):
        found = [m for m in pattern.finditer(body) if m.group(1).upper() in letters and not _taken_back(body, m)]
        if pattern is ALONE:
            found = [m for m in found if not _article(m.group(1), body[m.end() :])]
        claimed = {m.group(1).upper() for m in found}
        claimed |= {also.group(1).upper() for m in found if (also := AND_ANOTHER.match(body[m.end(1) :]))}
        if pattern is LEADING and claimed:
            claimed |= {m.group(1) for m in LISTED.finditer(body) if m.group(1) in letters}
        if len(claimed) == 1:
            letter = claimed.pop()
            if other := _other_text(letter, [body[m.end(1) :] for m in found], options):
                return "", f"It {how} {letter}, but gives the text of option {other}."
            return letter, f"It {how} {letter}."
        if claimed:
            return "", f"It names {', '.join(sorted(claimed))}: no single answer."
    named = [letter for letter, option in options.items() if plain(option) and holds(plain(option), plain(body))]
    if len(named) == 1:
        return named[0], f"It gives the text of option {named[0]}."
    return "", "No answer letter was found." if not named else "It gives the text of several options."


def _other_text(letter: str, after: Sequence[str], options: Mapping[str, str]) -> str:
    """Another option whose whole text stands in the line behind the claimed letter; "" if there is none."""
    lines = {plain(rest.split("\n")[0]) for rest in after}
    if plain(options.get(letter, "")) in lines:
        return ""
    return next((other for other, text in options.items() if other != letter and plain(text) in lines), "")


def _article(letter: str, rest: str) -> bool:
    """`A` as in "a fever" at the start of a sentence, not as in "A or B"."""
    return letter == "A" and bool(re.match(r"\s+[a-z]", rest)) and not AND_ANOTHER.match(rest)


def _taken_back(body: str, match: re.Match[str]) -> bool:
    return bool(NOT_BEFORE.search(body[: match.start(1)]) or NOT_AFTER.match(body[match.end(1) :]))


def score(text: str, case: Case, task: Task) -> Score:
    """1 if the extracted letter (or yes, no, maybe) is the reference's."""
    if not text.strip():
        return Score(metric="choice", value=0.0, explanation="The answer is empty.")
    targets = task.targets(case)
    if task.labels and all(t.strip(" .").lower() in task.labels for t in targets):
        said, why = short_label(text, task.labels)
        right = {t.strip(" .").lower() for t in targets}
        return Score(metric="choice", value=float(said in right), answer=said or "nothing", explanation=why)
    letter, why = extract(text, options_of(case))
    right = {t.strip()[:1].upper() for t in targets}
    return Score(metric="choice", value=float(letter in right), answer=letter or "nothing", explanation=why)


SCORERS = (
    Scorer(
        id="choice",
        title="Accuracy, strict",
        kind="strict",
        score=score,
        caveat="One letter must be claimed: negated letters do not count; two different ones, or another option's text "
        "behind the letter, give 0.",
        source="Ours; forms after lm-evaluation-harness' and HealthCoreBench's answer extraction",
    ),
)
