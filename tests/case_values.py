"""Rules 10 and 11: values within hard limits, values that must agree, sex and age; pure functions over cases.

Limits are the hard ones: what a living adult can have, not what is normal. Units without a limit are not judged.
"""

import itertools
import math
import re
from collections.abc import Iterator, Sequence

from playground.task import Case, Task
from tests.case_words import RELATIVES, at, kind, listed, negated_before, sentences, text_of, words

N = r"(\d+(?:[.,]\d+)?)"
GAP = r"[^\d\n.;?!,，。；]{0,24}?"  # "was", "is now", ":"; not into the next clause
LIMITS: tuple[tuple[str, dict[str, tuple[float, float]]], ...] = (  # name; unit -> lowest, highest
    (r"temperature|体温|température|temperatura|температур\w*", {"°C": (28, 43), "°F": (82, 110)}),
    (r"heart rate|pulse|心率|脉搏|脈拍|pouls|fréquence cardiaque|frecuencia cardiaca|пульс|ЧСС",
     {r"/min|beats|bpm|次/分|lpm|в мин|уд": (20, 300)}),
    (r"breathing rate|respiratory rate|respirations|呼吸数|呼吸(?:频率)?|fréquence respiratoire|ЧДД",
     {r"/min|breaths|次/分|rpm|в мин": (4, 70)}),
    (r"SpO2|oxygen saturation|saturation|saturación|сатурация", {"%": (50, 100)}),
    (r"sodium|serum Na|(?-i:\bNa\b)|血钠|natrémie|sodio|натри\w*", {r"mEq/L|mmol/[Ll]|ммоль/л": (100, 190)}),
    (r"potassium|(?-i:\bK\b)|血钾|kaliémie|potasio|кали[йяю]", {r"mEq/L|mmol/[Ll]|ммоль/л": (1.5, 9.5)}),
    (r"chloride|(?-i:\bCl\b)", {r"mEq/L|mmol/[Ll]": (60, 150)}),
    (r"bicarbonate|HCO3", {r"mEq/L|mmol/[Ll]": (3, 55)}),
    (r"creatinine|肌酐|créatinine|créatininémie|creatinina|креатинин\w*",
     {r"mg/dL": (0.2, 25), r"[µμ]mol/[Ll]|мкмоль/л": (18, 2210)}),
    (r"BUN|urea nitrogen", {"mg/dL": (1, 250)}),
    (r"glucose|血糖|glycémie|glucosa|glucemia|глюкоз\w*",
     {"mg/dL": (10, 2000), r"mmol/[Ll]|ммоль/л": (0.5, 111), "g/[Ll]": (0.1, 20)}),
    (r"HbA1c", {"%": (3, 20), "mmol/mol": (9, 195)}),
    (r"(?<!ionised )(?<!ionized )calcium|calcémie", {"mg/dL": (4, 20), "mmol/[Ll]": (1, 5)}),
    (r"magnesium", {"mg/dL": (0.4, 12), "mmol/[Ll]": (0.16, 5)}),
    (r"h(?:a?e)moglobin|haemoglobin|(?-i:\bHb\b)|血红蛋白|ヘモグロビン|hémoglobine|hemoglobina|гемоглобин\w*",
     {"g/d[Ll]": (2, 25), r"g/[Ll]|г/л": (20, 250)}),
    (r"MCV|mean (?:cell|corpuscular) volume|VGM", {"f[Ll]|фл": (45, 150)}),
    (r"platelets?(?: count)?|血小板|plaquettes|plaquetas|тромбоцит\w*",
     {r"[x×] ?10\^?[9⁹]/[Ll]": (1, 3000), r"/[µμ]L|/mm3|/mm³": (1000, 3_000_000)}),
    (r"(?-i:\bINR\b)|МНО", {"": (0.7, 20)}),
    (r"bilirubin|bilirubine|bilirrubina", {"mg/dL": (0.05, 60), r"[µμ]mol/[Ll]|мкмоль/л": (1, 1026)}),
    (r"(?<!micro)albumin|albumine|albúmina", {"g/d[Ll]": (0.8, 6.5), r"g/[Ll]|г/л": (8, 65)}),
    (r"(?-i:\bALT\b)|(?-i:\bAST\b)", {"U/[Ll]|UI/[Ll]|IU/[Ll]": (1, 25000)}),
    (r"CRP|C-reactive protein", {"mg/[Ll]": (0, 700), "mg/d[Ll]": (0, 70)}),
    (r"lactate", {"mmol/[Ll]|mEq/L": (0.1, 35)}),
    (r"(?-i:\bTSH\b)|ТТГ", {r"mI?U/[Ll]|mUI/[Ll]|[µμ]U/m[Ll]|мМЕ/л": (0, 500)}),
    (r"(?-i:\bpH\b)", {"": (6.6, 7.8)}),
    (r"PaCO2|pCO2", {"mm ?Hg": (8, 150), "kPa": (1, 20)}),
    (r"PaO2|pO2", {"mm ?Hg": (15, 600), "kPa": (2, 80)}),
    (r"(?-i:\bGCS\b)|Glasgow coma sc\w+", {"": (3, 15)}),
)  # fmt: skip
PRESSURE = re.compile(r"(?<![\d/])(\d{2,3})/(\d{2,3})\s*(?:mm ?Hg|мм рт)|\bBP:? (\d{2,3})/(\d{2,3})(?![\d/])")
MALE, FEMALE = listed("he his him himself man boy male"), listed("she her hers herself woman girl female")
OF_WOMEN = re.compile(r"\b(?:pregnan|uter[uio]|ovar[yi]|menopaus)\w*", re.IGNORECASE)
OF_MEN = re.compile(r"\b(?:prostat|testis|testes|testic)\w*", re.IGNORECASE)
PREGNANT = re.compile(r"\b(?:is|now|currently|weeks) pregnant\b|\bweeks of pregnancy\b")
ONE_PATIENT = ("mcqa", "radiology", "age_sex", "rationale", "diagnosis", "seer", "outcome", "nli", "nli_generation")
AGE = re.compile(
    r"\bage:?\s*(\d{1,3})\b|(\d{1,3})[- ]years?[- ]old|\baged (\d{1,3})\b|(\d{1,3})\s*(?:岁|歳|ans\b|años\b|лет\b)"
    r"|\b(?:wo)?man of (\d{1,3})\b",
    re.IGNORECASE,
)


def limits(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 10: every value with a known name and unit lies within its hard limits.

    A temperature without unit above 50 is read as Fahrenheit. PaO2 may be that on oxygen, so up to 600 mmHg.
    """
    found = []
    for case in cases:
        text = text_of(case)
        for name, value, unit, low, high in _values(text):
            if not low <= value <= high:
                found.append(f"{at(task, case)}: {name} {value:g} {unit} is outside {low:g}-{high:g}; correct it.")
        for m in re.finditer(rf"temp\w*\s*:\s*{N}\s*$", text, re.IGNORECASE | re.MULTILINE):
            value = float(m.group(1).replace(",", "."))
            low, high = (82, 110) if value > 50 else (28, 43)
            if not low <= value <= high:
                found.append(f"{at(task, case)}: temperature {value:g} is outside {low}-{high}; correct it.")
    return found


def _values(text: str) -> Iterator[tuple[str, float, str, float, float]]:
    for name, units in LIMITS:
        for unit, (low, high) in units.items():
            after = rf"\s*(?:{unit})" if unit else r"(?![\d/%])"
            for m in re.finditer(rf"({name}){GAP}(?<![\d.,/]){N}{after}", text, re.IGNORECASE):
                yield m.group(1), float(m.group(2).replace(",", ".")), unit.split("|")[0], low, high


def agreement(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 10: pressures, haematocrit, acid-base, anion gap, counts over time and nodes agree with each other.

    Where a text holds several values of one name, one combination must agree.
    """
    found = []
    for case in cases:
        text = text_of(case)
        for m in PRESSURE.finditer(text):
            high, low = (int(g) for g in m.groups() if g)
            if not (low + 10 <= high and 40 <= high <= 300 and 20 <= low <= 200):
                found.append(f"{at(task, case)}: blood pressure {high}/{low} cannot be; correct it.")
        found += [f"{at(task, case)}: {complaint}; correct one." for complaint in (*_blood(text), *_counts(text))]
    return found


def _numbers(name: str, text: str, unit: str = "") -> list[float]:
    hits = re.finditer(rf"(?:{name}){GAP}(?<![\d.,/]){N}(?:\s*(?:{unit}))", text, re.IGNORECASE)
    return [float(m.group(1).replace(",", ".")) for m in hits]


def _blood(text: str) -> Iterator[str]:
    haematocrit, hb = _numbers(r"h(?:a?e)matocrit|\bHct\b", text, "%"), _numbers(r"ha?emoglobin|Hb", text, "g/dL")
    if haematocrit and hb and not any(abs(h - 3 * b) <= 4 for h in haematocrit for b in hb):
        yield f"haematocrit {haematocrit[0]:g} % is not three times haemoglobin {hb[0]:g} g/dL"
    ph, co2 = _numbers(r"(?-i:\bpH\b)", text), _numbers("PaCO2", text, "mm ?Hg")
    hco3, na, cl = (_numbers(n, text, "mEq/L|mmol/L") for n in ("HCO3|bicarbonate", r"sodium|(?-i:\bNa\b)", "chloride"))
    together = list(itertools.product(ph, co2, hco3))
    if together and not any(abs(p - 6.1 - math.log10(b / (0.03 * c))) <= 0.05 for p, c, b in together):
        yield f"pH {ph[0]:g}, PaCO2 {co2[0]:g} and bicarbonate {hco3[0]:g} break the Henderson-Hasselbalch equation"
    gaps = [n - c - b for n, c, b in itertools.product(na, cl, hco3)]
    if gaps and not any(0 <= g <= 45 for g in gaps):
        yield f"the anion gap is {gaps[0]:g}, outside 0-45"


def _counts(text: str) -> Iterator[str]:
    by_name: dict[str, dict[int, int]] = {}
    for m in re.finditer(r"^([^:\n]*?)(30|90|365)([^:\n\d]*):\s*(\d+)\s*$", text, re.MULTILINE):
        by_name.setdefault(m.group(1) + m.group(3), {})[int(m.group(2))] = int(m.group(4))
    for name, counts in by_name.items():
        values = [counts[days] for days in sorted(counts)]
        if values != sorted(values):
            yield f"counts of '{name.strip(' _')}' fall with a longer window ({values})"
    examined = re.search(r"examined\D{0,20}(\d+)", text, re.IGNORECASE)
    positive = re.search(r"(?:nodes?\b[^\n:]*positive|examined[^\n]*positive)\D{0,20}(\d+)", text, re.IGNORECASE)
    if examined and positive and int(positive.group(1)) > int(examined.group(1)):
        yield f"{positive.group(1)} positive nodes of {examined.group(1)} examined"


def sex(cases: Sequence[Case], task: Task) -> list[str]:
    """Rule 11: one sex in the text, and its organs; pregnancy at 12-55 years. English cases about one patient.

    A whole sentence that names a relative or another person is left out, and so are the options: a distractor may
    fit another patient. Denied pregnancy is no pregnancy.
    """
    if kind(task) not in ONE_PATIENT or task.language != "en":
        return []
    found = []
    for case in cases:
        own = " \n".join(s for s in sentences(text_of(case, options=False)) if not set(words(s)) & RELATIVES)
        said = set(words(own)) | {f"sex-{m.lower()}" for m in re.findall(r"(?:sex|gender):\s*(M|F)\b", own, re.I)}
        male, female = bool(said & {*MALE, "sex-m"}), bool(said & {*FEMALE, "sex-f"})
        if male and female:
            found.append(f"{at(task, case)}: the patient is both male and female; keep one sex.")
        if male and not female and (m := OF_WOMEN.search(own)):
            found.append(f"{at(task, case)}: '{m.group()}' in a male patient; change sex or finding.")
        if female and not male and (m := OF_MEN.search(own)):
            found.append(f"{at(task, case)}: '{m.group()}' in a female patient; change sex or finding.")
        carrying = any(not negated_before(own, m.start()) for m in PREGNANT.finditer(own))
        if carrying and any(not 12 <= age <= 55 for age in ages_of(own)[:1]):
            found.append(f"{at(task, case)}: pregnant at {ages_of(own)[0]}; change the age.")
    return found


def ages_of(text: str) -> list[int]:
    """The ages in years that a text states."""
    return [int(next(g for g in m.groups() if g)) for m in AGE.finditer(text)]


PER_TASK = (limits, agreement, sex)
