"""Environment -> one frozen Settings, read once at start; knows nothing of what the values are used for."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from playground.errors import BadInput

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parent
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
    """Read `PLAYGROUND_*`; raises `BadInput` naming the variable that cannot be read."""
    spaces = tuple(h.strip() for h in env.get("SPACE_HOST", "").split(",") if h.strip())
    given = tuple(h.strip() for h in env.get("PLAYGROUND_HOSTS", "").split(",") if h.strip())
    data = Path(env.get("PLAYGROUND_DATA", ROOT / "data")).expanduser()
    return Settings(
        data=data,
        database_url=_database(env.get("PLAYGROUND_DATABASE_URL", "")),
        models=Path(env.get("PLAYGROUND_MODELS", PACKAGE / "models.yaml")).expanduser(),
        library=Path(env["PLAYGROUND_LIBRARY"]).expanduser() if env.get("PLAYGROUND_LIBRARY") else None,
        host=env.get("PLAYGROUND_HOST", env.get("GRADIO_SERVER_NAME", "127.0.0.1")),
        port=_whole(env, "PLAYGROUND_PORT", int(env.get("GRADIO_SERVER_PORT", "7860"))),
        root_path=env.get("PLAYGROUND_ROOT_PATH", ""),
        hosts=given + spaces,
        secret=env.get("PLAYGROUND_SECRET") or _kept_secret(data),
        api_open=_flag(env, "PLAYGROUND_API_OPEN"),
        max_running=_whole(env, "PLAYGROUND_MAX_RUNNING", 200),
        max_waiting=_whole(env, "PLAYGROUND_MAX_WAITING", 100),
        first_token_limit=_seconds(env, "PLAYGROUND_FIRST_TOKEN_LIMIT", 120.0),
        stall_limit=_seconds(env, "PLAYGROUND_STALL_LIMIT", 60.0),
        on_space=env.get("SYSTEM") == "spaces",
    )


def _database(url: str) -> str:
    """SQLAlchemy wants the driver's name; people write what their database's provider shows them."""
    for scheme in ("postgres://", "postgresql://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def _kept_secret(data: Path) -> str:
    """The key that signs cookies, kept beside the database so that a restart signs nobody out."""
    path = data / "secret"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        data.mkdir(parents=True, exist_ok=True)
        value = secrets.token_hex(32)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(value)
        return value


def _flag(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").strip().lower()
    if value not in TRUE | FALSE:
        raise BadInput(f"{name}={value} is neither yes nor no. Set it to 1 or 0.")
    return value in TRUE


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "")
    if text and not (text.isdigit() and int(text) > 0):
        raise BadInput(f"{name}={text} is not a whole number above 0. Set it to, for example, {default}.")
    return int(text) if text else default


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = float("nan")
    if not 0 < value < 1e6:
        raise BadInput(f"{name}={text} is not a number of seconds above 0. Set it to, for example, {default:g}.")
    return value
