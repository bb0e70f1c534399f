"""The official MedS-Bench scores of one case, for every task but text overlap: the row functions with their words."""

from collections.abc import Callable
from functools import partial

from playground.scorer import Scorer
from playground.scorers import official_labels as official
from playground.scorers.build import Question, Verdict, scorer
from playground.scorers.official import SOURCE, Marks

RowFunction = Callable[[str, str], Marks]
SHOWN = 120  # characters of an answer shown as what was parsed


def _verdict(marks: Marks, answer: str, right: str, wrong: str) -> Verdict:
    if marks.crash:
        return Verdict(value=0.0, answer=answer, why=f"Counted as 0: {marks.crash}.")
    return Verdict(value=marks.value, answer=answer, why=right if marks.value else wrong)


def _mcqa(text: str, question: Question) -> Verdict:
    marks = official.mcqa(question.official, text, question.reference)
    given, wanted = official.first_letter(text), official.first_letter(question.reference)
    seen = f"The first character after 'The right answer is' is '{given}'"
    allowed = "y, n" if question.official == official.YES_NO_TASK else "a, b, c, d"
    wrong = f"{seen}; the reference has '{wanted}', and only equal ones of {allowed} count."
    return _verdict(marks, given.upper(), f"{seen}, as in the reference.", wrong)


def _inside(function: RowFunction, where: str, text: str, question: Question) -> Verdict:
    marks = function(text, question.reference)
    right, wrong = f"The reference occurs in {where}.", f"The reference does not occur in {where}."
    shown = text.strip().split("\n")[0] if function is official.fact else " ".join(text.split())
    return _verdict(marks, shown[:SHOWN], right, wrong)


def _outcome(text: str, question: Question) -> Verdict:
    found = [word for word in ("true", "false") if word in text.lower()]
    said = " and ".join(found) or "neither true nor false"
    marks = official.outcome(text, question.reference)
    return _verdict(marks, said, f"Only '{said}' occurs, as in the reference.", f"The answer holds {said}.")


def _ner(text: str, question: Question) -> Verdict:
    counts = official.ner_counts(text, question.reference)
    if not (counts.tp or counts.fp or counts.fn):
        return Verdict(value=1.0, answer="no entity", why="Exactly the official null answer, as in the reference.")
    why = f"{counts.tp} matched, {counts.fp} too many, {counts.fn} missed; the list's last letter is cut off first."
    return Verdict(value=official.f1([counts]), answer=" ".join(text.split())[:SHOWN], why=why)


def _classification(text: str, question: Question) -> Verdict:
    found = ", ".join(official.classification(text)) or "no label"
    return Verdict(value=None, answer=found, why="Macro-F1 over ten labels makes no sense for one case; see the set.")


ANYWHERE = "Counts a label anywhere in the answer: listing every option, or negating the right one, passes."


def _official(name: str, judge: Callable[[str, Question], Verdict], title: str, script: str, caveat: str) -> Scorer:
    per_case = name != "medsbench_classification"
    return scorer(
        name, judge, title=title, kind="official", caveat=caveat, source=SOURCE.format(script), per_case=per_case
    )


SCORERS: tuple[Scorer, ...] = (
    _official(
        "medsbench_mcqa", _mcqa, "MedS-Bench accuracy", "MCQA.py",
        "Looks at one character: '**B**', '(B)', option E, 'maybe' and every non-English answer score 0, and "
        "'Based on ...' counts as B.",
    ),
    _official(
        "medsbench_extraction", partial(_inside, official.extraction, "the answer"), "MedS-Bench accuracy",
        "InformationExtraction.py",
        "Counts the reference anywhere in the answer: '5 mg' is found in '25 mg', another order of a list is wrong.",
    ),
    _official(
        "medsbench_ner", _ner, "MedS-Bench F1", "NamedEntityRecognition.py",
        "The official rule cuts off the last letter of the list, so order matters; the paper gives micro-F1 over a set.",
    ),
    _official(
        "medsbench_diagnosis", partial(_inside, official.diagnosis, "the answer"), "MedS-Bench accuracy",
        "Diagnosis.py", f"{ANYWHERE} 'Unstable angina' passes for stable angina.",
    ),
    _official(
        "medsbench_treatment", partial(_inside, official.treatment, "the answer"), "MedS-Bench accuracy",
        "TreatmentPlanning.py", ANYWHERE,
    ),
    _official(
        "medsbench_outcome", _outcome, "MedS-Bench accuracy", "ClinicalOutcomePrediction.py",
        "Needs true without false or the reverse; 'untrue' counts as true, and yes or no score 0.",
    ),
    _official(
        "medsbench_classification", _classification, "MedS-Bench macro-F1", "TextClassification.py",
        "Macro-F1 over ten labels: a label that never occurs counts as 0, so a few cases cannot reach 1.",
    ),
    _official(
        "medsbench_fact", partial(_inside, official.fact, "the first line"), "MedS-Bench accuracy",
        "FactVerification.py",
        "Reads the first line only; 'I do not know' passes for no, and 2 is found inside any number with a 2.",
    ),
    _official(
        "medsbench_nli", partial(_inside, official.nli, "the answer"), "MedS-Bench accuracy",
        "NatureLanguageInference.py", f"{ANYWHERE} 'Neutral, not entailment' passes for entailment.",
    ),
)  # fmt: skip
