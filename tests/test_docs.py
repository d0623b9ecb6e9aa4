"""The documentation is true where a test can tell: links lead somewhere, commands exist, examples load."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from adapters.console.commands import read_arguments
from adapters.slack.checks import SCOPES
from bot.directory import platform_of
from matrix.agreement import read_files
from matrix.directory_file import load_directory
from scheduler.calendar import BusinessCalendar

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
README, SLACK = ROOT / "README.md", ROOT / "docs/slack.md"

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")
TARGET = re.compile(r"\bmake ([a-z]+)")
COMMAND = re.compile(r"\bapp\.py ([a-z-]+)((?: --[a-z]+)*)")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Without the blocks of code."""
    return FENCE.sub("", text(page))


def blocks(page: Path, language: str) -> list[str]:
    return [code for name, code in FENCE.findall(text(page)) if name == language]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(page: Path, link: str) -> bool:
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path):
    links = [link for link in LINK.findall(prose(page)) if "://" not in link]

    assert [link for link in links if broken(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_tests_that_are_named_exist(page: Path):
    named = TEST.findall(text(page))

    assert [path for path, _ in named if not (ROOT / path).exists()] == []
    assert [name for path, name in named if name and f"def {name}(" not in text(ROOT / path)] == []


def test_the_documents_are_all_reachable_from_the_readme():
    seen: set[Path] = set()
    waiting = [README]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.suffix == ".md" and page.is_file():
            seen.add(page)
            links = (link.partition("#")[0] for link in LINK.findall(prose(page)) if "://" not in link)
            waiting += [(page.parent / link).resolve() for link in links if link]

    assert set(PAGES) <= seen


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_make_targets_exist(page: Path):
    code = " ".join([*(code for _, code in FENCE.findall(text(page))), *re.findall(r"`([^`\n]+)`", prose(page))])
    targets = set(re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE))

    assert set(TARGET.findall(code)) <= targets


def test_commands_of_the_app_exist(capsys: pytest.CaptureFixture[str]):
    named = {found for page in PAGES for found in COMMAND.findall(text(page))}
    assert {"check", "run", "demo"} <= {command for command, _ in named}

    for command, options in sorted(named):
        with pytest.raises(SystemExit) as ended:
            read_arguments([command, "--help"])
        assert ended.value.code == 0, command
        said = capsys.readouterr().out
        assert all(option in said for option in options.split())


def test_the_directories_of_the_slack_page_load_and_fit_the_matrices(tmp_path: Path):
    examples = [code for code in blocks(SLACK, "yaml") if "workspace:" in code]
    assert examples
    for number, example in enumerate(examples):
        file = tmp_path / f"{number}.yaml"
        file.write_text(example, encoding="utf-8")

        directory = read_files(file, None, BusinessCalendar, {"slack"}).directory

        assert directory.default_matrix
        assert all(platform_of(to) == "slack" for role in directory.roles.values() for to in role.owners)


def test_the_directory_of_its_own_page_loads():
    whole = [code for code in blocks(ROOT / "docs/directory.md", "yaml") if "workspace:" in code]

    assert [load_directory(code, "directory.yaml").directory.workspace for code in whole] == ["acme"]


def test_the_slack_page_explains_every_scope_and_no_other():
    explained = set(re.findall(r"^\| `([a-z_:]+)` \|", text(SLACK), re.MULTILINE))

    assert explained == SCOPES | {"connections:write"}
