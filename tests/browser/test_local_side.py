"""The main job once more with a model that runs on this machine as one side: a tiny real checkpoint, in 4 bit."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from playground.store import Store
from tests.browser.conftest import LIBRARY, serving
from tests.browser.pages import ComparePage
from tests.local.checkpoint import ANSWERS, SYSTEM, make

pytestmark = [pytest.mark.browser, pytest.mark.local, pytest.mark.timeout(300)]
NLI, TASK, LOCAL = "Natural language inference", "Test only, taught questions", "Tiny Taught"
QUESTION = "Show two faces."
LOADS = 90_000  # milliseconds; importing torch on two busy cores


@dataclass(frozen=True)
class Site:
    url: str
    data: Path
    checkpoint: Path


def library(folder: Path) -> Path:
    """The test's task, worded so that its prompt is what the checkpoint was taught."""
    shutil.copytree(LIBRARY, folder)
    [path] = (folder / "tasks").glob("*.yaml")
    task = yaml.safe_load(path.read_text())
    task |= {"title": TASK, "instruction": SYSTEM, "prompt": "$question", "inputs": ["question"]}
    task |= {"scorers": ["token_f1"], "labels": []}
    (folder / "tasks" / "taught.yaml").write_text(yaml.safe_dump(task, allow_unicode=True))
    [case, *_] = sorted((folder / "examples").glob("*/case-1.yaml"))
    (folder / "examples" / "taught").mkdir()
    for number, (question, answer) in enumerate(ANSWERS.items(), 1):
        made = yaml.safe_load(case.read_text())
        made |= {"id": f"taught-{number}", "task": "taught", "title": question, "inputs": {"question": question}}
        made["target"] = [answer]
        target = folder / "examples" / "taught" / f"taught-{number}.yaml"
        target.write_text(yaml.safe_dump(made, allow_unicode=True))
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    pytest.importorskip("bitsandbytes")
    data = tmp_path_factory.mktemp("local-data")
    checkpoint = make(data / "checkpoint")
    options = {"path": str(checkpoint), "quantisation": "nf4", "context": 400}
    listed = [
        {"model": "local/tiny", "label": LOCAL, "options": options},
        {"model": "fake/wombat", "label": "Wombat Echo", "options": {"text": "neutral", "delay": 0.01}},
    ]
    with serving(data, listed, PLAYGROUND_LIBRARY=str(library(data / "library"))) as url:
        yield Site(url, data, checkpoint)


@pytest.fixture
def compare(browser: Browser, site: Site) -> Iterator[ComparePage]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page: Page = context.new_page()
    opened = ComparePage(page, site.url)
    opened.open()
    yield opened
    context.close()


def test_a_local_model_loads_when_asked_answers_beside_another_and_is_rated_blind(
    compare: ComparePage, site: Site
) -> None:
    page = compare.page
    compare.choose_task(NLI, TASK, QUESTION)
    compare.choose_models(LOCAL, "Wombat Echo")
    compare.run()
    expect(compare.side("A")).to_contain_text("Loading the local model", timeout=LOADS)
    expect(compare.state("A")).to_have_text("Done", timeout=LOADS)
    expect(compare.body("A")).to_have_text(ANSWERS[QUESTION])
    compare.wait_done()

    compare.blind()
    compare.run()
    expect(page.locator(".cp-sealed")).to_be_visible()  # a notice before it may be gone too soon to be seen
    compare.wait_done()
    assert {compare.body(key).inner_text() for key in "AB"} == {ANSWERS[QUESTION], "neutral"}
    compare.press("b 4 3 5 5 4 4 1 1 Enter")
    expect(compare.saved).to_have_text(re.compile(r"Saved \d\d:\d\d:\d\d, rating r-\d+"))
    expect(page.locator(".cp-reveal")).to_contain_text(LOCAL)

    store = Store.open(f"sqlite:///{site.data / 'playground.db'}")
    try:
        [rating] = store.ratings()
        run = store.comparison(rating.comparison)
        assert run is not None
        [mine] = [r for r in run.responses if r.model == "local/tiny"]
        assert mine.text == ANSWERS[QUESTION]
        used = dict(mine.parameters)
        assert (used["quantisation"], used["device"], used["batch_size"]) == ("nf4", "cpu", 1)
        assert mine.output_tokens is not None
        assert mine.cost == 0
    finally:
        store.close()
    assert not compare.errors
