"""The official MedS-Bench text scores of one case: BLEU-1 and ROUGE-L against one reference."""

from functools import partial

from playground.scorer import Scorer
from playground.scorers import official_text as official
from playground.scorers.build import Question, Verdict, scorer
from playground.scorers.official import SOURCE

BY_CATEGORY: dict[str, official.Script] = {
    "Concept explanation": "explanation",
    "Rationale": "rationale",
    "Natural language inference": "generation",
}
CAVEAT = "Overlap of words with one reference is not quality: a true answer in other words scores low."
BLEU = "Capital letters count; Spanish, French and Russian are cut by the English rules, as the official code does."
ROUGE = "Capital letters count, repetition does not, commas stay glued to words; equal texts give just below 1."
JUSTIFIED = "The reference loses its periods, the answer keeps them: an identical sentence cannot reach 1."
SCRIPTS = "TextSummarization.py, ConceptExplanation.py, Rationale.py, NatureLanguageInference.py"


def _overlap(metric: str, script: official.Script | None, text: str, question: Question) -> Verdict:
    task = question.task
    chosen = script or BY_CATEGORY.get(task.category, "summarisation")
    marks = official.overlap(chosen, text, question.reference, task.language)
    cut = marks.tokens if metric == "BLEU-1" or task.language in ("zh", "ja") else ""
    if marks.crash or marks.skipped:
        return Verdict(value=0.0, why=f"Counted as 0: {marks.crash or marks.skipped}.", variant=cut)
    value = marks.bleu1 if metric == "BLEU-1" else marks.rouge_l
    why = f"{metric} against the one reference{f', words cut by {cut}' if cut else ''}."
    return Verdict(value=value, why=why, variant=cut)


def _pair(prefix: str, script: official.Script | None, files: str, extra: str) -> tuple[Scorer, Scorer]:
    bleu, rouge = SOURCE.format(files) + "; BLEU: Papineni 2002", SOURCE.format(files) + "; ROUGE: Lin 2004"
    return (
        scorer(
            f"{prefix}_bleu1", partial(_overlap, "BLEU-1", script), title="MedS-Bench BLEU-1", kind="official",
            caveat=f"{CAVEAT} {extra or BLEU}",
            source=f"{bleu} (sentence BLEU-1 with brevity penalty, NLTK method1)",
        ),
        scorer(
            f"{prefix}_rouge_l", partial(_overlap, "ROUGE-L", script), title="MedS-Bench ROUGE-L", kind="official",
            caveat=f"{CAVEAT} {extra or ROUGE}", source=f"{rouge} (summary-level F of the package rouge 1.0.1)",
        ),
    )  # fmt: skip


SCORERS: tuple[Scorer, ...] = (
    *_pair("medsbench", None, SCRIPTS, ""),
    *_pair("medsbench_justification", "justification", "FactVerification.py", JUSTIFIED),
)
