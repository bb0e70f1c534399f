"""The prompt as MedS-Bench lays it out, and demonstrations that never give the case away."""

from adapters.base import Message
from playground.prompt import LEARN, build, demonstrations
from tests import samples

POOL = [samples.case(f"c{n}", ["neutral" if n % 2 else "entailment"]) for n in range(9)]


def test_without_demonstrations_the_case_stands_bare() -> None:
    prompt = build(samples.task(), POOL[0], POOL, shots=0, seed=0)
    text = samples.task().text(POOL[0])
    assert prompt.messages == (Message("system", samples.task().instruction), Message("user", text))


def test_demonstrations_come_first_then_the_definition_then_the_learn_sentence() -> None:
    task = samples.task()
    prompt = build(task, POOL[0], POOL, shots=2, seed=5)
    first, second = (next(c for c in POOL if c.id == name) for name in prompt.demonstrations)
    shown = [f"Input:\n{task.text(c)}\n\nOutput:\n{task.reference(c)}\n" for c in (first, second)]
    system = f"{shown[0]}\n\n{shown[1]}\n\n{task.instruction}{LEARN}"
    assert prompt.messages == (Message("system", system), Message("user", f"Input:\n{task.text(POOL[0])}\nOutput:"))


def test_a_seed_fixes_the_demonstrations_and_another_changes_them() -> None:
    drawn = [build(samples.task(), POOL[0], POOL, shots=3, seed=seed).demonstrations for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_the_case_itself_its_twin_and_cases_without_a_reference_are_never_shown() -> None:
    twin = samples.case("twin", inputs=POOL[0].inputs)
    unknown = samples.case("unknown", None)
    pool = [POOL[0], twin, unknown, POOL[1]]
    for seed in range(20):
        shown = demonstrations(samples.task(), POOL[0], pool, shots=3, seed=seed)
        assert [c.id for c in shown] == ["c1"]


def test_demonstrations_do_not_all_share_one_label_where_others_are_drawn() -> None:
    for seed in range(30):
        shown = demonstrations(samples.task(), POOL[0], POOL, shots=2, seed=seed)
        assert len({c.target for c in shown}) == 2


def test_the_hash_is_that_of_the_exact_messages() -> None:
    one = build(samples.task(), POOL[0], POOL, shots=1, seed=0)
    assert one.sha256 == build(samples.task(), POOL[0], POOL, shots=1, seed=0).sha256
    assert one.sha256 != build(samples.task(), POOL[0], POOL, shots=0, seed=0).sha256
