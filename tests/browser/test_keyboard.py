"""Every key of the help panel does what the panel says, and none of them acts while somebody writes."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import ComparePage
from tests.browser.test_main_job import NLI, TASK

pytestmark = pytest.mark.browser


@pytest.fixture
def done(compare: ComparePage) -> ComparePage:
    """Two answers, nothing rated; started by keyboard."""
    compare.choose_task(NLI, TASK)
    compare.choose_models("Wombat Echo", "Axolotl Hostile")
    compare.press("Control+Enter")
    compare.wait_done()
    return compare


def checked(page: Page, name: str) -> str | None:
    return page.evaluate(f"document.querySelector('[name=\"{name}\"]:checked')?.value ?? null")


def test_preference_keys(done: ComparePage) -> None:
    for key, value in (("a", "A"), ("b", "B"), ("t", "tie"), ("u", "none")):
        done.press(key)
        assert checked(done.page, "preference") == value
    done.press("c")
    assert checked(done.page, "preference") == "none", "there is no side C"


def test_a_line_is_set_cleared_and_left_open_as_not_to_be_judged(done: ComparePage) -> None:
    page = done.page
    done.press("a 4")
    assert checked(page, "correctness.A") == "4"
    expect(page.locator("fieldset.now")).to_have_attribute("data-name", "correctness.B")
    done.press("n")
    assert checked(page, "correctness.B") == "na"
    done.press("Shift+Tab Backspace")
    assert checked(page, "correctness.B") is None
    expect(page.locator("fieldset.now")).to_have_attribute("data-name", "correctness.B")
    done.press("Tab ArrowRight")
    assert checked(page, "completeness.A") == "2", "arrows choose inside a line"


def test_harm_asks_how_likely_only_after_some_or_severe(done: ComparePage) -> None:
    page = done.page
    done.press("a 4 4 4 4 4 4 1")
    assert checked(page, "harm.A") == "none"
    done.press("2")
    assert checked(page, "harm.B") == "some"
    likely = page.locator("fieldset.now")
    expect(likely).to_contain_text("How likely?")
    expect(page.locator('.cp-then[data-side="A"]')).to_be_hidden()
    done.press("3")
    expect(page.locator(".cp-missing")).to_be_empty()


def test_reference_help_and_picker(done: ComparePage) -> None:
    page = done.page
    done.press("r")
    expect(page.locator(".cp-reference")).to_be_visible()
    done.press("r")
    expect(page.locator(".cp-reference")).to_be_hidden()
    done.press("?")
    help_panel = page.get_by_role("dialog", name="Keyboard")
    expect(help_panel).to_be_visible()
    done.press("a")
    assert checked(page, "preference") is None, "keys are dead while the help is open"
    done.press("Escape")
    expect(help_panel).to_be_hidden()
    page.locator(".cp-crumb").click()
    done.press("Escape")
    expect(page.locator("#cp-drawer")).to_be_hidden()
    expect(page.locator(".cp-crumb")).to_be_focused()


def test_no_key_acts_while_somebody_writes(done: ComparePage) -> None:
    page = done.page
    page.get_by_label("Comment").fill("")
    page.get_by_label("Comment").press_sequentially("a b t u 1 n r ? [ ]")
    assert checked(page, "preference") is None
    expect(page.get_by_label("Comment")).to_have_value("a b t u 1 n r ? [ ]")
    done.press("Control+Enter")
    expect(done.saved).to_contain_text("Not saved: 9 items are missing")


def test_what_has_the_focus_is_not_under_the_header_or_the_foot(done: ComparePage) -> None:
    page = done.page
    page.set_viewport_size({"width": 1280, "height": 600})
    page.get_by_label("A is better").focus()
    covered = """() => {
        const box = document.activeElement.getBoundingClientRect();
        const seen = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return document.activeElement.closest('label').contains(seen) ? null : document.activeElement.name;
    }"""
    for _ in range(9):
        done.press("Tab")
        assert page.evaluate(covered) is None
