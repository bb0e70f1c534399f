"""The README's picture: a shipped case, two made-up models behind a real HTTP server, and two of the real baselines."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FloatRect, expect

from tests.browser.conftest import serving
from tests.browser.pages import ComparePage
from tests.http_provider import HttpProvider, Plan

pytestmark = pytest.mark.browser
PICTURE = Path(__file__).parents[2] / "assets" / "screenshot-compare.png"
LARCH = """The diagnosis result is Scombroid food poisoning.

- **The fish:** a peppery taste that nobody had added; histamine in spoiled tuna
- **The table:** all three who ate it turned red within the hour
- **The signs:** flushing, headache, a racing heart; no swelling, no wheeze
"""
MAPLE = (
    "The diagnosis result is Anaphylaxis. Flushing and itching half an hour after a meal come from an allergy to "
    "something eaten."
)


@pytest.mark.skipif(not os.environ.get("PLAYGROUND_SCREENSHOT"), reason="PLAYGROUND_SCREENSHOT=1 renews the README's")
def test_the_readme_s_screenshot(browser: Browser, tmp_path: Path) -> None:
    with HttpProvider() as provider:
        provider.script("larch", Plan(LARCH, tokens_per_second=40))
        provider.script("maple", Plan(MAPLE, tokens_per_second=25))
        at = {"base_url": provider.openai_url, "max_retries": 0}
        listed = [
            {"model": "compatible/larch", "label": "Larch 8B", "note": "vLLM on this machine", "options": at},
            {"model": "compatible/maple", "label": "Maple 70B", "options": at, "sends_to": "Maple Cloud",
             "price": {"input": 2.0, "output": 10.0, "date": "2026-11-24"}},
            {"model": "baseline/nearest", "label": "Nearest case", "baseline": True,
             "note": "Baseline: the answer of the most similar other case"},
            {"model": "baseline/majority", "label": "Most frequent answer", "baseline": True,
             "note": "Baseline: the commonest answer of the other cases"},
        ]  # fmt: skip
        with serving(tmp_path, listed) as url:
            context = browser.new_context(viewport={"width": 1280, "height": 1000}, color_scheme="light")
            compare = ComparePage(context.new_page(), url)
            compare.open()
            compare.choose_task("Diagnosis", case="Flushed face after lunch")
            compare.choose_models("Larch 8B", "Maple 70B", "Nearest case", "Most frequent answer")
            compare.run()
            compare.wait_done("ABCD")
            page = compare.page
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            page.mouse.move(0, 0)
            expect(page.locator(".cp-best").first).to_be_visible()
            box = page.locator(".cp-scores .cp-caveat").bounding_box()
            assert box
            size: FloatRect = {"x": 0, "y": 0, "width": 1280, "height": box["y"] + box["height"] + 8}
            page.screenshot(path=PICTURE, full_page=True, clip=size)
            context.close()
    assert PICTURE.stat().st_size < 400_000
