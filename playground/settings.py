"""Environment -> one frozen Settings, read once at start; knows nothing of what the values are used for."""

import os
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from playground.errors import BadInput

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parent
HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:]+")  # a name, an IPv4 or an IPv6 address
SHORTEST_SECRET = 16  # characters
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting of the playground; README.md has the table. Times are seconds."""

    data: Path = ROOT / "data"
    database_url: str = ""  # empty: SQLite in `data`
    models: Path = PACKAGE / "models.yaml"
    library: Path | None = None  # folder with a site's own tasks/, examples/, instruments/
    host: str = "127.0.0.1"
    port: int = 7860
    root_path: str = ""  # full public URL behind a proxy
    hosts: tuple[str, ...] = ()  # further host names under which the page may be opened
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    api_open: bool = False  # programs may call /compare and /rate through gradio_client
    max_running: int = 200  # comparisons at once
    max_waiting: int = 100  # runs that may wait in line
    first_token_limit: float = 120.0
    stall_limit: float = 60.0
    on_space: bool = False
    extra_cases: tuple[Path, ...] = ()

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.data / 'playground.db'}"

    @property
    def lasting(self) -> bool:
        """Whether ratings survive a restart: a Space forgets its disk."""
        return bool(self.database_url) or not self.on_space


def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
    """Read `PLAYGROUND_*`; an empty one counts as not set. Raises `BadInput` naming the one that cannot be read."""
    data = _data(env)
    return Settings(
        data=data,
        database_url=_database(_text(env, "PLAYGROUND_DATABASE_URL")),
        models=_file(env, "PLAYGROUND_MODELS") or PACKAGE / "models.yaml",
        library=_folder(env, "PLAYGROUND_LIBRARY"),
        host=_host(env),
        port=_port(env),
        root_path=_root_path(env),
        hosts=_hosts(env, "PLAYGROUND_HOSTS") + _hosts(env, "SPACE_HOST"),
        secret=_secret(env, data),
        api_open=_flag(env, "PLAYGROUND_API_OPEN"),
        max_running=_whole(env, "PLAYGROUND_MAX_RUNNING", 200),
        max_waiting=_whole(env, "PLAYGROUND_MAX_WAITING", 100),
        first_token_limit=_seconds(env, "PLAYGROUND_FIRST_TOKEN_LIMIT", 120.0),
        stall_limit=_seconds(env, "PLAYGROUND_STALL_LIMIT", 60.0),
        on_space=env.get("SYSTEM") == "spaces",
    )


def _text(env: Mapping[str, str], name: str) -> str:
    return env.get(name, "").strip()


def _path(env: Mapping[str, str], name: str) -> Path | None:
    text = _text(env, name)
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError as error:  # ~somebody who is not there
        raise BadInput(f"{name}={text} names a user who is not on this machine. Write the whole path.") from error


def _file(env: Mapping[str, str], name: str) -> Path | None:
    path = _path(env, name)
    if path is not None and not path.is_file():
        raise BadInput(f"{name}={path}: there is no such file. Correct the path, or unset {name}.")
    return path


def _folder(env: Mapping[str, str], name: str) -> Path | None:
    path = _path(env, name)
    if path is not None and not path.is_dir():
        raise BadInput(f"{name}={path}: there is no such folder. Correct the path, or unset {name}.")
    return path


def _data(env: Mapping[str, str]) -> Path:
    """The folder for what is kept; made if it is not there."""
    path = _path(env, "PLAYGROUND_DATA") or ROOT / "data"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fix = "Set PLAYGROUND_DATA to a folder that can be written."
        raise BadInput(f"PLAYGROUND_DATA={path} cannot be used: {error.strerror}. {fix}") from error
    return path


def _database(url: str) -> str:
    """SQLAlchemy wants the driver's name; people write what their database's provider shows them."""
    for scheme in ("postgres://", "postgresql://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def _host(env: Mapping[str, str]) -> str:
    name = "PLAYGROUND_HOST" if _text(env, "PLAYGROUND_HOST") else "GRADIO_SERVER_NAME"
    host = _text(env, name) or "127.0.0.1"
    if not HOST.fullmatch(host):
        raise BadInput(f"{name}={host} is not an address to listen on. Set it to 127.0.0.1 or 0.0.0.0.")
    return host


def _hosts(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Host names as browsers send them, in small letters; a port may follow."""
    found = tuple(h.strip().lower() for h in env.get(name, "").split(",") if h.strip())
    for host in found:
        if not re.fullmatch(rf"(?:{HOST.pattern}|\[[0-9a-f:]+\])(?::\d+)?", host, re.I):
            raise BadInput(f"{name}={host} is not a host name. Write, for example, {name}=playground.example.org.")
    return found


def _root_path(env: Mapping[str, str]) -> str:
    text = _text(env, "PLAYGROUND_ROOT_PATH").rstrip("/")
    if text and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        example = "https://playground.example.org"
        raise BadInput(f"PLAYGROUND_ROOT_PATH={text} is not a full address. Write it as browsers see it: {example}.")
    return text


def _secret(env: Mapping[str, str], data: Path) -> str:
    given = _text(env, "PLAYGROUND_SECRET")
    if given and len(given) < SHORTEST_SECRET:
        words = f"PLAYGROUND_SECRET has fewer than {SHORTEST_SECRET} characters, so cookies could be forged."
        raise BadInput(f"{words} Make a longer one, or unset it: then one is made.")
    return given or _kept_secret(data)


def _kept_secret(data: Path) -> str:
    """The key that signs cookies, kept beside the database so that a restart signs nobody out."""
    path = data / "secret"
    try:
        with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
            f.write(secrets.token_hex(32))
        for _ in range(20):  # another process may be writing it at this moment
            if len(kept := path.read_text(encoding="utf-8").strip()) >= SHORTEST_SECRET:
                return kept
            time.sleep(0.05)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The key for cookies in {path} cannot be used: {error}. Set PLAYGROUND_SECRET.") from error
    raise BadInput(f"{path} holds no key of at least {SHORTEST_SECRET} characters. Delete it; a start makes one.")


def _port(env: Mapping[str, str]) -> int:
    name = "PLAYGROUND_PORT" if _text(env, "PLAYGROUND_PORT") else "GRADIO_SERVER_PORT"
    port = _whole(env, name, 7860)
    if port > 65535:
        raise BadInput(f"{name}={port} is not a port. Set it to a number up to 65535, for example 7860.")
    return port


def _flag(env: Mapping[str, str], name: str) -> bool:
    value = _text(env, name).lower()
    if value not in TRUE | FALSE:
        raise BadInput(f"{name}={value} is neither yes nor no. Set it to 1 or 0.")
    return value in TRUE


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = _text(env, name)
    if text and not (re.fullmatch(r"[0-9]{1,9}", text) and int(text) > 0):
        raise BadInput(f"{name}={text} is not a whole number above 0. Set it to, for example, {default}.")
    return int(text) if text else default


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = _text(env, name)
    try:
        value = float(text) if text else default
    except ValueError:
        value = float("nan")
    if not 0 < value < 1e6:
        raise BadInput(f"{name}={text} is not a number of seconds above 0. Set it to, for example, {default:g}.")
    return value
