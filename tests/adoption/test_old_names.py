"""The table of what vLLM had against what its supported versions have, as `scripts/record_vllm_names` wrote it down."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from handrail_container.program.adoption import old_names
from handrail_container.program.adoption.old_names import Dropped, Fate, Gone, Module, Renamed, Unavailable

RECORDS = sorted((Path(__file__).parents[1] / "vllm").glob("surface_*.json"))
HOMES = [*(one for one in old_names.MODULES.values() if isinstance(one, Module)), *old_names.NAMES.values()]


@pytest.fixture(params=RECORDS, ids=[record.stem for record in RECORDS])
def recorded(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(request.param.read_text())
    return found


def renamed(fates: Iterable[Fate]) -> set[str]:
    return {name for fate in fates if isinstance(fate, Renamed) for name in fate.to.split(", ")}


def fates(table: dict[str, Gone] | Any) -> list[Fate]:
    return [one.fate for one in table.values()]


def test_both_supported_versions_are_recorded() -> None:
    assert [record.stem for record in RECORDS] == ["surface_0.32", "surface_0.33"]


def test_no_argument_of_vllm_is_gone(recorded: dict[str, list[str]]) -> None:
    assert old_names.ARGUMENTS.keys() & set(recorded["arguments"]) == set()
    assert renamed(fates(old_names.ARGUMENTS)) <= set(recorded["arguments"])


def test_no_option_of_vllm_is_gone(recorded: dict[str, list[str]]) -> None:
    assert old_names.OPTIONS.keys() & {*recorded["options"], *recorded["arguments"]} == set()
    assert renamed(fates(old_names.OPTIONS)) == set()


def test_no_field_of_vllm_is_gone(recorded: dict[str, list[str]]) -> None:
    assert old_names.SAMPLING.keys() & set(recorded["sampling"]) == set()
    assert renamed(fates(old_names.SAMPLING)) - {"tokenization_kwargs"} <= set(recorded["sampling"])
    assert old_names.GUIDED.keys() & set(recorded["structured"]) == set()


def test_no_module_of_vllm_is_gone(recorded: dict[str, list[str]]) -> None:
    """Each of those that are has a home in every version."""
    there = set(recorded["modules"])
    assert old_names.MODULES.keys() & there == set()
    assert old_names.NAMES.keys() <= there
    assert [home.homes for home in HOMES if not there & set(home.homes)] == []


def test_no_name_of_a_module_of_vllm_is_gone(recorded: dict[str, list[str]]) -> None:
    there = set(recorded["names"])
    assert {name for home in HOMES for name in home.names.values()} <= there
    assert {f"{module}:{name}" for module, home in old_names.NAMES.items() for name in home.refused} & there == set()


def test_no_method_of_vllm_is_gone(recorded: dict[str, list[str]]) -> None:
    assert old_names.METHODS.keys() & set(recorded["methods"]) == set()
    assert renamed(old_names.METHODS.values()) <= set(recorded["methods"])


def test_every_sentence_says_something() -> None:
    everything = [*fates(old_names.ARGUMENTS), *fates(old_names.SAMPLING), *old_names.METHODS.values()]
    assert all(one.why for one in everything if isinstance(one, Dropped))
    assert all(one.instead for one in everything if isinstance(one, Unavailable))
