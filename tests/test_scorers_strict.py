"""The stricter scorers: what a careful reader would count as right, and nothing else."""

from typing import Any

import pytest

from playground.scorers import scorer_named
from playground.task import Case, Task

OPTIONS = "What is it?\nA: Gout\tB: Pericarditis\tC: Angina\tD: Reflux\t"
HALLMARKS = ("resisting cell death", "inducing angiogenesis", "tumor promoting inflammation")


def value(scorer: str, said: str, *target: str, labels: tuple[str, ...] = (), **changes: Any) -> float | None:
    task = Task.model_validate(
        {"id": "t", "category": "Diagnosis", "title": "t", "instruction": "i", "prompt": "$x", "inputs": ("x",)}
        | {"scorers": (scorer,), "max_tokens": 9, "labels": labels, **changes}
    )
    case = Case(
        id="c", task="t", inputs={"x": OPTIONS, "options": OPTIONS}, target=target, source="s", licence="CC0-1.0"
    )
    return scorer_named(scorer).score(said, case, task).value


@pytest.mark.parametrize(
    "said",
    [
        "**B**", "(B)", "B", "B.", "The answer is: B", "The right answer is B: Pericarditis", "Answer: B",
        "正确答案是 B", "La respuesta correcta es: B",
        "Based on the pain, the answer is B.", "It is Pericarditis.", "Not A. The answer is B.",
        "正解はＢです。", "答えはAではなくBです。", "不是A，而是B。", "Не A, а B.",
    ],
)  # fmt: skip
def test_a_claimed_letter_is_found_in_every_form(said: str) -> None:
    assert value("choice", said, "B: Pericarditis") == 1


@pytest.mark.parametrize(
    "said",
    [
        "", "The answer is C.", "The answer is not B.", "A: Gout\tB: Pericarditis\tC: Angina\tD: Reflux", "A or B",
        "B or C", "Either B or C.", "Gout, Pericarditis, Angina or Reflux.", "Because it hurts.",
        "答えはBではなくCです。", "The right answer is B: Angina",
    ],
)  # fmt: skip
def test_another_no_or_several_letters_are_wrong(said: str) -> None:
    assert value("choice", said, "B: Pericarditis") == 0


def test_based_on_is_no_b_and_option_e_counts() -> None:
    assert value("choice", "Based on the findings, it is C", "B: Pericarditis") == 0
    assert value("choice", "The right answer is E", "E: None") == 0, "not among the case's options"
    other = "A: x\tB: y\tC: z\tD: u\tE: v\t"
    task = Task(
        id="t", category="Multiple-choice QA", title="t", instruction="i", prompt="$options", inputs=("options",),
        scorers=("choice",), max_tokens=9,
    )  # fmt: skip
    case = Case(id="c", task="t", inputs={"options": other}, target=("E: v",), source="s", licence="CC0-1.0")
    assert scorer_named("choice").score("The right answer is E", case, task).value == 1


ANGINA = ("stable angina", "unstable angina", "pneumonia", "bronchitis")


@pytest.mark.parametrize(
    ("said", "target", "expected"),
    [
        ("The diagnosis result is Stable angina.", "stable angina", 1),
        ("Unstable angina", "stable angina", 0),
        ("Stable angina", "unstable angina", 0),
        ("Unstable angina", "unstable angina", 1),
        ("This is not pneumonia", "pneumonia", 0),
        ("This is not pneumonia; bronchitis is more likely.", "pneumonia", 0),
        ("This is not pneumonia; it is bronchitis.", "bronchitis", 1),
        ("**Pneumonia**", "pneumonia", 1),
        (", ".join(ANGINA), "pneumonia", 0),
        ("", "pneumonia", 0),
        ("He needs sleep.", "pneumonia", 0),
    ],
)
def test_one_whole_asserted_label_is_asked_for(said: str, target: str, expected: float) -> None:
    assert value("label", said, target, labels=ANGINA) == expected


@pytest.mark.parametrize(
    ("said", "target", "expected"),
    [
        ("No.", "no", 1), ("I do not know", "no", 0), ("**No**", "no", 1), ("yes or no", "no", 0),
        ("The answer is: yes", "yes", 1), ("Reasoning first.\nyes", "yes", 1), ("", "no", 0),
    ],
)  # fmt: skip
def test_short_labels_are_words_not_letters(said: str, target: str, expected: float) -> None:
    assert value("label", said, target, labels=("yes", "no")) == expected


def test_accents_and_british_spelling_are_accepted() -> None:
    assert (
        value("label", "Guillain-Barre syndrome", "guillain-barré syndrome", labels=("guillain-barré syndrome", "gerd"))
        == 1
    )
    assert value("label_set", "Tumour-promoting inflammation", HALLMARKS[2], labels=HALLMARKS) == 1


def test_a_set_of_labels_is_scored_by_f1() -> None:
    both = HALLMARKS[:2]
    assert value("label_set", "1. Inducing angiogenesis\n2. Resisting cell death", *both, labels=HALLMARKS) == 1
    assert value("label_set", HALLMARKS[0], *both, labels=HALLMARKS) == pytest.approx(2 / 3)
    assert value("label_set", ", ".join(HALLMARKS), HALLMARKS[0], labels=HALLMARKS) == pytest.approx(0.5)
    assert value("label_set", "There is no inducing angiogenesis.", *both, labels=HALLMARKS) == 0


@pytest.mark.parametrize(
    "said", ["aspirin, warfarin.", "Warfarin and aspirin", "- warfarin\n- aspirin", "Drugs: aspirin, warfarin"]
)
def test_entities_are_a_set(said: str) -> None:
    assert value("entities", said, "aspirin", "warfarin") == 1


def test_an_entity_s_last_letter_counts_and_brackets_hold_together() -> None:
    assert value("entities", "dobutamina.", "dobutamine") == 0
    assert value("entities", "aspirin, warfarin, vitamin K.", "aspirin", "warfarin") == pytest.approx(0.8)
    assert value("entities", "poly(a, b), zinc", "poly(a, b)", "zinc") == 1


@pytest.mark.parametrize("said", ["There is no related entity.", "There is no related enetity.", "None", "**None**"])
def test_both_spellings_of_the_null_answer_are_right(said: str) -> None:
    assert value("entities", said) == 1
    assert value("entities", said, "aspirin") == 0


@pytest.mark.parametrize(
    ("said", "target", "expected"),
    [
        ("Gender: F Age: [[42, 'year']]", "Gender: F\n\nAge: [[42.0, 'year']]", 1),
        ("A woman, 42 years old", "Gender: F\n\nAge: [[42.0, 'year']]", 1),
        ("Gender: M\nAge: [[42.0, 'year']]", "Gender: F\n\nAge: [[42.0, 'year']]", 0.5),
        ("Sertraline, placebo", "placebo, sertraline", 1),
        ("The dose is 5 mg", "5 mg", 1),
        ("25 mg", "5 mg", 0),
        ("1200 mg and 5 mg", "5 mg", 0),
        ("5 mg daily for 10 days", "5 mg", 1),
        ("not found", "5 mg", 0),
        ("", "5 mg", 0),
    ],
)
def test_values_are_compared_not_strings(said: str, target: str, expected: float) -> None:
    assert value("extraction", said, target) == expected


@pytest.mark.parametrize(("said", "expected"), [("not found", 1), ("Not found.", 1), ("None", 1), ("12 patients", 0)])
def test_nothing_to_find_is_an_answer(said: str, expected: float) -> None:
    assert value("extraction", said, "not found") == expected


def test_token_f1_looks_past_order_case_and_punctuation() -> None:
    assert value("token_f1", "Change: NO!", "no change") == 1
    assert value("token_f1", "no no no no", "no change") == pytest.approx(1 / 3), "repetition costs"
    assert value("token_f1", "", "no change") == 0
    assert value("token_f1", "fine", "fine", "no change") == 1, "the best of the references counts"
    assert value("token_f1", "选择B。", "选择B", language="zh") == 1
    assert value("token_f1", "ブドウ球菌", "ブトウ球菌", language="ja") < 1, "a voiced kana is another letter"
    assert value("label", "Cafe", "café", labels=("café", "tea")) == 1, "an accent is not"
