"""The table of vLLM's names against what its supported versions have, as `scripts/record_vllm_names` wrote it down."""

from __future__ import annotations

import json
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import pytest
from handrail_container.engine.vllm.members import MEMBERS
from handrail_container.engine.vllm.names import NAMES

RECORDS = sorted((Path(__file__).parents[2] / "vllm").glob("names_*.json"))
TABLE = NAMES | {member.path: member for member in MEMBERS}


def signature(parameters: list[str]) -> Signature:
    kind = Parameter.POSITIONAL_OR_KEYWORD
    listed = []
    for text in parameters:
        if text.startswith("*"):
            if name := text.strip("*"):
                variable = Parameter.VAR_KEYWORD if text.startswith("**") else Parameter.VAR_POSITIONAL
                listed.append(Parameter(name, variable))
            kind = Parameter.KEYWORD_ONLY
        else:
            listed.append(Parameter(text.strip("="), kind, default=None if "=" in text else Parameter.empty))
    return Signature(listed)


def test_both_supported_versions_are_recorded() -> None:
    assert [record.stem for record in RECORDS] == ["names_0.32", "names_0.33"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_every_name_is_there_where_the_table_looks(record: Path) -> None:
    recorded: dict[str, Any] = json.loads(record.read_text())
    assert recorded.keys() == TABLE.keys(), "run scripts/record_vllm_names on both wheels again"
    for key, name in TABLE.items():
        assert recorded[key], f"{key} is not in {record.stem}"
        assert recorded[key]["module"] in name.modules, key


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_every_call_we_make_is_accepted(record: Path) -> None:
    recorded: dict[str, Any] = json.loads(record.read_text())
    for key, name in TABLE.items():
        if name.calls:
            positional, keywords = name.calls
            signature(recorded[key]["parameters"]).bind(*range(positional), **dict.fromkeys(keywords))
