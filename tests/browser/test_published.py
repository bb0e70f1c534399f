"""The page of published results in a real browser, under both starts."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from playground.store import Store
from tests.browser.conftest import Server, free_port, wait_until_up
from tests.browser.test_accessible import check

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]


@pytest.fixture
def published(page: Page, server: Server) -> Page:
    page.goto(f"{server.url}/published")
    expect(page.locator(".cp-results")).to_be_visible()
    return page


def test_the_way_there_and_back_is_in_the_header(page: Page, server: Server) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    page.get_by_role("link", name="Published results").click()
    expect(page.get_by_role("combobox", name="Table")).to_have_value("overview")
    expect(page.get_by_role("rowheader", name="MMedIns-Llama 3")).to_be_visible()
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
    assert errors == []


def test_another_category_and_another_board_can_be_chosen_and_sent_as_an_address(published: Page) -> None:
    published.get_by_role("combobox", name="Table").select_option("Diagnosis")
    row = published.get_by_role("row", name="GPT-4")
    expect(row).to_contain_text("58.13")
    expect(published.get_by_role("columnheader", name="DDXPlus")).to_contain_text("n=1500")
    published.get_by_role("radio", name="arXiv v1").check()
    expect(published.get_by_role("columnheader", name="DDXPlus")).to_contain_text("n not given")
    address = published.url
    assert address.endswith("?category=diagnosis&board=v1")
    published.goto(address)
    expect(published.get_by_role("radio", name="arXiv v1")).to_be_checked()
    expect(published.get_by_role("combobox", name="Table")).to_have_value("diagnosis")
    expect(published.get_by_role("columnheader", name="DDXPlus")).to_contain_text("n not given")


def test_a_known_error_is_marked_and_leads_to_its_note(published: Page) -> None:
    published.get_by_role("combobox", name="Table").select_option("Multiple-choice QA")
    row = published.get_by_role("row", name="Mistral")
    expect(row.locator(".cp-wrong")).to_contain_text("49.1")
    row.get_by_role("link", name="Known error 1").click()
    note = published.locator("#cp-error-1")
    expect(note).to_be_focused()
    expect(note).to_contain_text("Mistral, Avg.: The mean of its eight cells is 59.6.")
    assert "category=multiple-choice-qa" in published.url, "the address still names the table"


def test_own_runs_stand_below_with_their_n(published: Page, server: Server) -> None:
    rows = [
        {"key": f"k{i}", "case": f"own-{i}", "run": "r", "task": "nli", "model": "batch/numbat",
         "text": text, "error": None, "reference": "neutral"}
        for i, text in enumerate(("neutral", "neutral", "entailment", "neutral"))
    ]  # fmt: skip
    with Store.open(server.database) as store:
        store.add_run_rows(rows)
    published.get_by_role("combobox", name="Table").select_option("Natural language inference")
    expect(published.locator("tbody", has_text="other inputs than the published ones")).to_contain_text("batch/numbat")
    expect(published.get_by_role("row", name="batch/numbat")).to_contain_text("75.00n=4")
    assert "numbat" not in published.request.get(f"{server.url}/config").text(), "one /config serves every page"


def test_the_csv_is_made_in_the_browser(published: Page, tmp_path: Path) -> None:
    published.get_by_role("combobox", name="Table").select_option("Rationale")
    expect(published.get_by_role("columnheader", name="MMedBench(ZH)")).to_be_visible()
    with published.expect_download() as caught:
        published.get_by_role("button", name="Download as CSV").click()
    assert caught.value.suggested_filename == "medsbench-rationale-final.csv"
    assert caught.value.url.startswith("blob:")
    caught.value.save_as(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        found = {(r["model"], r["column"]): r for r in csv.DictReader(file)}
    assert found["MMedIns-Llama 3", "MMedBench(EN)"]["value"] == "49.08/38.19"
    assert found["MMedIns-Llama 3", "MMedBench(EN)"]["n"] == "195"


def test_a_table_that_did_not_arrive_can_be_asked_for_again(published: Page) -> None:
    published.context.set_offline(True)
    published.get_by_role("combobox", name="Table").select_option("Diagnosis")
    again = published.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    published.context.set_offline(False)
    again.click()
    expect(published.get_by_role("row", name="GPT-4")).to_contain_text("58.13")


def test_on_a_phone_only_the_table_scrolls_and_names_stay_in_view(published: Page) -> None:
    published.set_viewport_size({"width": 390, "height": 850})
    published.get_by_role("combobox", name="Table").select_option("Multiple-choice QA")
    head = published.get_by_role("columnheader", name="MMedBench(ES)")
    expect(head).to_be_visible()
    box = published.locator(".cp-tablebox")
    box.evaluate("box => box.scrollTo(10000, 0)")
    assert published.evaluate("document.documentElement.scrollWidth") <= 390
    assert box.evaluate("box => box.scrollLeft") > 100
    name = published.get_by_role("rowheader", name="Mistral").bounding_box()
    value = head.bounding_box()
    assert name
    assert value
    assert 0 <= name["x"] < 30, "the first column stays"
    assert name["width"] < 390 / 2
    assert value["x"] + value["width"] <= 390


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_axe_finds_nothing(browser: Browser, server: Server, scheme: Literal["light", "dark"], width: int) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 850},
        color_scheme=scheme,
        bypass_csp=True,
    )
    page = context.new_page()
    for place in ("", "?category=fact-verification", "?category=multiple-choice-qa&board=v1"):
        page.goto(f"{server.url}/published{place}")
        expect(page.locator(".cp-board > :not(.cp-quiet)").first).to_be_visible()
        check(page, f"published {place}")
    context.close()


def test_the_page_is_there_under_the_start_of_a_space_too(browser: Browser, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log.txt"
    environment = {**os.environ, "PLAYGROUND_DATA": str(tmp_path), "PLAYGROUND_PORT": str(port)}
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, ROOT / "app.py"], env=environment, stdout=file, stderr=file)
    try:
        wait_until_up(f"http://127.0.0.1:{port}", process, log)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/published?category=diagnosis")
        expect(page.get_by_role("row", name="GPT-4")).to_contain_text("58.13", timeout=30_000)
        page.close()
    finally:
        process.terminate()
        process.wait(20)
