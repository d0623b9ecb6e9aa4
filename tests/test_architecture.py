"""What holds for the code as a whole: who imports whom, sizes, docstrings, who reads the time, pinned requirements."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "adapters", "matrix", "storage", "scheduler")
MODULES = [
    Path("app.py"),
    *(path.relative_to(ROOT) for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))),
]
MIGRATIONS = Path("storage/migrations")

MODULE_LINES = 350
FUNCTION_LINES = 40

LONG_MODULES = {
    "app.py": "the one place that names every concrete class: three commands, each put together top to bottom",
    "bot/reception.py": "one method per thing that can be typed or clicked",
    "scheduler/calendar.py": "the arithmetic of working time, whose parts need one another",
}
LONG_FUNCTIONS = {
    "scheduler/engine.py:built": "the parts are named and put together once, without a decision",
    "app.py:run": "likewise, for the platforms",
    "app.py:demo": "likewise, for the local chat",
    "adapters/slack/connection.py:bolt_app": "one registration after another",
    "bot/entering.py:enter": "entry, fact and effects of one step, mostly named arguments",
    "storage/migrations/versions/0001_the_first_schema.py:create_outbox": "a table as it was on one day, never edited",
}
CLOCKS = {
    "scheduler/clock.py": "the product's clock",
    "adapters/local/clock.py": "the demo's clock, which can be moved",
    "scheduler/wiring.py": "APScheduler compares with its own wall clock",
}
REQUIREMENTS = {
    "requirements.txt": (),
    "requirements-otel.txt": ("otel",),
    "requirements-dev.txt": ("dev",),
    "requirements-bench.txt": ("dev", "bench"),
}
"""Each file, and the extras that it holds beside the product's own."""
READS_TIME = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
}

IMPORT_EVERYTHING = """
import importlib, logging, sys, threading

done = []
quiet = {"socket.connect", "socket.bind", "subprocess.Popen", "os.system", "os.mkdir", "os.remove", "os.rename"}

def watch(event, details):
    if event == "socket.bind" and details[1] == ("::1", 0):
        return  # urllib3, below botbuilder, looks once whether this machine has IPv6
    if event in quiet or (event == "open" and set(str(details[1])) & set("wax+")):
        done.append(f"{event} {details[:2]}")

modules = sys.argv[1:]
sys.addaudithook(watch)
for name in modules:
    importlib.import_module(name)
done += [f"thread {thread.name}" for thread in threading.enumerate() if thread is not threading.main_thread()]
done += [f"log handler {handler}" for handler in logging.getLogger().handlers]
print("\\n".join(done), end="")
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), str(module))


def lines(module: Path) -> int:
    return len((ROOT / module).read_text(encoding="utf-8").splitlines())


def length(function: Function) -> int:
    """Lines from `def` to the end; the docstring does not count."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


def long_functions() -> Iterator[tuple[str, int]]:
    for module in MODULES:
        for node in ast.walk(parsed(module)):
            if isinstance(node, Function) and length(node) > FUNCTION_LINES:
                yield f"{module.as_posix()}:{node.name}", length(node)


def readings_of_time(module: Path) -> Iterator[int]:
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Attribute) and (ast.unparse(node.value).rpartition(".")[2], node.attr) in READS_TIME:
            yield node.lineno


def is_migration(module: Path) -> bool:
    """Run by Alembic, never imported by the product."""
    return module.is_relative_to(MIGRATIONS)


def dotted(module: Path) -> str:
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


def pins(file: str) -> dict[str, tuple[Version, int]]:
    """Name → version and number of hashes."""
    found: dict[str, tuple[Version, int]] = {}
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if pin := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", line):
            found[canonicalize_name(pin[1])] = (Version(pin[2]), line.count("--hash=sha256:"))
    return found


def wanted(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for: the product's, and that of some extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    return [
        Requirement(each) for each in (*project["dependencies"], *(one for name in extras for one in optional[name]))
    ]


@pytest.mark.timeout(120)
def test_everybody_imports_only_whom_they_may() -> None:
    command = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    )

    answer = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_core_imports_the_standard_library_and_itself() -> None:
    foreign = {
        f"{module}: {name}"
        for module in MODULES
        if module.parts[0] == "bot"
        for node in ast.walk(parsed(module))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if name.partition(".")[0] not in sys.stdlib_module_names | {"bot"}
    }

    assert not foreign


@pytest.mark.timeout(120)
def test_importing_does_nothing(tmp_path: Path) -> None:
    names = [dotted(module) for module in MODULES if not is_migration(module)]

    answer = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_EVERYTHING, *names],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_says_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(parsed(module)), f"{module} needs a docstring: one sentence on what it is for"


def test_modules_are_short() -> None:
    long = {module.as_posix(): lines(module) for module in MODULES if lines(module) > MODULE_LINES}

    assert long.keys() <= LONG_MODULES.keys(), f"split these, or give the reason in LONG_MODULES: {long}"


def test_functions_are_short() -> None:
    long = dict(long_functions())

    assert long.keys() <= LONG_FUNCTIONS.keys(), f"split these, or give the reason in LONG_FUNCTIONS: {long}"


def test_no_exception_outlives_its_reason() -> None:
    long = {module.as_posix() for module in MODULES if lines(module) > MODULE_LINES} | dict(long_functions()).keys()
    clocks = {module.as_posix() for module in MODULES if any(readings_of_time(module))}

    idle = (LONG_MODULES.keys() | LONG_FUNCTIONS.keys()) - long | CLOCKS.keys() - clocks

    assert not idle, f"no longer needed: {idle}"


def test_only_clocks_read_the_time() -> None:
    places = [
        f"{module}:{line}" for module in MODULES if module.as_posix() not in CLOCKS for line in readings_of_time(module)
    ]

    assert not places, "ask a Clock instead"


@pytest.mark.parametrize(("file", "extras"), REQUIREMENTS.items())
def test_requirements_are_what_pyproject_asks_for(file: str, extras: tuple[str, ...]) -> None:
    pinned = pins(file)

    unmet = [
        str(each)
        for each in wanted(*extras)
        if (name := canonicalize_name(each.name)) not in pinned or pinned[name][0] not in each.specifier
    ]

    assert not unmet, f"make lock, to bring {file} in step"


def test_requirements_are_hashed_and_name_no_index() -> None:
    for file in REQUIREMENTS:
        assert all(hashes for _, hashes in pins(file).values())
        assert "://" not in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "less"), [("requirements-dev.txt", "requirements.txt"), ("requirements-bench.txt", "requirements-dev.txt")]
)
def test_the_larger_requirements_pin_what_the_smaller_do(file: str, less: str) -> None:
    larger, smaller = pins(file), pins(less)

    assert {name: larger.get(name) for name in smaller} == smaller
