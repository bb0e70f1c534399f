"""The official MedS-Bench scorers of closed answers, every quirk kept; plain strings in, numbers out.

From MAGIC-AI4Med/MedS-Ins, `Metrics/*.py`, commit 185cfc0. Our own, stricter scorers stand beside them in other files.
"""

from collections.abc import Sequence

NER_NULL = "there is no related enetity"  # spelt as the official code spells it
HALLMARKS = (
    "sustaining proliferative signaling", "evading growth suppressors", "resisting cell death",
    "enabling replicative immortality", "inducing angiogenesis", "activating invasion and metastasis",
    "genomic instability and mutation", "tumor promoting inflammation", "cellular energetics",
    "avoiding immune destruction",
)  # fmt: skip
YES_NO_TASK = "task123"  # PubMedQA: only the first letter, y or n


def mcqa(task_id: str, output: str, gold: str) -> int:
    """1 if the first letters are equal and among a-d (y/n for PubMedQA). An empty output crashes there: 0 here."""
    said, right = _after_prefix(output), _after_prefix(gold)
    if not said or not right:
        return 0
    allowed = "yn" if task_id == YES_NO_TASK else "abcd"
    return int(said[0] in allowed and right[0] in allowed and said[0] == right[0])


def _after_prefix(text: str) -> str:
    return text.lower().replace("the right answer is", "").strip()


def extraction(output: str, gold: str) -> int:
    """1 if the gold stands anywhere in the output, after lower-casing and removing quotes and newlines."""
    return int(_bare(gold) in _bare(output))


def _bare(text: str) -> str:
    return text.lower().strip().replace('"', "").replace("'", "").replace("\n", "")


def ner_entities(text: str) -> frozenset[str]:
    """The official set: periods out, lower case, the last character dropped, split at ", "."""
    plain = text.replace(".", "").strip().lower()
    return frozenset() if plain == NER_NULL else frozenset(plain[:-1].split(", "))


def ner(output: str, gold: str) -> tuple[int, int, int]:
    """(true positives, false positives, false negatives) of one row."""
    said, right = ner_entities(output), ner_entities(gold)
    return len(said & right), len(said - right), len(right - said)


def f1_of(tp: int, fp: int, fn: int) -> tuple[float, float, float]:
    """Micro precision, recall and F1 in 0..1; 0 where a denominator is 0."""
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def diagnosis(output: str, gold: str) -> int:
    """1 if the label stands anywhere in the output; negation and lists of labels pass."""
    return int(gold.replace(".", "").replace("The diagnosis result is", "").strip().lower() in output.lower())


def treatment(output: str, gold: str) -> int:
    """1 if the label stands anywhere in the output."""
    return int(gold.replace(".", "").replace("The treatment planning is:", "").strip().lower() in output.lower())


def outcome(output: str, gold: str) -> int:
    """1 if the output holds `true` and not `false`, or the reverse, as the gold says."""
    said, right = output.lower().strip(), gold.lower().strip()
    if right == "true":
        return int("true" in said and "false" not in said)
    return int("false" in said and "true" not in said) if right == "false" else 0


def hallmarks(text: str) -> frozenset[str]:
    """The labels whose full string stands in the text."""
    lower = text.lower().strip()
    return frozenset(label for label in HALLMARKS if label in lower)


def macro_prf(pairs: Sequence[tuple[frozenset[str], frozenset[str]]]) -> tuple[float, float, float]:
    """Macro precision, recall, F1 in 0..1 over (said, gold) sets of a whole test set; labels without support are 0.

    As scikit-learn's `average="macro", zero_division=0` over the fixed ten labels.
    """
    sums = [0.0, 0.0, 0.0]
    for label in HALLMARKS:
        tp = sum(label in said and label in gold for said, gold in pairs)
        fp = sum(label in said and label not in gold for said, gold in pairs)
        fn = sum(label not in said and label in gold for said, gold in pairs)
        sums = [a + b for a, b in zip(sums, f1_of(tp, fp, fn), strict=True)]
    return sums[0] / len(HALLMARKS), sums[1] / len(HALLMARKS), sums[2] / len(HALLMARKS)


def fact(output: str, gold: str) -> int:
    """1 if the gold stands in the first line of the output."""
    return int(gold.replace(".", "").strip().lower() in output.split("\n")[0].strip().lower())


def nli(output: str, gold: str) -> int:
    """1 if the gold stands anywhere in the output."""
    return int(gold.replace(".", "").strip().lower() in output.lower().strip())


def justification_reference(gold: str) -> str:
    """EBMS: the gold is lower-cased without periods."""
    return gold.replace(".", "").strip().lower()


def justification_output(output: str) -> str:
    """EBMS: the output is lower-cased, its periods stay."""
    return output.strip().lower()
