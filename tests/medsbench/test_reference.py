"""Every official score against a plain implementation of its rule, on thousands of generated answers."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from playground.medsbench import submission
from playground.medsbench.board import COLUMNS
from playground.medsbench.results import score_files
from playground.medsbench.tally import tally
from playground.scorers import official_labels as labels
from playground.scorers import official_text as text
from tests.medsbench import plain

TRAINED = text.tokeniser("en") == "nltk-punkt_tab-en"
MARKS = [".", "..", " . ", ",", ", ", "\n", "  ", "\t", '"', "'", "(", ")", "-", "3.5", "B.", "%"]
WORDS = {
    "en": ["the", "The", "answer", "is", "B", "no", "pain", "doesn't", "5mg", "e.g.", "vs.", "Hepatitis", "ECG"],
    "fr": ["l'œdème", "n'est", "pas", "fièvre", "La", "réponse", "B", "«", "»", "aujourd'hui", "M."],
    "ru": ["боль", "не", "Ответ", "это", "лихорадка", "т.е.", "В", "«", "»", "ёж"],
    "es": ["¿", "¡", "dolor", "no", "La", "niño", "fiebre", "Sr.", "opción", "B"],
    "zh": ["选择", "B", "的", "原因", "是", "高热", "和", "咽痛", "。", "，", "不", "患者", "CT"],
    "ja": ["頸静脈", "の", "怒張", "は", "右心不全", "で", "みられる", "。", "、", "ない", "B", "が"],
}
LABELS = [
    "yes", "no", "maybe", "true", "false", "True", "FALSE", "0", "1", "2", "entailment", "Neutral", "Contradiction",
    "stable angina", "Unstable angina", "Anemia", "Radiation after surgery", "not found", "A", "b:", "C. x", "D", "E",
    "The right answer is", "the right answer is", "The diagnosis result is", "The treatment planning is:", "untrue",
    "[[18.0, 'year']]", "Gender: F", "known", "I do not know", "（B）", "**B**", "İ", "ß",
]  # fmt: skip
ANSWERS = st.lists(st.sampled_from([*LABELS, *MARKS]), max_size=6).map(" ".join) | st.lists(
    st.sampled_from([*LABELS, *MARKS]), max_size=6
).map("".join)
ENTITIES = st.lists(
    st.sampled_from(["aspirin", "Aspirin", "iron", "vitamin B12", "1,2-diol", "a, b", "x"]), max_size=5
).map(lambda found: ", ".join(found) + ".") | st.sampled_from(
    ["There is no related enetity.", "There is no related entity.", "- iron", "iron;zinc", ".", "  ", "iron", "nan", ""]
)
HALLMARK_TEXTS = st.lists(
    st.sampled_from([*plain.HALLMARKS, *(h.upper() for h in plain.HALLMARKS[:3]), "tumour promoting inflammation"]),
    max_size=5,
).map("; ".join)  # fmt: skip
many = settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def sayings(language: str) -> st.SearchStrategy[str]:
    glue = "" if language in ("zh", "ja") else " "
    return st.lists(st.sampled_from([*WORDS[language], *MARKS]), max_size=25).map(glue.join)


@pytest.mark.parametrize("language", sorted(WORDS))
def test_bleu_1_is_nltk_s_in_every_language(language: str) -> None:
    smooth = SmoothingFunction().method1

    @settings(many, max_examples=400)
    @given(said=sayings(language), gold=sayings(language))
    def check(said: str, gold: str) -> None:
        hypothesis, reference = (plain.plain_tokens(t, language, trained=TRAINED) for t in (said, gold))
        theirs = sentence_bleu([reference], hypothesis, weights=(1, 0, 0, 0), smoothing_function=smooth)
        found = text.bleu1(said, gold, language)
        assert isinstance(theirs, int | float)
        assert found == pytest.approx(float(theirs), abs=1e-9)
        assert found == pytest.approx(plain.plain_bleu1(hypothesis, reference), abs=1e-9)

    check()


@pytest.mark.parametrize("language", sorted(WORDS))
def test_rouge_l_is_the_plain_table_s_in_every_language(language: str) -> None:
    @settings(many, max_examples=400)
    @given(said=sayings(language), gold=sayings(language))
    def check(said: str, gold: str) -> None:
        assert text.rouge_l(said, gold, language) == pytest.approx(plain.plain_rouge_l(said, gold, language), abs=1e-9)

    check()


CLOSED: Sequence[tuple[str, Callable[[str, str], int], Callable[[str, str], int]]] = (
    ("MCQA", lambda s, g: labels.mcqa("task57", s, g), lambda s, g: plain.plain_mcqa("task57", s, g)),
    ("PubMedQA", lambda s, g: labels.mcqa("task123", s, g), lambda s, g: plain.plain_mcqa("task123", s, g)),
    ("extraction", labels.extraction, plain.plain_extraction),
    ("diagnosis", labels.diagnosis, lambda s, g: plain.plain_frame(s, g, "The diagnosis result is")),
    ("treatment", labels.treatment, lambda s, g: plain.plain_frame(s, g, "The treatment planning is:")),
    ("outcome", labels.outcome, plain.plain_outcome),
    ("fact", labels.fact, plain.plain_fact),
    ("nli", labels.nli, lambda s, g: plain.plain_frame(s.strip(), g, "\0")),
)


@pytest.mark.parametrize(("ours", "theirs"), [c[1:] for c in CLOSED], ids=[c[0] for c in CLOSED])
def test_closed_answers_score_as_their_plain_rule(
    ours: Callable[[str, str], int], theirs: Callable[[str, str], int]
) -> None:
    @many
    @given(said=ANSWERS, gold=ANSWERS | st.sampled_from(LABELS))
    def check(said: str, gold: str) -> None:
        assert ours(said, gold) == theirs(said, gold)

    check()


@many
@given(rows=st.lists(st.tuples(ENTITIES, ENTITIES.filter(lambda e: e not in plain.MISSING)), min_size=1, max_size=6))
def test_entities_are_micro_f1_over_the_set(rows: list[tuple[str, str]]) -> None:
    found = tally(("task125", gold, output) for output, gold in rows)["task125"]
    (column,) = (c for c in COLUMNS if c.tasks == ("task125",))
    assert found.values(column)["f1"] == pytest.approx(plain.plain_ner(rows), abs=1e-9)


@many
@given(rows=st.lists(st.tuples(HALLMARK_TEXTS, HALLMARK_TEXTS.filter(bool)), min_size=1, max_size=8))
def test_hallmarks_are_macro_over_all_ten(rows: list[tuple[str, str]]) -> None:
    found = tally(("task106", gold, output) for output, gold in rows)["task106"]
    (column,) = (c for c in COLUMNS if c.tasks == ("task106",))
    assert tuple(found.values(column).values()) == pytest.approx(plain.plain_hallmarks(rows), abs=1e-9)


GOLDS = {
    "Multiple-choice QA": "The right answer is B: x", "Text summarisation": "no change", "Rationale": "no change",
    "Information extraction": "not found", "Concept explanation": "no change", "Named entity recognition": "iron.",
    "Diagnosis": "Anemia.", "Treatment planning": "Radiation after surgery", "Clinical outcome prediction": "True",
    "Text classification": "Resisting cell death", "Fact verification": "no", "Natural language inference": "neutral",
}  # fmt: skip


def test_every_official_task_is_scored_and_a_right_answer_is_right(tmp_path: Path) -> None:
    golds = {task: GOLDS[c.category] for c in COLUMNS for task in c.tasks} | {"task123": "yes"}
    rows = [(task, gold, gold) for task, gold in golds.items()]
    assert len(rows) == sum(len(c.tasks) for c in COLUMNS) == 53, "the paper counts 52; its scripts name 53 ids"
    path = tmp_path / "official_m.csv"
    pd.DataFrame([(t, "i", g, o) for t, g, o in rows], columns=["task_id", "input", "GT", "output"]).to_csv(
        path, index=False
    )
    found = score_files([path], workers=1)["m"].tasks()
    assert found.keys() == {task for task, _, _ in rows}
    for task, figures in found.items():
        values = {k: v for k, v in figures.items() if k not in ("n", "unscored")}
        full = 10.0 if task == "task106" else 100.0  # one of ten labels
        assert all(v == pytest.approx(full, abs=1e-5) for v in values.values()), (task, values)
        assert (figures["n"], figures["unscored"]) == (1, 0)


TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30)
CELLS = TEXTS | st.lists(st.sampled_from([",", '"', "\n", "\r", "\r\n", "a b", "'", "=", "; ", "。", "", " "])).map(
    "".join
)


@settings(max_examples=400, deadline=None)
@given(
    answers=st.lists(
        st.tuples(st.sampled_from(["task46", "task57", "task125", "task130", "task12"]), CELLS), max_size=5
    )
)
def test_a_submission_is_read_back_cell_by_cell_and_scores_the_same(
    tmp_path_factory: pytest.TempPathFactory, answers: list[tuple[str, str]]
) -> None:
    rows = [(task, "no change, B.\r\nx", said) for task, said in [*answers, ("task46", "no change")]]
    path = tmp_path_factory.mktemp("back") / "run_m.csv"
    run = [
        {"model": "m", "official": t, "input": f"{t}\r{o}", "reference": g, "text": o, "error": None}
        for t, g, o in rows
    ]
    submission.write(run, path, models=1, include_restricted=False)
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert [tuple(r) for r in frame[["task_id", "GT", "output"]].itertuples(index=False)] == rows
    back, direct = score_files([path], workers=1)["m"].tallies, tally(rows)
    assert back.keys() == direct.keys()
    for task, part in back.items():
        assert (part.n, part.unscored, part.hits) == (direct[task].n, direct[task].unscored, direct[task].hits)
        assert math.isclose(sum(part.sums.values()), sum(direct[task].sums.values()), abs_tol=1e-12)
