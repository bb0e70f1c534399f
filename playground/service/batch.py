"""Batch: plan, run, resume, score and import whole test sets; knows no page and no terminal."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters import registry
from adapters._breath import unwatched
from adapters.loop import new_loop
from playground import __version__
from playground.batch.asking import Answer, Ask, ask_adapter
from playground.batch.estimate import Estimate, estimate
from playground.batch.log import Earlier, RunLog, answers, history_of, manifest_of, scores_of
from playground.batch.outcome import CaseIndex, Outcome
from playground.batch.pace import LocalPace, account_of
from playground.batch.plan import Item, Plan, Work
from playground.batch.runner import BatchRun
from playground.batch.scoring import catch_up, score
from playground.errors import BadInput, StoreFailed
from playground.library import Library
from playground.models import Models, ModelSpec
from playground.store import Store


@dataclass(frozen=True, kw_only=True)
class Status:
    """What stands in a folder, by model: requests planned, answered, too long, still to do; failed attempts."""

    model: str
    planned: int
    done: int
    left: int
    too_long: int
    failed_attempts: int
    reused: int
    input_tokens: int
    output_tokens: int
    money: float | None
    returned: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ImportedRun:
    """What an import did. `left_out`: reason -> answers."""

    added: int
    present: int
    left_out: Mapping[str, int]


class Batch:
    def __init__(self, *, library: Library, models: Models, store: Store) -> None:
        self._library, self._models, self._store = library, models, store

    def work(self, plan: Plan) -> Work:
        """Look everything up; raises `BadInput` with near misses. The lanes try again, the adapters do not."""
        return Work(plan, library=self._library, models=self._models.copy_with(max_retries=0))

    def estimate(self, work: Work) -> tuple[Estimate, ...]:
        return estimate(work, self._models)

    def warm(self, work: Work) -> None:
        """Import what the first requests would wait for; blocks."""
        registry.warm(spec.model for spec in work.specs if self._models.unavailable(spec) is None)

    def run(
        self,
        work: Work,
        directory: Path,
        *,
        reuse: Path | None = None,
        seen: Callable[[BatchRun], object] = lambda run: None,
        say: Callable[[str], object] = lambda words: None,
        ready: Callable[[BatchRun], object] = lambda run: None,
        asking: Callable[[LocalPace], Callable[[ModelSpec], Ask]] | None = None,
    ) -> BatchRun:
        """Ask what is not done in `directory` yet, and return the ended run. Blocks; runs its own event loop.

        Raises `BadInput` for a folder of another plan or one in use, `LogFailed` when the disk is full.
        """
        earlier = Earlier(reuse).find if reuse else lambda case, key: None
        log = RunLog(directory, self._manifest(work))

        async def go() -> BatchRun:
            pace = LocalPace(work.plan.rate, accounts={s.model: account_of(s) for s in work.specs})
            ask_for = asking(pace) if asking else self._asker(work, pace)
            run = BatchRun(work, log, ask_for=ask_for, earlier=earlier, seen=seen, say=say, halt=pace.halt)
            ready(run)
            await run.run()
            return run

        try:
            if log.torn:
                say(f"{log.torn} torn lines in {directory} are passed over; what they held is asked again.")
            catch_up(directory, log, self._library)
            with unwatched(), asyncio.Runner(loop_factory=new_loop) as runner:
                return runner.run(go())
        finally:
            log.close()

    def _asker(self, work: Work, pace: LocalPace) -> Callable[[ModelSpec], Ask]:
        def ask_for(spec: ModelSpec) -> Ask:
            async def rest(seconds: float) -> None:
                await pace.rest(spec.model, seconds)

            async def ask(item: Item) -> Answer:
                return await ask_adapter(work.adapter(spec, item.task), item, pace=pace, rest=rest)

            return ask

        return ask_for

    def _manifest(self, work: Work) -> dict[str, Any]:
        manifest = {
            "identity": work.identity(),
            "requests": work.size(),
            "models": [{"model": s.model, "label": s.label, "sends_to": s.sends_to} for s in work.specs],
            "app_version": __version__,
            "created": datetime.now(UTC).isoformat(),
        }
        return json.loads(json.dumps(manifest, default=str))  # as it will be read back

    def status(self, directory: Path) -> tuple[Status, ...]:
        """Read off the log; raises `BadInput` where there is no run."""
        manifest, history = manifest_of(directory), history_of(directory)
        models = [m["model"] for m in manifest["models"]]
        share = (history.requests or manifest["requests"]) // max(1, len(models))
        found = []
        for model in models:
            past = history.of(model)
            left = max(0, share - past.answered - len(past.too_long))
            found.append(
                Status(
                    model=model, planned=share, done=past.answered, left=left, too_long=len(past.too_long),
                    failed_attempts=past.failed, reused=past.reused, input_tokens=past.input_tokens,
                    output_tokens=past.output_tokens, money=past.money, returned=tuple(sorted(past.returned)),
                )
            )  # fmt: skip
        return tuple(found)

    def score(self, directory: Path) -> Outcome:
        """Score what has no score of today's scorers yet, and sum everything up; asks nobody.

        While a run writes into the folder, or where it may not be written, nothing is written down.
        """
        from playground.medsbench.boardtable import own_runs

        outcome, tasks = score(directory, self._library), {task.id: task for task in self._library.tasks()}
        outcome.paper = tuple(own_runs(self.rows(directory), tasks))
        return outcome

    def rows(self, directory: Path, *, left_out: Counter[str] | None = None) -> Iterator[dict[str, Any]]:
        """The answered rows with input, reference and scores, as `playground run` writes them.

        Answers whose case is gone or changed are passed over, and counted in `left_out` by reason.
        """
        scores: dict[tuple[str, str], dict[str, Any]] = {}
        parsed: dict[tuple[str, str], dict[str, Any]] = {}
        for s in scores_of(directory):
            scores.setdefault((s["key"], s["case"]), {})[s["metric"]] = s["value"]
            parsed.setdefault((s["key"], s["case"]), {})[s["metric"]] = s["parsed"]
        index = CaseIndex(self._library)
        for row in answers(directory):
            found = index.find(row)
            if isinstance(found, str):
                if left_out is not None:
                    left_out[found] += 1
                continue
            task, case = found
            at = (row["key"], row["case"])
            yield {
                **row,
                "input": task.text(case),
                "reference": task.reference(case),
                "scores": scores.get(at, {}),
                "parsed": parsed.get(at, {}),
                "restricted": case.restricted,
            }

    def write_parquet(self, directory: Path, path: Path, *, include_restricted: bool = False) -> int:
        """Write answers and scores as Parquet; returns the rows. Raises `BadInput`."""
        from playground.batch import parquet

        used = {row["task"] for row in answers(directory)}
        metrics = dict.fromkeys(m for t in self._library.tasks() if t.id in used for m in t.scorers)
        rows = self.rows(directory)
        return parquet.write(rows, path, metrics=tuple(metrics), include_restricted=include_restricted)

    def import_run(self, directory: Path) -> ImportedRun:
        """Bring the answered rows into the database; those already there stay. All or nothing.

        Raises `BadInput` when none can be used, `StoreFailed` when the database does not answer.
        """
        manifest, left_out = manifest_of(directory), Counter[str]()
        name = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
        rows = ({**row, "run": name} for row in self.rows(directory, left_out=left_out))
        try:
            added, present = self._store.add_run_rows(rows)
        except StoreFailed as error:
            words = f"Nothing was imported; {directory} is untouched. {str(error).removeprefix('Not saved: ')}"
            raise StoreFailed(f"{words} Give the same command again when the database answers.") from error
        if left_out and not added + present:
            reasons = "; ".join(f"{n} answers: {reason}" for reason, n in left_out.items())
            raise BadInput(f"Nothing was imported. {reasons}. Give first: playground medsbench import FILE")
        return ImportedRun(added=added, present=present, left_out=left_out)
