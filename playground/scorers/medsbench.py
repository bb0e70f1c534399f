"""The official MedS-Bench scores of one answer, as `Scorer`s: a number here means what it means in the paper."""

from collections.abc import Callable

from playground.scorer import Score, Scorer
from playground.scorers import official_labels as labels
from playground.scorers import official_text as text_metrics
from playground.task import Case, Task

SOURCE = "Wu et al., npj Digital Medicine 2025, MedS-Bench; official Metrics/ code, commit 185cfc0"
SUBSTRING = "Counts as right when the reference stands anywhere in the answer: negations and lists of labels pass."
ONE_REFERENCE = "Overlap of words with one reference is not quality: a right answer in other words scores low."

ACCURACY = "Accuracy (MedS-Bench)"
Check = Callable[[str, str], int]


def _gold(case: Case, task: Task) -> str:
    return task.reference(case) or ""


def _yes_no(metric: str, check: Callable[[Task, str, str], int], parsed: Callable[[str], str]) -> Callable:
    def score(text: str, case: Case, task: Task) -> Score:
        gold = _gold(case, task)
        if not text.strip():
            return Score(metric=metric, value=0.0, explanation="The answer is empty.")
        right = check(task, text, gold)
        words = "The official rule finds the reference in the answer." if right else (
            "The official rule does not find the reference in the answer."
        )  # fmt: skip
        return Score(metric=metric, value=float(right), answer=parsed(text), explanation=words)

    return score


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:120]


def _mcqa(task: Task, text: str, gold: str) -> int:
    official = task.medsbench[0] if task.medsbench else ""
    return labels.mcqa(official, text, gold)


def _mcqa_letter(text: str) -> str:
    rest = text.lower().replace("the right answer is", "").strip()
    return rest[:1].upper()


def _ner(text: str, case: Case, task: Task) -> Score:
    if not text.strip():
        return Score(metric="medsbench_ner", value=0.0, explanation="The answer is empty.")
    tp, fp, fn = labels.ner(text, _gold(case, task))
    said = ", ".join(sorted(labels.ner_entities(text))) or "no entity"
    if tp + fp + fn == 0:
        return Score(metric="medsbench_ner", value=1.0, answer=said, explanation="Rightly no entity.")
    value = labels.f1_of(tp, fp, fn)[2]
    words = f"{tp} right, {fp} wrong, {fn} missed; the official code drops each list's last letter."
    return Score(metric="medsbench_ner", value=value, answer=said, explanation=words)


def _classification(text: str, case: Case, task: Task) -> Score:
    said = ", ".join(sorted(labels.hallmarks(text))) or "no label"
    words = "Macro-F1 over ten labels is a figure of a whole test set, not of one case."
    return Score(metric="medsbench_classification", value=None, answer=said, explanation=words)


def _overlap(metric: str, measure: Callable[[str, str, str], float], *, justification: bool = False) -> Callable:
    def score(text: str, case: Case, task: Task) -> Score:
        gold, said = _gold(case, task), text
        if task.category == "Rationale":  # of the official scripts only this one strips; ROUGE-L can tell
            gold, said = gold.strip(), said.strip()
        if justification:
            gold, said = labels.justification_reference(gold), labels.justification_output(said)
        if reason := text_metrics.crash_reason(said):
            words = f"The answer holds nothing to compare ({reason}); the official script would stop here."
            return Score(metric=metric, value=0.0, explanation=words)
        value = measure(said, gold, task.language)
        variant = text_metrics.tokeniser(task.language)
        words = f"{value:.0%} overlap of words with the reference."
        return Score(metric=metric, value=value, explanation=words, variant=variant)

    return score


def _official(id: str, title: str, score: Callable, caveat: str, *, per_case: bool = True) -> Scorer:
    return Scorer(
        id=id, title=title, kind="official", score=score, caveat=caveat, source=SOURCE, per_case=per_case
    )  # fmt: skip


def _found(metric: str, check: Check) -> Callable:
    return _yes_no(metric, lambda task, text, gold: check(text, gold), _first_line)


SCORERS: tuple[Scorer, ...] = (
    _official(
        "medsbench_mcqa", ACCURACY, _yes_no("medsbench_mcqa", _mcqa, _mcqa_letter),
        "Looks at the first letter after 'The right answer is': **B**, (B), option E and answers in other languages "
        "score 0; 'Based on ...' counts as B.",
    ),
    *(
        _official(name, ACCURACY, _found(name, check), SUBSTRING)
        for name, check in (
            ("medsbench_extraction", labels.extraction), ("medsbench_diagnosis", labels.diagnosis),
            ("medsbench_treatment", labels.treatment), ("medsbench_nli", labels.nli),
        )
    ),
    _official(
        "medsbench_outcome", ACCURACY, _found("medsbench_outcome", labels.outcome),
        "Needs the word true without false, or the reverse: Yes and No score 0.",
    ),
    _official(
        "medsbench_fact", ACCURACY, _found("medsbench_fact", labels.fact),
        "Looks for the label in the first line only, inside words and numbers too.",
    ),
    _official(
        "medsbench_ner", "F1 (MedS-Bench)", _ner,
        "Order and spelling of the list matter: the official code drops the last character of both lists.",
    ),
    _official(
        "medsbench_classification", "Macro-F1 (MedS-Bench)", _classification,
        "Macro-F1 over all ten hallmarks: shown for whole sets only.", per_case=False,
    ),
    _official("medsbench_bleu1", "BLEU-1", _overlap("medsbench_bleu1", text_metrics.bleu1), ONE_REFERENCE),
    _official("medsbench_rouge_l", "ROUGE-L F1", _overlap("medsbench_rouge_l", text_metrics.rouge_l), ONE_REFERENCE),
    _official(
        "medsbench_justification_bleu1", "BLEU-1",
        _overlap("medsbench_justification_bleu1", text_metrics.bleu1, justification=True), ONE_REFERENCE,
    ),
    _official(
        "medsbench_justification_rouge_l", "ROUGE-L F1",
        _overlap("medsbench_justification_rouge_l", text_metrics.rouge_l, justification=True), ONE_REFERENCE,
    ),
)  # fmt: skip
