"""Stands in for Hugging Face's `spaces` on ZeroGPU: a decorated generator runs in a forked process that is kept.

As the real one: coroutines are refused, arguments and yields are pickled, the work runs in a thread of the worker, and
closing the generator outside does not reach the worker. `calls`, `workers` and `values` are for tests.
"""

import inspect
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

calls: list[int] = []  # seconds asked for, one a call
workers: list[int] = []  # process ids, one a call
values: list[int] = []  # how many the worker sent, one a call


def GPU(task: Callable | None = None, *, duration: Any = 60) -> Callable:
    return _decorated(task, duration) if task else lambda given: _decorated(given, duration)


def _decorated(task: Callable, duration: Any) -> Callable:
    if inspect.iscoroutinefunction(task) or not inspect.isgeneratorfunction(task):
        raise NotImplementedError  # as the package `spaces` itself does
    kept: list[Any] = []

    def outside(*args: Any) -> Iterator[Any]:
        calls.append(duration(*args) if callable(duration) else duration)
        if not kept:
            context = multiprocessing.get_context("fork")
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(task, theirs), daemon=True)
            process.start()
            kept.extend((mine, process))
        line, process = kept
        workers.append(process.pid)
        values.append(0)
        line.send(args)
        while True:
            kind, value = line.recv()
            if kind == "end":
                return
            if kind == "error":
                raise value
            values[-1] += 1
            yield value

    return outside


def _serve(task: Callable, line: Any) -> None:
    while True:
        args = line.recv()

        def iterate(args: Any = args) -> None:
            try:
                for value in task(*args):
                    line.send(("value", value))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised outside
                line.send(("error", error))
            else:
                line.send(("end", os.getpid()))

        thread = threading.Thread(target=iterate)
        thread.start()
        thread.join()
