"""The two starts: `serve` for a hospital's server, `launch` for a Hugging Face Space; one app, one door.

Streams and the database are opened before a start and closed after it has returned.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
os.environ.setdefault("GRADIO_RUN_HISTORY", "False")
os.environ.setdefault("GRADIO_SSR_MODE", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
sys.modules.setdefault("matplotlib", cast(Any, None))  # Gradio looks for it twice at every yield

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.route_utils import CustomCORSMiddleware
from starlette.middleware import Middleware

from playground.errors import PlaygroundError
from playground.service import Playground
from playground.service.line import Line
from playground.settings import Settings
from playground.ui import api, published_page, widgets
from playground.ui.compare_calls import Calls
from playground.ui.compare_events import Events
from playground.ui.compare_page import layout
from playground.ui.door import Door, DoorSettings
from playground.ui.published_events import Tables

TITLE = "Clinical task playground"
GRACE = 3  # seconds that open streams get at a stop
COMMON: Mapping[str, Any] = {
    "show_error": False, "footer_links": [], "run_history": False, "enable_monitoring": False,
    "max_file_size": "1mb", "ssr_mode": False, "pwa": False, "mcp_server": False,
}  # fmt: skip


def build(playground: Playground) -> gr.Blocks:
    """Every page of one playground."""
    settings = playground.settings
    line = Line(places=settings.max_running, most_waiting=settings.max_waiting)
    with gr.Blocks(title=TITLE, fill_width=True, delete_cache=(3600, 86400)) as demo:
        page = layout(playground, Calls(playground, line))
        Events(playground, page, line).connect(demo)
        if settings.api_open:
            api.endpoints(playground, line)
    with demo.route("Published results", "published"):
        published_page.layout(settings, Tables(playground))
    together = settings.max_running + settings.max_waiting
    demo.max_threads = together + 50  # read by `queue`: with Gradio's 40, visitor 41 waits for an answer to end
    demo.queue(max_size=together + 100, default_concurrency_limit=together, api_open=False)
    demo.state_session_capacity = 1000
    return demo


def door(settings: Settings) -> Middleware:
    https = settings.on_space or settings.root_path.startswith("https://")
    public = settings.root_path.split("://")[-1].split("/")[0]
    hosts = tuple(name for name in (*settings.hosts, settings.host, public) if name)
    rules = DoorSettings(
        secret=settings.secret, hosts=hosts, https=https, embedded=settings.on_space, programs=settings.api_open
    )
    return Middleware(Door, settings=rules)


def web(playground: Playground) -> FastAPI:
    """The whole application, for any ASGI server."""
    settings = playground.settings
    app = FastAPI(openapi_url=None, middleware=[door(settings)])
    demo = build(playground)
    root = {"root_path": settings.root_path} if settings.root_path else {}
    with (
        warnings.catch_warnings()
    ):  # Gradio says of every app with two pages that it does without SSR, asked for or not
        warnings.filterwarnings("ignore", message="SSR mode is not supported")
        return gr.mount_gradio_app(app, demo, path="/", **root, **widgets.page_options(), **COMMON)


def check_address(settings: Settings) -> None:
    """Raise `PlaygroundError` with what to change where nothing can listen on this host and port."""
    host, port = settings.host, settings.port
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        fix = "Stop what uses it, or choose another PLAYGROUND_PORT or PLAYGROUND_HOST."
        raise PlaygroundError(f"The page cannot listen on {host}, port {port}: {error.strerror}. {fix}") from error


def _settle() -> None:
    """What the start has loaded stays: garbage collections pass it over. A tenth of the CPU with a hundred visitors."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _no_error(record: logging.LogRecord) -> bool:
    """Streams of open pages that a stop cuts off after `GRACE` are none; uvicorn logs each with a traceback.

    It cancels nothing at any other time.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; then close streams, write what is left, close the database."""
    check_address(settings)
    with Playground.open(settings) as playground:
        warm = playground.models.warm()  # imports the SDKs while the page is built: the first visitor does not wait
        app = web(playground)
        warm.join()
        _settle()
        logging.getLogger("uvicorn.error").addFilter(_no_error)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                server_header=False,
                access_log=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
                log_level="warning",
            )
        )
        for name in (signal.SIGTERM, signal.SIGINT):  # until uvicorn listens itself, and when it raises it again after
            signal.signal(name, lambda *_: setattr(server, "should_exit", True))
        where = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
        print(
            f"Clinical task playground on http://{where}:{settings.port}  (Ctrl-C stops it)",
            file=sys.stderr,
            flush=True,
        )
        server.run()
        if not server.started:
            raise PlaygroundError("The page did not start; the lines above say why.")


@asynccontextmanager
async def _same_origin_only(app: FastAPI) -> AsyncGenerator[None, None]:
    """Take out the layer that Gradio's launch puts around the door and that invites other origins with credentials.

    A lifespan begins before the first request is taken, so that none meets that layer.
    """
    app.user_middleware = [m for m in app.user_middleware if m.cls is not CustomCORSMiddleware]
    app.middleware_stack = None  # Starlette builds it anew at the next request
    yield


def launch(playground: Playground, demo: gr.Blocks) -> None:
    """Start through `demo.launch()`, which a Space (ZeroGPU included) needs; returns after a stop signal."""
    settings = playground.settings
    check_address(settings)
    playground.models.warm().join()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):  # before a first visitor is let in: a stop then saves what is written
        signal.signal(name, lambda *_: stop.set())
    logging.getLogger("uvicorn.error").addFilter(_no_error)
    demo.launch(
        server_name=settings.host,
        server_port=settings.port,
        quiet=True,
        prevent_thread_lock=True,
        max_threads=settings.max_running + settings.max_waiting + 50,
        state_session_capacity=1000,
        root_path=settings.root_path or None,
        app_kwargs={"middleware": [door(settings)], "openapi_url": None, "lifespan": _same_origin_only},
        **widgets.page_options(),
        **COMMON,
    )
    _settle()
    demo.server.config.timeout_graceful_shutdown = GRACE
    stop.wait()
    demo.close(verbose=False)
