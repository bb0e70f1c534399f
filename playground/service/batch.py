"""Batch: plan, run, resume, score and import whole test sets; knows no page and no terminal."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.base import GenerateConfig
from playground import __version__
from playground.batch.log import SCORES, Lines, RunLog, manifest_of, rows_of, scores_of
from playground.batch.pace import LocalPace, Pace
from playground.batch.plan import Estimate, Item, Plan, Work, estimate
from playground.batch.runner import Answer, Ask, BatchRun, ask_adapter, score_rows
from playground.errors import BadInput
from playground.library import Library
from playground.models import Models, ModelSpec
from playground.prompt import Prompt
from playground.store import Store


@dataclass(frozen=True, kw_only=True)
class Status:
    """What stands in a folder, by model: rows answered, failed attempts, still to do."""

    model: str
    planned: int
    done: int
    failed_attempts: int
    returned: tuple[str, ...]
    reused: int


class Batch:
    def __init__(self, *, library: Library, models: Models, store: Store) -> None:
        self._library, self._models, self._store = library, models, store

    def work(self, plan: Plan) -> Work:
        """Look everything up; raises `BadInput` with near misses."""
        return Work(plan, library=self._library, models=self._own_retries())

    def _own_retries(self) -> Models:
        """The same models, but the adapters do not try again by themselves: the lanes do, and share the wait."""
        return self._models.copy_with(max_retries=0)

    def estimate(self, work: Work) -> tuple[Estimate, ...]:
        return estimate(work, self._models)

    def run(
        self,
        work: Work,
        directory: Path,
        *,
        reuse: Path | None = None,
        seen: Callable[[BatchRun], object] = lambda run: None,
        ready: Callable[[BatchRun], object] = lambda run: None,
        ask_for: Callable[[ModelSpec], Ask] | None = None,
    ) -> BatchRun:
        """Ask what is not done in `directory` yet, and return the ended run. Blocks; runs its own event loop.

        Raises `BadInput` for a folder of another plan or one in use, `LogFailed` when the disk is full.
        """
        earlier = _answers_of(reuse) if reuse else {}
        log = RunLog(directory, self._manifest(work))

        async def go() -> BatchRun:
            pace: Pace = LocalPace(dict(work.plan.rate))
            run = BatchRun(
                work, log, ask_for=ask_for or self._asker(work, pace), earlier=lambda key: earlier.get(key), seen=seen
            )
            ready(run)
            await run.run()
            return run

        try:
            return asyncio.run(go())
        finally:
            log.close()

    def _asker(self, work: Work, pace: Pace) -> Callable[[ModelSpec], Ask]:
        def ask_for(spec: ModelSpec) -> Ask:
            async def ask(item: Item) -> Answer:
                return await ask_adapter(work.adapter(spec, item.task), item, pace=pace)

            return ask

        return ask_for

    def _manifest(self, work: Work) -> dict[str, Any]:
        tasks = {t.id: hashlib.sha256(t.model_dump_json().encode()).hexdigest() for t in work.tasks}
        return {
            "plan": work.plan.identity(),
            "requests": work.size(),
            "tasks": tasks,
            "models": [spec.model_dump(mode="json") for spec in work.specs],
            "app_version": __version__,
            "created": datetime.now(UTC).isoformat(),
        }

    def status(self, directory: Path) -> tuple[Status, ...]:
        """Read off the log; raises `BadInput` where there is no run."""
        manifest = manifest_of(directory)
        models = [m["model"] for m in manifest["models"]]
        share = manifest["requests"] // max(1, len(models))
        done: dict[str, set[tuple[str, str]]] = {m: set() for m in models}
        failed, returned, reused = dict.fromkeys(models, 0), {m: set() for m in models}, dict.fromkeys(models, 0)
        for row in rows_of(directory):
            model = row["model"]
            if row.get("error") is not None:
                failed[model] += 1
                continue
            done[model].add((row["case"], row["key"]))
            reused[model] += bool(row.get("reused_from"))
            returned[model] |= {row["model_returned"]} if row.get("model_returned") else set()
        return tuple(
            Status(
                model=m,
                planned=share,
                done=len(done[m]),
                failed_attempts=failed[m],
                returned=tuple(sorted(returned[m])),
                reused=reused[m],
            )
            for m in models
        )

    def score(self, directory: Path) -> int:
        """Score answers whose scores are missing or of an older scorer version; asks nobody. Returns how many."""
        have = {(s["key"], s["case"], s["metric"], s["version"]) for s in scores_of(directory)}
        lines, new = Lines(directory / SCORES), 0
        try:
            for row in answers(directory):
                item = self._item(row)
                fresh = [
                    s
                    for s in score_rows(row["key"], item, row["text"])
                    if (s["key"], s["case"], s["metric"], s["version"]) not in have
                ]
                for score in fresh:
                    lines.append(score)
                new += bool(fresh)
        finally:
            lines.close()
        return new

    def _item(self, row: Mapping[str, Any]) -> Item:
        task = self._library.task(row["task"])
        case = self._library.case(task.id, row["case"])
        if row.get("case_sha256") not in (None, case.sha256()):
            raise BadInput(f"Case {case.id} has changed since it was asked. Run it again into another folder.")
        config = GenerateConfig(max_tokens=1)
        return Item(row["key"], task, case, row["model"], row["repeat"], Prompt((), ()), config)

    def rows(self, directory: Path) -> Iterator[dict[str, Any]]:
        """The answered rows with input, reference and scores, as `playground run` writes them."""
        scores: dict[tuple[str, str], dict[str, Any]] = {}
        parsed: dict[tuple[str, str], dict[str, Any]] = {}
        for s in scores_of(directory):
            scores.setdefault((s["key"], s["case"]), {})[s["metric"]] = s["value"]
            parsed.setdefault((s["key"], s["case"]), {})[s["metric"]] = s["parsed"]
        for row in answers(directory):
            task = self._library.task(row["task"])
            case = self._library.case(task.id, row["case"])
            at = (row["key"], row["case"])
            yield {
                **row,
                "input": task.text(case),
                "reference": task.reference(case),
                "scores": scores.get(at, {}),
                "parsed": parsed.get(at, {}),
                "restricted": case.restricted,
            }

    def import_run(self, directory: Path) -> tuple[int, int]:
        """Bring the answered rows into the database; those already there stay. Returns (added, present)."""
        manifest = manifest_of(directory)
        name = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
        return self._store.add_run_rows({**row, "run": name} for row in self.rows(directory))


def answers(directory: Path) -> Iterator[dict[str, Any]]:
    """Rows that hold an answer, one for each (case, key)."""
    seen: set[tuple[str, str]] = set()
    for row in rows_of(directory):
        at = (row["case"], row["key"])
        if row.get("error") is None and at not in seen:
            seen.add(at)
            yield row


def _answers_of(directory: Path) -> dict[str, dict[str, Any]]:
    """Answers of an earlier run by key, marked as reused: they cost nothing and have no latency."""
    manifest_of(directory)
    told = {"reused_from": str(directory), "cost": 0.0, "first_token_s": None, "total_s": None, "retries": 0}
    return {row["key"]: {**{k: v for k, v in row.items() if k != "type"}, **told} for row in answers(directory)}
