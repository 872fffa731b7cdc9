"""The direction of imports, as docs/architecture.md draws it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = [
    "core",
    "audit",
    "accounts",
    "vault",
    "exchange",
    "markets",
    "orders",
    "rfq",
    "portfolio",
    "fix",
    "history",
    "monitoring",
    "data_api",
    "operations",
    "web",
]
PAPER_MAY_IMPORT = {"apps.core.money", "apps.core.timestamps"}
# Model fields, prepared reads and writes are Django by nature, the AppConfig by duty; everything else in core is pure.
CORE_WITH_DJANGO = {"fields.py", "prepared.py", "prepared_writes.py", "durability.py", "apps.py"}


def imported_modules(source: str, package: str) -> Iterator[str]:
    """Yield every module that `source` imports, in functions too; relative names made absolute.

    `from a import b` yields "a.b", since b may be a module; callers compare by prefix.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"import_module", "importlib.import_module"}:
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))


def imports_of(app: str) -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / "apps" / app).rglob("*.py")):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        for module in imported_modules(path.read_text(encoding="utf-8"), package):
            yield path.relative_to(ROOT), module


def is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def test_every_app_has_its_place_in_the_order():
    found = {path.parent.name for path in (ROOT / "apps").glob("*/__init__.py")}

    assert found == {*APPS, "paper"}


@pytest.mark.parametrize("app", APPS)
def test_an_app_imports_only_from_its_left(app):
    to_the_right = [f"apps.{name}" for name in [*APPS[APPS.index(app) + 1 :], "paper"]]

    wrong = [
        f"{path}: {module}" for path, module in imports_of(app) if any(is_inside(module, one) for one in to_the_right)
    ]

    assert wrong == []


@pytest.mark.parametrize("app", [*APPS, "paper"])
def test_no_app_imports_the_project_package(app):
    assert [f"{path}: {module}" for path, module in imports_of(app) if is_inside(module, "kalshi_desk")] == []


def test_paper_shares_nothing_with_the_desk_but_money_and_timestamps():
    wrong = [
        f"{path}: {module}"
        for path, module in imports_of("paper")
        if is_inside(module, "apps")
        and not is_inside(module, "apps.paper")
        and not any(is_inside(module, one) for one in PAPER_MAY_IMPORT)
    ]

    assert wrong == []


def test_core_is_pure_but_for_the_field_and_the_app_config():
    wrong = [
        f"{path}: {module}"
        for path, module in imports_of("core")
        if path.name not in CORE_WITH_DJANGO
        and not is_inside(module, "apps.core")
        and module.split(".")[0] in {"django", "channels", "celery", "redis", "httpx", "websockets"}
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("import apps.web.hub", "apps.web.hub"),
        ("from apps.web import hub", "apps.web.hub"),
        ("def f():\n    from apps.web.hub import Hub", "apps.web.hub.Hub"),
        ("from ..web import hub", "apps.web.hub"),
        ("from . import models", "apps.orders.models"),
        ("if TYPE_CHECKING:\n    import apps.web", "apps.web"),
        ("import importlib\nimportlib.import_module('apps.web')", "apps.web"),
    ],
)
def test_the_walk_sees_every_kind_of_import(source, module):
    assert module in set(imported_modules(source, "apps.orders"))
