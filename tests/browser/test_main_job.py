"""The main job: a task, a case, models side by side, scores, a rating that stays."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from playground.store import Store
from tests.browser.conftest import ANSWER, Server
from tests.browser.pages import ComparePage
from tests.http_provider import Plan

pytestmark = pytest.mark.browser
NLI, TASK = "Natural language inference", "Test only, sentence pairs"
RATE_ALL = "4 3 5 5 4 4 1 1"  # correctness, completeness, clarity, harm; each for A and B


def test_answers_stream_side_by_side_and_a_blind_rating_by_keyboard_stays(compare: ComparePage, server: Server) -> None:
    page = compare.page
    compare.choose_task(NLI, TASK)
    compare.choose_models("Zebrafinch Nine", "Wombat Echo")
    server.models.script("zebrafinch-9", Plan(ANSWER, tokens_per_second=10))
    compare.run()
    expect(compare.state("A")).to_have_text("Answering")
    seen = set()
    while compare.state("A").inner_text() == "Answering":
        seen.add(len(compare.body("A").inner_text()))
        page.wait_for_timeout(50)
    assert len(seen) > 3, "the answer came in pieces"
    compare.wait_done()
    expect(compare.body("A").locator("strong")).to_have_text("entailment")
    expect(page.locator(".cp-scores tbody tr")).to_have_count(2)

    compare.blind()
    compare.run()
    expect(page.locator(".cp-noteslot")).to_contain_text("All answers appear together")
    compare.wait_done()
    expect(page.locator(".cp-sealed")).to_contain_text("Names, scores, times and costs come after your rating")
    expect(page.locator(".cp-scores")).to_be_hidden()
    compare.press("b " + RATE_ALL)
    expect(page.locator(".cp-missing")).to_be_empty()
    compare.press("Enter")
    expect(compare.saved).to_have_text(re.compile(r"Saved \d\d:\d\d:\d\d, rating r-\d+"))
    expect(page.locator(".cp-reveal")).to_contain_text("Zebrafinch Nine")
    said = compare.saved.inner_text()

    page.reload()
    expect(compare.saved).to_have_text(said)
    expect(page.get_by_label("B is better")).to_be_checked()
    store = Store.open(server.database)
    try:
        (rating,) = [r for r in store.ratings() if f"r-{r.number}" in said]
        run = store.comparison(rating.comparison)
        assert run is not None
        assert run.blinded
        assert {r.model for r in run.responses} == {"openai/zebrafinch-9", "fake/wombat"}
        assert rating.answers["preference"] == "B"
        assert rating.answers["correctness.A"] == "4"
        assert rating.answers["harm.B"] == "none"
        assert rating.shown == ("A", "B")
    finally:
        store.close()
    assert not compare.errors


def test_a_failed_side_says_so_and_can_be_tried_again_alone(compare: ComparePage, server: Server) -> None:
    server.models.script("zebrafinch-9", Plan(status=500), Plan("entailment"))
    compare.choose_task(NLI, TASK)
    compare.choose_models("Zebrafinch Nine", "Wombat Echo")
    compare.run()
    expect(compare.state("A")).to_have_text("Failed")
    expect(compare.state("B")).to_have_text("Done")
    expect(compare.body("A")).to_contain_text("not scored and cannot be rated")
    expect(compare.page.locator(".cp-scores")).to_contain_text("Failed: not scored, left out of every average.")
    asked = len(server.models.asked())
    compare.side("A").get_by_role("button", name="Try side A again").click()
    compare.wait_done()
    expect(compare.body("A")).to_have_text("entailment")
    assert len(server.models.asked()) == asked + 1
    server.models.script("zebrafinch-9")


def test_stop_ends_the_requests_and_keeps_what_came(compare: ComparePage, server: Server) -> None:
    server.models.script("zebrafinch-9", Plan("word " * 500, tokens_per_second=20))
    compare.choose_task(NLI, TASK)
    compare.choose_models("Zebrafinch Nine", "Wombat Echo")
    compare.run()
    expect(compare.body("A")).to_contain_text("word word")
    compare.press("Escape")
    expect(compare.state("A")).to_have_text("Stopped")
    expect(compare.body("A")).to_contain_text("word word")
    server.models.wait(lambda: server.models.asked("zebrafinch-9")[-1].closed_by_client)
    expect(compare.page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    expect(compare.page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    server.models.script("zebrafinch-9")


def test_closing_the_tab_closes_the_provider_s_request_within_a_second(compare: ComparePage, server: Server) -> None:
    server.models.script("quokka-large", Plan("word " * 2000, tokens_per_second=20))
    compare.choose_task(NLI, TASK)
    compare.choose_models("Quokka Large", "Wombat Echo")
    compare.run()
    expect(compare.body("A")).to_contain_text("word word")
    compare.page.close()
    server.models.wait(lambda: server.models.asked("quokka-large")[-1].closed_by_client, timeout=1.5)
    server.models.script("quokka-large")


def test_the_same_model_twice_at_two_temperatures(compare: ComparePage, server: Server) -> None:
    compare.choose_task(NLI, TASK)
    compare.choose_models("Zebrafinch Nine")
    compare.page.get_by_role("button", name="Add again with another temperature").click()
    expect(compare.page.locator(".cp-count")).to_have_text("2 of 4 chosen")
    compare.run()
    compare.wait_done()
    sent = [a.body["temperature"] for a in server.models.asked("zebrafinch-9")[-2:]]
    assert sorted(sent) == [0.0, 0.7]


def test_adding_a_model_again_keeps_what_was_chosen_since(compare: ComparePage, server: Server) -> None:
    compare.choose_task(NLI, TASK)
    compare.choose_models("Zebrafinch Nine", "Wombat Echo", "Quokka Large")  # the button was drawn with the first
    row = compare.page.locator(".cp-model", has_text="Zebrafinch Nine")
    row.get_by_role("button", name="Add again with another temperature").click()
    expect(compare.page.locator(".cp-count")).to_have_text("4 of 4 chosen")
    compare.page.locator(".cp-model", has_text="Quokka Large").locator("input[type=checkbox]").uncheck()
    row.get_by_role("button", name="Take the second Zebrafinch Nine out").click()
    expect(compare.page.locator(".cp-count")).to_have_text("2 of 4 chosen")
    row.get_by_role("button", name="Add again with another temperature").click()
    row.get_by_label("Once more at temperature").fill("0.3")
    compare.page.locator(".cp-model", has_text="Quokka Large").locator("input[type=checkbox]").check()
    expect(compare.page.locator(".cp-count")).to_have_text("4 of 4 chosen")
    compare.run()
    compare.wait_done("ABCD")
    sent = [a.body["temperature"] for a in server.models.asked("zebrafinch-9")[-2:]]
    assert sorted(sent) == [0.0, 0.3]


def test_a_pasted_case_asks_before_it_leaves_the_machine(compare: ComparePage, server: Server) -> None:
    page = compare.page
    compare.choose_task(NLI, TASK)
    page.get_by_role("tab", name="Your own case").click()
    page.get_by_role("textbox", name="Premise").fill("A woman of 40 coughs.")
    page.get_by_role("textbox", name="Statement").fill("She coughs.")
    expect(page.get_by_label("Run this text instead of the example")).to_be_checked()
    compare.choose_models("Zebrafinch Nine", "Wombat Echo")
    before = len(server.models.asked("zebrafinch-9"))
    compare.run()
    expect(page.locator(".cp-noteslot")).to_contain_text("This text would leave the machine")
    assert len(server.models.asked("zebrafinch-9")) == before
    expect(page.get_by_role("button", name="Send to Zebra House")).to_be_in_viewport()
    page.get_by_role("button", name="Send to Zebra House").click()
    compare.wait_done()
    assert "A woman of 40 coughs." in json.dumps(server.models.asked("zebrafinch-9")[-1].body)
    expect(page.locator(".cp-scores tbody tr").first).to_contain_text("no reference")


def test_a_rating_survives_a_lost_connection(compare: ComparePage, server: Server) -> None:
    page = compare.page
    compare.choose_task(NLI, TASK)
    compare.choose_models("Wombat Echo", "Quokka Large")
    compare.run()
    compare.wait_done()
    page.context.set_offline(True)
    compare.press("a " + RATE_ALL + " Enter")
    expect(compare.saved).to_contain_text("No connection. Trying again in")
    page.context.set_offline(False)
    expect(compare.saved).to_contain_text("Saved", timeout=20_000)
    number = int(compare.saved.inner_text().rpartition("r-")[2])
    compare.press("Enter Enter")
    page.wait_for_timeout(500)
    store = Store.open(server.database)
    try:
        (mine,) = [r for r in store.ratings() if r.number == number]
        assert len(store.ratings(comparison=mine.comparison)) == 1
    finally:
        store.close()


def test_a_draft_comes_back_after_a_reload(compare: ComparePage) -> None:
    page = compare.page
    compare.choose_task(NLI, TASK)
    compare.choose_models("Wombat Echo", "Quokka Large")
    compare.run()
    compare.wait_done()
    compare.press("b 2")
    expect(compare.saved).to_contain_text("Draft kept")
    page.reload()
    expect(compare.saved).to_have_text("Draft restored")
    expect(page.get_by_label("B is better")).to_be_checked()
    compare.press("Enter")
    expect(compare.saved).to_have_text(re.compile(r"Not saved: \d items are missing"))


def test_single_keys_can_be_switched_off(compare: ComparePage) -> None:
    page = compare.page
    first = page.locator(".cp-chosen").inner_text()
    compare.press("]")
    expect(page.locator(".cp-chosen")).not_to_have_text(first)
    compare.press("?")
    page.get_by_label("Single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    second = page.locator(".cp-chosen").inner_text()
    compare.press("[")
    page.wait_for_timeout(400)
    assert page.locator(".cp-chosen").inner_text() == second


def test_words_that_cannot_be_run_say_what_to_change(compare: ComparePage) -> None:
    page = compare.page
    compare.choose_models("Wombat Echo")
    compare.run()
    expect(page.locator(".cp-noteslot")).to_contain_text("Choose two to four models; 1 chosen.")
    compare.choose_models("Wombat Echo", "Quokka Large")
    page.locator("#cp-settings button").first.click()
    page.get_by_label("Temperature", exact=True).fill("9")
    compare.run()
    expect(page.locator(".cp-noteslot")).to_contain_text("temperature must be a number from 0 to 2.")


def test_settings_are_told_while_they_are_folded(compare: ComparePage) -> None:
    page = compare.page
    folded = page.locator("#cp-settings button").first
    expect(folded).to_contain_text("Settings: temperature 0, no examples")
    folded.click()
    page.get_by_label("Temperature", exact=True).fill("0.7")
    page.locator('#cp-shots input[value="2"]').check()
    expect(folded).to_contain_text("Settings: temperature 0.7, 2 examples, seed 0")


def test_what_is_missing_is_a_list_of_links(compare: ComparePage) -> None:
    page = compare.page
    compare.choose_task(NLI, TASK)
    compare.choose_models("Wombat Echo", "Quokka Large")
    compare.run()
    compare.wait_done()
    expect(page.locator(".cp-missing")).to_be_empty()
    compare.press("Enter")
    expect(compare.saved).to_have_text("Not saved: 9 items are missing")
    expect(page.get_by_label("A is better")).to_be_focused()
    page.locator(".cp-missing").get_by_role("button", name="Correctness of A").click()
    expect(page.locator('input[name="correctness.A"]').first).to_be_focused()


def test_four_sides_fit_at_1280_and_nothing_scrolls_sideways_on_a_phone(compare: ComparePage, page: Page) -> None:
    compare.choose_task(NLI, TASK)
    compare.choose_models("Zebrafinch Nine", "Quokka Large", "Wombat Echo", "Axolotl Hostile")
    compare.run()
    compare.wait_done("ABCD")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 850})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="C", exact=True).click()
    expect(page.locator('.cp-tabs [data-tab="C"]')).to_have_attribute("aria-pressed", "true")
