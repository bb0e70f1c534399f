"""The Compare page as a person uses it, in words; knows where things are on it."""

from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect


class ComparePage:
    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self) -> None:
        self.page.goto(self.url)
        expect(self.page.locator(".cp-case").first).to_be_visible()

    def choose_task(self, category: str, task: str = "", case: str = "") -> None:
        crumb = self.page.locator(".cp-crumb")
        if crumb.get_attribute("aria-expanded") != "true":
            crumb.click()
        self.page.locator(".cp-grid label", has_text=category).first.click()
        chosen = self.page.locator(".cp-tasklist label", has_text=task)
        if task and chosen.is_visible():  # a category with one task shows no list
            chosen.click()
        listed = self.page.locator(".cp-cases label")
        expect(listed.first).to_be_visible()
        (listed.filter(has_text=case) if case else listed).first.click()
        expect(self.page.locator("#cp-drawer")).to_be_hidden()

    def choose_models(self, *labels: str) -> None:
        """Exactly these, in this order."""
        for box in self.page.locator(".cp-model:not(.off) input[type=checkbox]").all():
            box.set_checked(False)
        for label in labels:
            self.page.locator(".cp-model:not(.off) label", has_text=label).locator("input[type=checkbox]").check()

    def blind(self) -> None:
        self.page.get_by_label("Hide model names until I have rated").check()

    def run(self) -> None:
        self.page.get_by_role("button", name="Run", exact=True).click()

    def side(self, key: str) -> Locator:
        return self.page.locator(f'.cp-side[data-side="{key}"]')

    def state(self, key: str) -> Locator:
        return self.side(key).locator(".cp-state span")

    def body(self, key: str) -> Locator:
        return self.side(key).locator(".cp-body")

    def wait_done(self, sides: Sequence[str] = "AB") -> None:
        for key in sides:
            expect(self.state(key)).to_have_text("Done", timeout=20_000)
        expect(self.page.locator(".cp-after")).to_be_visible()

    @property
    def saved(self) -> Locator:
        return self.page.locator(".cp-saved")

    def press(self, keys: str) -> None:
        for key in keys.split():
            self.page.keyboard.press(key)
