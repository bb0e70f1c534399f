"""Rules 12-18: duplicates, demonstrations, giveaways, size, language, readability, identity; pure functions."""

import re
from collections.abc import Sequence

from playground.prompt import build, demonstrations
from playground.scorers.labels import SHORT
from playground.scorers.normal import holds, plain
from playground.task import Case, Task
from tests.case_values import ages_of
from tests.case_words import (
    NEGATIONS,
    NO_SPACES,
    RECORDS,
    at,
    bounds,
    grams,
    jaccard,
    kind,
    lettered,
    listed,
    pairs,
    sentences,
    size,
    target_of,
    text_of,
    words,
)  # fmt: skip

SEEDS = range(3)
SIZES: dict[str, tuple[int, int]] = {  # words of all inputs but the options
    "mcqa": (40, 110), "pubmedqa": (120, 220), "radiology": (50, 120), "question": (60, 150), "trials": (150, 350),
    "age_sex": (80, 180), "pico": (12, 45), "dose": (12, 45), "ner": (12, 45), "claim": (80, 205),
    "hallmarks": (50, 220), "fact": (60, 205), "nli_generation": (10, 40),
}  # fmt: skip
TARGETS: dict[str, tuple[int, int]] = {  # words of the reference
    "radiology": (8, 35), "question": (8, 20), "trials": (25, 60), "term": (15, 45), "claim": (25, 90),
    "rationale": (80, 150), "nli_generation": (4, 15),
}  # fmt: skip
PARTS: dict[str, dict[str, tuple[int, int]]] = {"nli": {"premise": (10, 40), "statement": (4, 15)}}
ROWS = {"task117": 64, "task118": 67, "task119": 64}
CHARACTERS = {"zh": 1.3, "ja": 1.2, "ru": 2.6, "fr": 3.4, "es": 3.4, "en": 4.2}  # of one Llama 3 token, about
MOST_TOKENS = 1700
STOPWORDS = {
    "en": listed("the of and to in is was with that for a an are his her he she it on at by from not be as"),
    "fr": listed("le la les des du de et est une un dans avec que qui pour sur au aux ce cette il elle en par"),
    "es": listed("el la los las del de y es una un en con que para por se su al lo como no más ha"),
}
SYNONYMS = {  # label -> words that would give it away
    "psvt": ("supraventricular tachycardia",), "gerd": ("reflux disease", "acid reflux"), "panic attack": ("panic",),
    "influenza": ("flu",), "tuberculosis": ("tb",), "anemia": ("anaemia", "anaemic", "anemic"),
    "possible nstemi / stemi": ("heart attack", "myocardial infarction"), "pulmonary embolism": ("lung clot",),
    "pericarditis": ("inflamed pericardium",), "whooping cough": ("pertussis",), "urti": ("common cold",),
    "myasthenia gravis": ("myasthenia",), "atrial fibrillation": ("fibrillation",),
    "sle": ("lupus",), "anaphylaxis": ("anaphylactic",), "pancreatic neoplasm": ("pancreatic cancer",),
    "pulmonary neoplasm": ("lung cancer",), "scombroid food poisoning": ("scombroid", "histamine"),
}  # fmt: skip
IDENTITY = {
    "a calendar date": r"\b(?:19|20)\d\d-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d\b|\d{4}年\d{1,2}月"
    r"|\b(?:January|February|April|June|July|August|September|October|November|December) \d{1,2}\b"
    r"|\b\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December)\b",
    "a title with a name": r"\b(?:Dr|Mr|Mrs|Ms|Miss|Prof|Mme|Sra?|Herr|Frau)\.? [A-ZÁÉÀ][a-zé]+",
    "a telephone number": r"\+\d{2}[\d ]{8,}|\b\d{3}-\d{3}-\d{4}\b",
    "an address on the web": r"https?://|www\.|\b[\w.]+@[\w.]+\.\w+",
    "a record number": r"\b(?:MRN|NHS number|record (?:no|number)|SSN)\b[ :.#]*\d+|\b\d{8,}\b",
}


def duplicates(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 12: 5-grams of two cases of a task: Jaccard < 0.30.

    Term tasks are left out (an input has fewer than five words). The names of a record's fields do not count.
    """
    known = {c.id: grams(task, c) for c in cases}
    return [
        f"{at(task, a)} and {b.id}: {share:.0%} of their 5-grams are shared; rewrite one."
        for a, b in pairs(cases)
        if (share := jaccard(known[a.id], known[b.id])) >= 0.30
    ]  # fmt: skip


def shown(cases: Sequence[Case], task: Task) -> list[str]:
    """Rules 12 and 13: a demonstration shares < 0.20 of its 5-grams with the case; three are not all of one label."""
    found = dict[str, None]()
    for case in cases:
        for seed in SEEDS:
            drawn = demonstrations(task, case, cases, shots=3, seed=seed)
            for other in drawn:
                share = jaccard(grams(task, case), grams(task, other))
                if other.id == case.id or share >= 0.20:
                    found[f"{at(task, case)}: its demonstration {other.id} is {share:.0%} the same; rewrite one."] = (
                        None
                    )
            if task.labels and len(drawn) == 3 and len({c.target for c in drawn}) == 1:
                found[f"{at(task, case)}: seed {seed} shows '{target_of(drawn[0])}' three times; vary labels."] = None
    return list(found)


def giveaway(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 14: no label, synonym of the right one, or key stands in the input; negations do not mark contradictions.

    Short labels (yes, 0, True) are everyday words and may stand in it.
    """
    found = []
    for case in cases:
        text = plain(text_of(case, options=False))
        told = list(task.labels)
        told += [s for label in case.target or () for s in SYNONYMS.get(label.lower(), ())] if task.labels else []
        _, letter = lettered(case)
        told += [target_of(case)[2:].strip()] if letter and len(target_of(case)) > 6 else []
        for name in told:
            if plain(name) not in {plain(s) for s in SHORT} and plain(name) and holds(plain(name), text):
                found.append(f"{at(task, case)}: '{name}' in the input gives the answer away; reword it.")
    return found + (_negations(cases, task) if kind(task) == "nli" else [])


def _negations(cases: Sequence[Case], task: Task) -> list[str]:
    cues = {*NEGATIONS, "normal"}
    denying = [target_of(c) for c in cases if set(words(c.inputs.get("statement", ""))) & cues]
    n, all_of_them = denying.count("contradiction"), sum(target_of(c) == "contradiction" for c in cases)
    if n > all_of_them / 2:
        return [f"{task.id}: {n} of {all_of_them} contradictions hold a negation; at most half may."]
    if n and n == len(denying):
        return [f"{task.id}: negations stand in contradictions only; put one into another label."]
    return []


def sizes(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 15: inputs and references within their word ranges, 15 % to either side; records have their rows.

    Chinese and Japanese count characters: 1.4-2.2 and 1.7-2.8 of them stand for one English word.
    """
    of, found = kind(task), []
    for case in cases:
        checks = [("input", text_of(case, options=False), SIZES.get(of)), ("target", target_of(case), TARGETS.get(of))]
        checks += [(name, case.inputs.get(name, ""), limit) for name, limit in PARTS.get(of, {}).items()]
        options, _ = lettered(case)
        checks += [(f"option {k}", o, (1, 8)) for k, o in options.items()] if of == "mcqa" else []
        for name, text, limit in checks:
            if limit is None:
                continue
            low, high = bounds(*limit, task.language)
            if not low <= (n := size(text, task.language)) <= high:
                found.append(f"{at(task, case)}: {name} has {n} words or characters; bring it to {low}-{high}.")
        found += _rows(case, task)
    return found


def _rows(case: Case, task: Task) -> list[str]:
    of, text = kind(task), text_of(case)
    lines = [line for line in text.splitlines() if ":" in line]
    if of == "diagnosis":
        n = text.count("?")
        return [f"{at(task, case)}: {n} questions; bring them to 10-29."] if not 10 <= n <= 29 else []
    if of == "seer":
        n = sum(":" in part for part in re.split(r"[\n;,]", text))
        return [f"{at(task, case)}: {n} fields; bring them to 10-20."] if not 10 <= n <= 20 else []
    wanted = next((ROWS[t] for t in task.medsbench if t in ROWS), len(lines))
    return [f"{at(task, case)}: {len(lines)} rows; give {wanted}."] if len(lines) != wanted else []


def tokens(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 15: prompt and three demonstrations stay within about 1,700 tokens (characters / what a token holds).

    Emergency records (64 rows) and rationales in other scripts cannot: there the case alone must. Demonstrations that
    do not fit are dropped when a model is asked, and the page says so.
    """
    shots = 0 if kind(task) == "outcome" or (kind(task) == "rationale" and task.language != "en") else 3
    found = []
    for case in cases:
        messages = build(task, case, cases, shots=shots, seed=0).messages
        n = int(sum(len(m.content) for m in messages) / CHARACTERS[task.language])
        if n > MOST_TOKENS:
            found.append(f"{at(task, case)}: the prompt with {shots} demonstrations takes {n} tokens; shorten cases.")
    return found


def language(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 16: the script or the commonest stop words are the task's own. Not for records nor under 15 words."""
    found = []
    for case in cases:
        text = f"{text_of(case)} {target_of(case)}"
        letters = [c for c in text if c.isalpha()]
        if not letters:
            continue
        cyrillic = sum("\u0400" <= c <= "\u04ff" for c in letters) / len(letters)
        han = sum("\u4e00" <= c <= "\u9fff" for c in letters) / len(letters)
        kana = sum("\u3040" <= c <= "\u30ff" for c in letters) / len(letters)
        counts = {name: sum(w in stop for w in words(text)) for name, stop in STOPWORDS.items()}
        prose = len(words(text)) >= 15 and kind(task) not in RECORDS
        right = {
            "ru": cyrillic >= 0.7, "zh": han >= 0.7 and kana == 0, "ja": kana >= 0.15,
        }.get(task.language, not prose or counts.get(task.language) == max(counts.values()))  # fmt: skip
        if not right or (task.language in STOPWORDS and cyrillic + han + kana > 0.1):
            found.append(f"{at(task, case)}: does not read as '{task.language}'; translate it.")
    return found


def readability(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 17: sentences <= 50 words, on average <= 30; a patient's question at Flesch-Kincaid grade 4-10.

    Interviews, records and options are no sentences; in Chinese and Japanese the limits are 110 and 70 characters.
    """
    if kind(task) in RECORDS:
        return []
    most, mean, found = *((110, 70) if task.language in NO_SPACES else (50, 30)), list[str]()
    for case in cases:
        text = text_of(case, options=False)
        lengths = [size(s, task.language) for s in sentences(text)]
        if lengths and max(lengths) > most:
            found.append(f"{at(task, case)}: a sentence has {max(lengths)} words; split it ({most} at most).")
        elif lengths and sum(lengths) / len(lengths) > mean:
            found.append(
                f"{at(task, case)}: sentences average {sum(lengths) / len(lengths):.0f} words; bring to {mean}."
            )
        if kind(task) == "question" and task.language == "en" and not 4 <= (grade := flesch_kincaid(text)) <= 10:
            found.append(f"{at(task, case)}: reads at grade {grade:.1f}; a patient writes at 4-10.")
    return found


def flesch_kincaid(text: str) -> float:
    """US school grade (Kincaid et al. 1975), with syllables counted as groups of vowels."""
    said = words(text)
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"(?<=[^aeiouyl])e\b", "", w)))) for w in said)
    return 0.39 * len(said) / max(1, len(sentences(text))) + 11.8 * syllables / max(1, len(said)) - 15.59


def identity(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 18: no calendar date, title with name, telephone, web address, record number; no age over 89."""
    found = []
    for case in cases:
        text = f"{text_of(case)}\n{' '.join(case.target or ())}"
        for what, pattern in IDENTITY.items():
            if m := re.search(pattern, text):
                found.append(f"{at(task, case)}: '{m.group()}' looks like {what}; remove it.")
        found += [f"{at(task, case)}: age {age} is over 89; lower it." for age in ages_of(text) if 89 < age < 130]
    return found


PER_TASK = (duplicates, shown, giveaway, sizes, tokens, language, readability, identity)
