"""`deploy.yaml` as it is written: what is wrong is named by its line, and no variable is replaced in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail_container.process.exits import SettingsError
from handrail_container.sagemaker.deploy.deployment import read


def refused(folder: Path, text: str) -> list[str]:
    (folder / "deploy.yaml").write_text(text)
    with pytest.raises(SettingsError) as wrong:
        read(folder / "deploy.yaml", {})
    return [problem.replace(f"{folder}/", "") for problem in wrong.value.problems]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: demo\nenvironment:\n  A: b\n  HF_TOKEN: $HF_TOKEN\n", "deploy.yaml:4: environment.HF_TOKEN is"),
        ("environment: {URL: 'https://${HOST}/v1'}\n", "deploy.yaml:1: environment.URL is 'https://${HOST}/v1'"),
        ("environment:\n  A: |\n    one\n    ${TWO:-2}\n", "deploy.yaml:2: environment.A is 'one\\n${TWO:-2}\\n'"),
        ("\n\nrole: $ROLE\n", "deploy.yaml:3: role is '$ROLE', in which no variable is replaced: write the value, or"),
        ("instance_type: ${TYPE}\n", "leave it out here and give --instance-type …"),
        ("subnets: [$SUBNET]\nsecurity_groups: [sg-1]\n", "deploy.yaml:1: subnets.0 is '$SUBNET'"),
        ("tags: {team: $TEAM}\n", "give --tag team=…, where your shell replaces it"),
        ("subnets: &s\n- a\n- $B\nsecurity_groups: *s\n", "deploy.yaml:3: subnets.1"),
    ],
)
def test_a_variable_that_nothing_replaces_is_refused(tmp_path: Path, text: str, says: str) -> None:
    assert any(says in problem for problem in refused(tmp_path, text))


def test_each_of_them_is_named(tmp_path: Path) -> None:
    problems = refused(tmp_path, "role: $ROLE\nenvironment: {A: $A, B: b, C: $C}\n")
    assert [problem.split(" ")[1] for problem in problems] == ["role", "environment.A", "environment.C"]


@pytest.mark.parametrize("value", ["5$", "$5", "a$b", "^x$|y", "$$", "{{ $ }}", "$lower", "p$Word", "'$ '"])
def test_a_dollar_is_no_variable(tmp_path: Path, value: str) -> None:
    (tmp_path / "deploy.yaml").write_text(f'environment:\n  A: "{value}"\n')
    assert read(tmp_path / "deploy.yaml", {}).environment == {"A": value}


def test_what_the_command_line_gives_is_taken_as_it_is(tmp_path: Path) -> None:
    """A shell has replaced what it was to replace."""
    (tmp_path / "deploy.yaml").write_text("environment: {A: a}\n")
    given = read(tmp_path / "deploy.yaml", {"environment": {"B": "$B"}})
    assert given.environment == {"A": "a", "B": "$B"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: demo\n# a note\nroll: x\n", "deploy.yaml:3: roll is not a setting. Did you mean role?"),
        ("name: demo\ninstance_count: none\n", "deploy.yaml:2: instance_count is 'none'"),
        ("name: demo\nrolls: {}\n", "deploy.yaml: rolls is not a setting."),
        ("environment: 3\n", "deploy.yaml:1: environment is 3"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, text: str, says: str) -> None:
    """Where it has one."""
    (problem,) = refused(tmp_path, text)
    assert problem.startswith(says)


def test_a_flag_is_named_as_a_flag() -> None:
    """Without a file, and over one."""
    with pytest.raises(SettingsError, match=r"^--instance-count is 'none'"):
        read(None, {"instance_count": "none"})
