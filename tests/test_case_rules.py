"""Each rule over cases finds the defect planted into good made-up cases, and nothing in the good ones."""

import pytest

from playground.task import Case, Reading
from tests import case_rules as rules
from tests import case_texts as texts
from tests import case_values as values
from tests.samples import LABELS, task

NOTES = "The definition excludes the nearest rival here; the fact is in Harrison, 2022."
STATEMENTS = (
    ("A man of 54 had fever of 39.4 °C, a heart rate of 124/min and pain on passing urine.", "He was tachycardic."),
    ("Pressure fell to 82/44 mmHg after dialysis, and two litres of saline were needed overnight.", "He was infected."),
    ("Sodium was 128 mEq/L in a woman of 71 taking a thiazide; she felt well at her visit.", "Sodium was normal."),
    ("The left breast was removed ten years ago for cancer, and every yearly scan since is clear.", "She had surgery."),
    ("Her knee has been stiff each morning for a month, and the joint is warm and swollen.", "She has no gout."),
    ("His voice has been hoarse since removal of the thyroid gland three weeks ago in the clinic.", "He kept it all."),
)  # fmt: skip


def made(name, target, inputs, **changes):
    fields = {"task": "pairs", "title": f"Case {name}", "difficulty": "easy", "topic": name, "notes": NOTES}
    return Case(**{
        "id": name, "target": tuple(target), "inputs": inputs, "source": "synthetic", "licence": "CC0-1.0",
        **fields, **changes,
    })  # fmt: skip


def pairs(*changes):
    """Six good cases of premise and statement; `changes`: (number, changed fields)."""
    cases = [
        made(f"p{i}", [label], {"premise": p, "statement": s})
        for i, ((p, s), label) in enumerate(zip(STATEMENTS, ("entailment", "neutral", "contradiction", "entailment",
                                                             "neutral", "contradiction"), strict=True))
    ]  # fmt: skip
    for number, fields in changes:
        cases[number] = cases[number].model_copy(update=fields)
    return cases


def nli(**changes):
    return task(**{"medsbench": ("task41",), **changes})


def other(number, text=None, target=None, statement="He was seen."):
    fields = {} if target is None else {"target": tuple(target)}
    return (number, {**fields, **({"inputs": {"premise": text, "statement": statement}} if text else {})})


@pytest.mark.parametrize("rule", [*rules.PER_TASK, *values.PER_TASK, *texts.PER_TASK])
def test_good_pairs_give_no_complaint(rule):
    assert rule(pairs(), nli()) == []


READ = Reading(brief="physician", reader="a model", date="2026-11", answer="neutral", confidence=3)
LONG = " ".join(f"and the {w} was seen again" for w in ("abdomen", "bowel", "chest", "elbow", "femur", "hand", "iris"))
DEFECTS = [
    (rules.schema, (0, {"notes": ""}), "p0: add notes"),
    (rules.schema, (1, {"topic": "P0"}), "topic 'p0' stands 2 times"),
    (rules.schema, (2, {"licence": "MIT"}), "p2: source must be synthetic"),
    (rules.schema, (2, {"title": "T" * 61}), "p2: title has 61"),
    (rules.schema, (3, {"notes": "Because."}), "p3: notes must say why"),
    (rules.schema, (3, {"readings": (READ,)}), "p3: readings need both briefs"),
    (rules.coverage, other(0, target=["neutral"]), "'entailment' stands 1 times; give 2"),
    (rules.coverage, other(0, target=["maybe"]), "p0: 'maybe' is no label"),
    (values.limits, other(0, "His temperature was 47.2 °C on arrival."), "temperature 47.2 °C is outside 28-43"),
    (values.limits, other(0, "Potassium rose to 12.1 mEq/L."), "Potassium 12.1 mEq/L is outside 1.5-9.5"),
    (values.limits, other(0, "triage_temperature: 178.2\nacuity: 2"), "temperature 178.2 is outside"),
    (values.agreement, other(0, "Blood pressure was 84/80 mmHg."), "blood pressure 84/80 cannot be"),
    (values.agreement, other(0, "Hematocrit was 45 %, hemoglobin 8.0 g/dL."), "haematocrit 45 % is not three times"),
    (values.agreement, other(0, "pH 7.10, PaCO2 40 mmHg, HCO3 24 mEq/L."), "break the Henderson-Hasselbalch"),
    (values.agreement, other(0, "Sodium 140, chloride 130 and HCO3 24; sodium 140 mEq/L, chloride 130 mEq/L, HCO3 "
                             "24 mEq/L."), "the anion gap is -14"),
    (values.agreement, other(0, "n_ed_30d: 3\nn_ed_90d: 2\nn_ed_365d: 4"), "counts of 'n_ed_d' fall"),
    (values.agreement, other(0, "Nodes examined: 4, positive: 6"), "6 positive nodes of 4 examined"),
    (values.sex, other(0, "A man of 54 said that she was well."), "p0: the patient is both male and female"),
    (values.sex, other(0, "A man of 54 had an ovarian cyst."), "'ovarian' in a male patient"),
    (values.sex, other(0, "A woman of 54 had a large prostate.", statement="She was seen."), "'prostate' in a female"),
    (values.sex, other(0, "A woman of 67 is pregnant.", statement="She was seen."), "pregnant at 67"),
    (texts.duplicates, other(1, STATEMENTS[0][0], statement="He has sepsis."), "p0 and p1"),
    (texts.giveaway, other(0, "By entailment, he was well."), "'entailment' in the input gives the answer away"),
    (texts.giveaway, other(5, STATEMENTS[5][0], statement="He never had it."), "2 of 2 contradictions hold"),
    (texts.giveaway, other(4, STATEMENTS[4][0], statement="She has gout."), "negations stand in contradictions only"),
    (texts.sizes, other(0, "He was well.", statement="He was not at all ill."), "p0: premise has 3 words"),
    (texts.language, other(0, "Le patient est venu avec une toux et de la fièvre, et il est traité par des comprimés."),
     "p0: does not read as 'en'"),
    (texts.readability, other(0, f"He came {LONG} {LONG}."), "p0: a sentence has"),
    (texts.identity, other(0, "He was seen on 3 March by the team."), "'3 March' looks like a calendar date"),
    (texts.identity, other(0, "He was seen by Dr. Smith for cough."), "'Dr. Smith' looks like a title"),
    (texts.identity, other(0, "He can be reached at 555-123-4567."), "looks like a telephone number"),
    (texts.identity, other(0, "He read about it at www.example.org last week."), "looks like an address on the web"),
    (texts.identity, other(0, "He was seen with MRN 48213 for cough."), "looks like a record number"),
    (texts.identity, other(0, "A 93-year-old man was well."), "p0: age 93 is over 89"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "defect", "words"), DEFECTS, ids=lambda v: v if isinstance(v, str) else None)
def test_a_defect_planted_in_good_pairs_is_found_alone(rule, defect, words):
    complaints = rule(pairs(defect), nli())
    assert len(complaints) == 1, complaints
    assert words in complaints[0]


QUESTIONS = (
    "A 34-year-old woman tires when she climbs stairs. Her nails are brittle and her tongue is smooth. She bleeds "
    "heavily for eight days each month and eats little meat. Ferritin is low and red cells are small and pale. "
    "Which supplement treats the cause of her complaint best?",
    "A 61-year-old man wakes with a hot and swollen big toe after a feast. He drinks beer each evening and takes a "
    "thiazide. Fluid from the joint shows needle crystals that are bright under polarised light, and no bacteria "
    "grow. Which substance forms the crystals seen in the fluid of this joint?",
    "A boy of 9 returns from a camp with a ring-shaped rash that has grown to twelve centimetres over six days. He "
    "recalls a small dark bite behind the knee. He feels well and his joints move freely. Which animal is the most "
    "probable source of the illness in this child?",
    "After a long flight a woman of 45 has a painful swollen left calf. She takes an oestrogen pill. Ultrasound shows "
    "a vein that cannot be pressed flat. Her breathing is easy and her oxygen is normal. Which class of drug should "
    "be started for her today in the clinic?",
)
OPTIONS = (
    "A: Oral iron\tB: Folic acid\tC: Cobalamin\tD: Vitamin C", "A: Cholesterol\tB: Urate salt\tC: Oxalate\tD: Cystine",
    "A: Flea\tB: Louse\tC: Tick\tD: Mite", "A: Antibiotic\tB: Diuretic\tC: Antiemetic\tD: Anticoagulant",
)  # fmt: skip
KEYS = ("A: Oral iron", "B: Urate salt", "C: Tick", "D: Anticoagulant")


def mcqa_task(**changes):
    return task(**{
        "id": "board", "category": "Multiple-choice QA", "medsbench": ("task57",), "labels": (), "order": 1,
        "prompt": "$question\n\n$options", "inputs": ("question", "options"), "answer": "The right answer is $target",
        "scorers": ("medsbench_mcqa", "choice"), **changes,
    })  # fmt: skip


def questions(number=0, stem=None, options=None, key=None):
    """Four good questions; one of them with another stem, options or key."""
    cases = []
    for i, (s, o, k) in enumerate(zip(QUESTIONS, OPTIONS, KEYS, strict=True)):
        own = (stem or s, options or o, key or k) if i == number else (s, o, k)
        cases.append(made(f"q{i}", [own[2]], {"question": own[0], "options": own[1]}, task="board"))
    return cases


@pytest.mark.parametrize("rule", [*rules.PER_TASK, *values.PER_TASK, *texts.PER_TASK])
def test_good_questions_give_no_complaint(rule):
    assert rule(questions(), mcqa_task()) == []


CHOICE_DEFECTS = [
    (rules.self_score, {"key": "C: Urate salt and more", "options": "A: Oral iron\tB: Folic acid"}, "gets 0.00"),
    (rules.option_lengths, {"options": "A: Oral iron\tB: Folic acid by injection\tC: Zinc\tD: Copper"}, "q0: options"),
    (rules.wording, {"options": "A: Red meat supplement\tB: Folic acid\tC: Zinc\tD: Copper"}, "'supplement' is in"),
    (rules.wording, {"options": "A: Oral iron\tB: Always rest\tC: Zinc\tD: Copper"}, "an option says 'always'"),
    (rules.wording, {"stem": QUESTIONS[0] + " All fit except one."}, "the stem asks for an exception"),
    (rules.wording, {"options": "A: 40 mg\tB: 20 mg\tC: 60 mg\tD: 80 mg", "key": "A: 40 mg"}, "ascending order"),
    (texts.giveaway, {"stem": QUESTIONS[0] + " She had oral iron."}, "'Oral iron' in the input gives"),
    (texts.sizes, {"options": "A: Oral iron\tB: One two three four five six seven eight nine ten eleven"}, "option B"),
    (texts.tokens, {"stem": QUESTIONS[0] * 30}, "shorten cases"),
]


@pytest.mark.parametrize(("rule", "change", "words"), CHOICE_DEFECTS)
def test_a_defect_planted_in_a_good_question_is_found_alone(rule, change, words):
    complaints = rule(questions(**change), mcqa_task())
    if rule is texts.tokens:  # the long stem is a demonstration of the others too
        assert any(words in c for c in complaints)
        return
    assert len(complaints) == 1, complaints
    assert words in complaints[0]


def test_a_key_that_is_always_a_is_found_in_a_task_and_over_all():
    same = [c.model_copy(update={"target": ("A: " + c.target[0][3:],)}) for c in questions() * 2]
    assert rules.positions(same, mcqa_task()) == ["board: A is the key 8 times of 8; move some."]
    found = rules.pooled_positions([(mcqa_task(), same * 3)])
    assert found[0] == "over all tasks: A is the key in 100% of 24 cases; bring it to 15-35 %."
    assert len(found) == 4
    assert rules.pooled_positions([(mcqa_task(), questions() * 6)]) == []
    assert "the first option is right in 100%" in rules.trivial_answers([(mcqa_task(), same * 3)])[0]


def test_a_key_that_is_mostly_longest_or_shortest_is_found():
    long = questions(
        0, options="A: Oral iron daily\tB: Folic acid\tC: Cobalamin\tD: Vitamin C", key="A: Oral iron daily"
    )
    short = questions(1, options="A: Cholesterol\tB: Urate\tC: Oxalate\tD: Cystine", key="B: Urate")[1:3]
    assert rules.key_lengths([(mcqa_task(), short * 6)]) == [
        "over all tasks: the key is shortest in 6 of 12: " + ", ".join(["board/q1"] * 6) + "."
    ]
    found = rules.key_lengths([(mcqa_task(), long[:1] * 12)])
    assert len(found) == 1
    assert "the key is longest in 12 of 12" in found[0]
    assert rules.key_lengths([(mcqa_task(), questions()[1:2] * 12)]) == []


def test_a_constant_label_or_a_telling_statement_is_found():
    lopsided = pairs(*[(i, {"target": ("neutral",)}) for i in range(5)])
    assert rules.trivial_answers([(nli(), lopsided)]) == [
        "pairs: always 'neutral' is right in 5 of 6; change some cases."
    ]
    telling = [made(str(i), [LABELS[i % 3]], {"premise": "x", "statement": f"It is kind {i % 3}."}) for i in range(12)]
    assert rules.trivial_answers([(nli(), telling)]) == [
        "pairs: the likest statement gives the label in 12 of 12; vary statements."
    ]
    assert rules.trivial_answers([(nli(), pairs())]) == []


def test_a_topic_in_four_tasks_of_one_language_is_found():
    groups = [
        (nli(id=f"t{i}"), [made("c", ["neutral"], {"premise": "x", "statement": "y"}, topic="Gout")]) for i in "abcd"
    ]
    assert rules.topics(groups[:3]) == []
    assert rules.topics(groups) == ["topic 'gout' stands in ta/c, tb/c, tc/c, td/c; change some."]


def ner_task(**changes):
    return task(**{
        "medsbench": ("task127",), "category": "Named entity recognition", "labels": (), "target": "set",
        "prompt": "$sentence", "inputs": ("sentence",), "scorers": ("medsbench_ner", "entities"), "answer": "$target.",
        "empty": "There is no related enetity.", **changes,
    })  # fmt: skip


SENTENCE = "Patients with chronic kidney disease or gout had fewer kidney stones than those with heart failure."


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (["gout", "kidney stones"], ""),
        (["gouty"], "'gouty' does not stand in the input"),
        (["kidney stone"], "'kidney stone' does not stand in the input"),
        (["kidney stones", "gout"], "put the targets in the order"),
        (["chronic kidney disease", "kidney disease"], "'kidney disease' stands inside another target"),
        (["gout", "gout"], "a target stands twice"),
    ],
)
def test_an_entity_that_is_not_verbatim_in_order_and_alone_is_found(target, words):
    found = rules.spans([made("n", target, {"sentence": SENTENCE})], ner_task())
    assert (not found) if not words else (len(found) == 1 and words in found[0]), found


def test_a_span_with_a_comma_or_a_dose_inside_a_number_is_found():
    commas = [made("n", ["gout, stones"], {"sentence": "They had gout, stones and fever."})]
    assert rules.spans(commas, ner_task()) == [
        "pairs/n: 'gout, stones' holds a comma and a space; choose a span without."
    ]
    doses = [made("n", ["5 mg"], {"sentence": "Warfarin 5 mg was given, then 25 mg of the other drug."})]
    found = rules.spans(doses, ner_task(medsbench=("task29",), target="alternatives"))
    assert found == ["pairs/n: '5 mg' stands inside another number or word; change one of them."]


def test_a_wrong_label_that_a_scorer_accepts_is_found():
    risky = task(category="Diagnosis", labels=("stable angina", "unstable angina"), scorers=("medsbench_diagnosis",))
    found = rules.self_score([made("d", ["stable angina"], {"premise": "x", "statement": "y"})], risky)
    assert found == [
        "pairs/d: the wrong answer 'unstable angina' gets 1.00 from medsbench_diagnosis; choose another target."
    ]


def test_every_named_exception_of_full_marks_is_needed():
    french = mcqa_task(language="fr", answer="Les bonnes réponses est $target")
    letter_e = questions(options="A: Zinc\tB: Iron\tC: Gold\tD: Lead\tE: Tin", key="E: Tin")[:1]
    for of, cases in ((french, questions()[:1]), (mcqa_task(), letter_e)):
        assert rules.self_score(cases, of) == []
        assert rules.never_full("medsbench_mcqa", cases[0], of)
        assert not rules.never_full("choice", cases[0], of)


FINDINGS = "Small left effusion. No pneumothorax. A nodule of 8 mm lies in the left upper lobe and the heart is normal."


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        ("Small left effusion and an 8 mm nodule. No pneumothorax.", ""),
        ("Small left effusion and a 9 mm nodule.", "number 9 of the reference is not in the input"),
        ("Small right effusion.", "'right' of the reference is not in the input"),
        ("Left effusion with pneumothorax.", "'pneumothora' of the reference is denied in the input"),
        ("Left effusion and fracture.", "'fracture' of the reference is not in the input"),
    ],
)
def test_what_a_summary_adds_is_found(summary, words):
    chest = task(medsbench=("task112",), category="Text summarisation", labels=())
    found = rules.grounding([made("r", [summary], {"findings": FINDINGS})], chest)
    assert (not found) if not words else (len(found) == 1 and words in found[0]), found


def test_a_near_duplicate_that_is_shown_as_a_demonstration_is_found():
    near = pairs(other(1, STATEMENTS[0][0], statement="He has sepsis."))
    assert any("p1: its demonstration p0 is" in c for c in texts.shown(near, nli()))
    alike = pairs(*[(i, {"target": ("neutral",)}) for i in range(6)])
    assert texts.shown(alike, nli())
    assert all("shows 'neutral' three times" in c for c in texts.shown(alike, nli()))


def test_a_record_with_a_row_missing_is_found():
    rows = "\n".join(f"field_{i}: {i}" for i in range(63))
    outcome = task(medsbench=("task117",), labels=("True", "False"))
    assert texts.sizes([made("o", ["True"], {"record": rows})], outcome) == ["pairs/o: 63 rows; give 64."]
    assert texts.sizes([made("o", ["True"], {"record": rows + "\nlast: 1"})], outcome) == []
    seer, interview = task(medsbench=("task131",)), task(medsbench=("task130",))
    assert "4 fields" in texts.sizes([made("s", ["x"], {"r": "Age: 4; Sex: F; Size: 3 mm; Year: 2"})], seer)[0]
    assert "1 questions" in texts.sizes([made("s", ["x"], {"r": "Age: 4; Sex: F; Cough? Yes"})], interview)[0]


def test_another_language_is_found_in_each_script():
    for language, good, bad in (
        ("ru", "У женщины сильная боль в груди.", "She has severe chest pain."),
        ("zh", "患者胸痛三小时。", "患者は胸が痛いです。"),
        ("ja", "患者は胸が痛いです。", "患者胸痛三小时。"),
    ):
        of = mcqa_task(language=language)
        assert texts.language([made("l", ["x"], {"question": good * 3})], of) == []
        assert len(texts.language([made("l", ["x"], {"question": bad * 3})], of)) == 1


def test_a_patient_question_that_reads_like_a_paper_is_found():
    asks = task(medsbench=("task114",), category="Text summarisation", labels=())
    plain = (
        "My doctor started a new medicine for my blood pressure last week, and now both of my ankles are swollen every "
        "evening. Could this be caused by the tablets?"
    )
    hard = "Pharmacological antihypertensive administration precipitated considerable bilateral peripheral oedema."
    assert texts.readability([made("q", ["x"], {"message": plain})], asks) == []
    assert "reads at grade" in texts.readability([made("q", ["x"], {"message": hard})], asks)[0]
