"""What the documents say of the settings and the version is what the code says."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from handrail_container.process import extras
from handrail_container.settings.fields import variables

from tests import reference

ROOT = Path(__file__).parents[1]


def test_the_pages_of_the_reference_are_what_the_code_says() -> None:
    """The settings, and the options of each command. `scripts/reference` writes them."""
    assert reference.SETTINGS.read_text() == reference.settings_page()
    assert reference.CLI.read_text() == reference.cli_page()


def test_the_reference_has_every_variable() -> None:
    """Once, and no other, with its own description."""
    listed = re.findall(r"(?m)^\| `(.+?)` \| .*? \| (.+) \|$", reference.SETTINGS.read_text())
    assert dict(listed) == variables()
    assert len(listed) == len(variables())


def findings() -> list[list[str]]:
    """The cells of each row of `docs/explanation/security-findings.md` that has an id."""
    lines = (ROOT / "docs" / "explanation" / "security-findings.md").read_text().splitlines()
    return [re.split(r"\s*\|\s*", line.strip("| ")) for line in lines if re.match(r"\| [CHML]\d", line)]


def test_every_finding_has_a_row_with_its_test() -> None:
    """In order, and each in five cells."""
    expected = [
        f"{kind}{number}" for kind, most in zip("CHML", (3, 7, 9, 13), strict=True) for number in range(1, most + 1)
    ]
    assert [row[0] for row in findings()] == expected
    assert {len(row) for row in findings()} == {5}
    assert [row[0] for row in findings() if "::" not in row[4]] == []


def test_the_tests_that_hold_the_findings_exist() -> None:
    page = (ROOT / "docs" / "explanation" / "security-findings.md").read_text()
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", page))
    missing = [
        f"{file}::{test}"
        for file, test in sorted(named)
        if not re.search(rf"(?m)^(async )?def {test}\(", (ROOT / "tests" / file).read_text())
    ]
    assert missing == []


def test_the_settings_of_the_findings_exist() -> None:
    """Or, with a star at its end, one that begins so."""
    named = {name for row in findings() for name in re.findall(r"`(HANDRAIL_\w+)\*?`", row[3])}
    assert [name for name in sorted(named) if not any(known.startswith(name) for known in variables())] == []


def test_the_changelog_has_what_is_not_released_or_this_version() -> None:
    """Keep a Changelog's headings."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text())
    assert {"Unreleased", version} & set(headings)


#: Folders with pages.
PAGES = ("docs", "examples", "scripts")
#: `pip install handrail`, with or without extras: on no index is there such a thing. A path and `… @ URL` are another.
FROM_AN_INDEX = re.compile(r"\bhandrail\[[a-z,]+\](?! @ )|pip install (-\S+ )*['\"]?handrail(?![\w./\[])(?! @ )")


def texts() -> list[Path]:
    """What a reader is told to type, or reads in a message."""
    folders = ("container", "handlers", "docs", "examples", "requirements", "scripts")
    below = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    kinds = {".py", ".md", ".yaml", ".txt", ".in", ""}
    return [*ROOT.glob("*.md"), ROOT / "Dockerfile", *(path for path in below if path.suffix in kinds)]


def headings(page: Path) -> set[str]:
    """The anchors of a page, as those who host it make them."""
    found = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def test_links_lead_somewhere() -> None:
    """In every page, to a file and to a heading of it: also from pages that are not part of the site."""
    pages = [*ROOT.glob("*.md"), *(page for name in PAGES for page in (ROOT / name).rglob("*.md"))]
    broken = []
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            if not file.exists() or (anchor and anchor not in headings(file)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_pages_that_are_named_are_there() -> None:
    """In messages and docstrings too."""
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in texts()
        for name in re.findall(r"docs/[\w/-]+\.md", path.read_text(errors="replace"))
        if not (ROOT / name).is_file()
    }
    assert missing == set()


@pytest.mark.parametrize("line", ["pip install 'handrail[aws]'", "install handrail[gpu] or", "pip install -U handrail"])
def test_a_line_that_no_index_answers_is_known(line: str) -> None:
    assert FROM_AN_INDEX.search(line)


def test_nothing_is_installed_from_an_index_that_has_it_not() -> None:
    """Whoever takes the name there would be what a reader installs."""
    lines = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in texts()
        for line in path.read_text(errors="replace").splitlines()
        if FROM_AN_INDEX.search(line)
    ]
    assert lines == []


def test_what_is_said_to_be_installed_is_what_the_extras_hold() -> None:
    held = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {name: list(packages) for name, packages in extras.EXTRAS.items()} == {
        name: packages for name, packages in held.items() if name != "dev"
    }


@pytest.mark.parametrize("extra", extras.EXTRAS)
def test_the_command_is_for_the_python_that_runs(extra: str) -> None:
    """In a clone its .venv, in the image its own; what a shell would read in a requirement is quoted."""
    assert shlex.split(extras.command(extra)) == [sys.executable, "-m", "pip", "install", *extras.EXTRAS[extra]]


def test_the_map_names_what_is_there() -> None:
    """Each file of the architecture page, and each function and class that it names in one."""
    roots = (ROOT / "container" / "handrail_container", ROOT)
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    missing = []
    for row in re.findall(r"(?m)^\|(?: [^|]*\|){2,3}$", page):
        files = re.findall(r"`([\w/]+\.py)`", row)
        found = [root / file for file in files for root in roots if (root / file).is_file()]
        missing += [file for file in files if not any((root / file).is_file() for root in roots)]
        names = re.findall(r"`([\w.]+)`", row.rstrip("|").rpartition("|")[2]) if files else []
        texts = " ".join(path.read_text() for path in found)
        missing += [name for name in names if not re.search(rf"(class|def) {name.rpartition('.')[2]}\b", texts)]
    assert missing == []
    assert len(re.findall(r"(?m)^\| \*\*", page)) <= 25, "the glossary has 25 words at most"
