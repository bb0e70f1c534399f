"""The house rules that a machine can hold: who imports whom, file lengths, where SDKs may appear."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import adapters

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for d in ("adapters", "playground") for p in (ROOT / d).rglob("*.py"))
WRITTEN = [p for p in SOURCES if p.parent.name != "versions"]  # Alembic writes the migrations


def test_the_import_rule_holds() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_adapters_is_this_project_s_package() -> None:
    assert Path(adapters.__file__).is_relative_to(ROOT)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_holds_one_idea(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 400, "a file of over 400 lines holds more than one idea"
    assert not text.strip() or ast.get_docstring(tree), "a module says what it is"
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert not long, long


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("gradio", ("playground/ui/",)),
        ("sqlalchemy", ("playground/store/",)),
        ("openai", ("adapters/",)),
        ("anthropic", ("adapters/",)),
        ("torch", ("adapters/local/",)),
        ("transformers", ("adapters/local/",)),
        ("ray", ("playground/batch/cluster.py",)),
    ],
)
def test_only_its_own_room_imports(package: str, allowed: tuple[str, ...]) -> None:
    guests = []
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(n.split(".")[0] == package for n in names) and not name.startswith(allowed):
                guests.append(name)
    assert not guests


def test_listing_models_imports_no_heavy_library() -> None:
    code = (
        "import sys; from adapters import registry; registry.providers();"
        "[registry.unavailable(m, {}) for m in ('baseline/lead', 'openai/x', 'anthropic/x', 'local/x/y')];"
        "print([m for m in ('torch', 'transformers', 'openai', 'anthropic', 'gradio', 'ray') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
