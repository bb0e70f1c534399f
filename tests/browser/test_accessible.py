"""axe-core finds nothing on any state of the page, light and dark, wide and narrow."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server
from tests.browser.pages import ComparePage
from tests.browser.test_main_job import NLI, TASK
from tests.http_provider import Plan

pytestmark = pytest.mark.browser
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


def check(page: Page, state: str) -> None:
    found = Axe().run(page, options=RULES)
    said = [f"{state}: {v['id']}: {v['nodes'][0]['html'][:200]}" for v in found.response["violations"]]
    assert said == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_every_state_of_the_page(
    browser: Browser, server: Server, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 850},
        color_scheme=scheme,
        reduced_motion="reduce",
        bypass_csp=True,
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    compare = ComparePage(page, server.url)
    compare.open()
    check(page, "idle")
    page.locator(".cp-crumb").click()
    expect(page.locator(".cp-cases label").first).to_be_visible()
    check(page, "picker")
    page.locator(".cp-crumb").click()
    compare.choose_task(NLI, TASK)
    page.get_by_role("tab", name="Prompt as sent").click()
    check(page, "prompt")
    page.get_by_role("tab", name="Your own case").click()
    check(page, "own case")
    page.locator("#cp-settings button").first.click()
    check(page, "settings")
    page.get_by_role("tab", name="Case", exact=True).click()
    server.models.script("zebrafinch-9", Plan("word " * 300, tokens_per_second=40))
    server.models.script("quokka-large", Plan(status=500))
    compare.choose_models("Zebrafinch Nine", "Wombat Echo", "Quokka Large")
    compare.run()
    expect(compare.body("A")).to_contain_text("word word")
    check(page, "streaming")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".cp-after")).to_be_visible()
    page.locator("#cp-reference").check()
    check(page, "done")
    compare.press("a 1 Enter")
    check(page, "incomplete")
    page.get_by_role("button", name="Keyboard help").click()
    check(page, "help")
    server.models.script("zebrafinch-9")
    server.models.script("quokka-large")
    context.close()
