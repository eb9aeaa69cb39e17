"""What the documents say of the settings and the version is what the code says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from handrail_container.settings import Settings, variables

ROOT = Path(__file__).parents[1]


def environment_table() -> list[list[str]]:
    """The cells of README's table of the environment: name, default, description."""
    section = re.split(r"(?m)^#+ ", (ROOT / "README.md").read_text().partition("# Environment\n")[2])[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_the_readme_lists_every_variable_and_no_other() -> None:
    """In the order of the settings, with their own descriptions."""
    assert [(name.strip("`"), description) for name, _, description in environment_table()] == list(variables().items())


def test_the_readme_has_the_defaults() -> None:
    """Nothing where there is none."""
    defaults = {str(field.validation_alias): field.default for field in Settings.model_fields.values()}
    for name, default, _ in environment_table():
        value = defaults[name.strip("`")]
        assert default.strip("`") == ("" if value in (None, {}) else str(value))


def test_the_changelog_has_what_is_not_released_or_this_version() -> None:
    """Keep a Changelog's headings."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text())
    assert {"Unreleased", version} & set(headings)
