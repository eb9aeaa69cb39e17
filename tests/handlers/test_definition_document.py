"""Every problem of a document at once, each with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail.styles.definition.document import Document, validated
from handrail.styles.definition.schema import AdapterFields, Definition, Task, fields_of
from pydantic import SecretStr

GOOD: dict[str, Any] = {
    "key": "k",
    "display_name": "K",
    "config": {"connection_type": "custom_inference", "run_inference_snippet": "x"},
}


def document(changed: dict[str, Any], **more: Any) -> Document:
    data = {**GOOD, **changed}
    return Document(Path("m.yaml"), data, {name: i + 1 for i, name in enumerate(data)}, **more)


def config(**changed: Any) -> dict[str, Any]:
    return {"config": {**GOOD["config"], **changed}}


def faults(changed: dict[str, Any], **more: Any) -> list[str]:
    made, found = validated(Definition, document(changed, **more))
    assert (made is None) == bool(found)
    return list(map(str, found))


def test_what_is_left_open_has_its_default() -> None:
    made, _ = validated(Definition, document({}))
    assert made is not None
    assert (made.task, made.rate_limit, made.max_concurrent_requests, made.config.timeout) == (
        Task.CHAT,
        None,
        None,
        None,
    )
    assert (made.environment, list(made.secret_values)) == ({}, [])
    assert made.config.adapter.key == "latticeflow$identity"


def test_values_stay_what_they_are_and_secrets_are_told() -> None:
    """An integer is no float, and an empty secret is none."""
    environment = {"A": 5, "B": 0.5, "C": True, "D": "d", "E": SecretStr("hush"), "F": SecretStr("")}
    made, _ = validated(Definition, document({**config(environment=environment), "secrets": {"S": SecretStr("shh")}}))
    assert made is not None
    assert made.environment == {"A": 5, "B": 0.5, "C": True, "D": "d", "E": "hush", "F": ""}
    assert isinstance(made.environment["A"], int)
    assert list(made.secret_values) == ["hush", "shh"]
    assert "hush" not in repr(made)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kee": 1}, "m.yaml:4 kee is no field of a definition: did you mean key?"),
        ({"zzz": 1}, "m.yaml:4 zzz is no field of a definition: there are key, display_name, description, task, "),
        (config(timout=1), "m.yaml:3 config.timout is no field of a definition: did you mean timeout?"),
        (config(adapter={"kay": "x"}), "config.adapter.kay is no field of a definition: did you mean key?"),
        ({"key": "a b"}, "m.yaml:1 key is 'a b', and should match pattern"),
        ({"key": "a" * 251}, "should have at most 250 characters"),
        ({"key": 1}, "m.yaml:1 key is 1, and should be a valid string"),
        ({"display_name": ""}, "m.yaml:2 display_name is '', and should have at least 1 character"),
        ({"task": "rag"}, "task is 'rag', and should be 'chat_completion', 'embeddings' or 'custom'"),
        ({"rate_limit": 0}, "rate_limit is 0, and should be greater than or equal to 1"),
        ({"rate_limit": True}, "rate_limit should be a number"),
        ({"rate_limit": "many"}, "rate_limit is 'many', and should be a valid integer"),
        ({"max_concurrent_requests": -1}, "max_concurrent_requests is -1, and should be"),
        ({"config": None}, "m.yaml:3 config is None, and should be a valid dictionary"),
        (config(timeout=0), "config.timeout is 0, and should be greater than 0"),
        (config(timeout=float("inf")), "config.timeout should be a finite number"),
        (config(run_inference_snippet=None), "config.run_inference_snippet is None, and should be a valid string"),
        (config(environment=None), "config.environment should be a valid dictionary"),
        (
            config(environment={"A": None}),
            "config.environment.A should be a string, a number, true or false, and is nothing",
        ),
        (
            config(environment={"A": [1]}),
            "config.environment.A should be a string, a number, true or false, and is a list",
        ),
        (config(adapter={"key": ""}), "config.adapter.key is '', and"),
        ({"secrets": {"A": 5}}, "secrets.A should be a valid string"),
    ],
)
def test_a_field_that_is_wrong(changed: dict[str, Any], said: str) -> None:
    (fault,) = faults(changed)
    assert said in fault


def test_text_that_is_a_number_will_do() -> None:
    """A variable gives nothing else."""
    made, _ = validated(Definition, document({"rate_limit": "60", **config(timeout="1.5")}))
    assert made is not None
    assert (made.rate_limit, made.config.timeout) == (60, 1.5)


def test_all_problems_come_at_once() -> None:
    """Those found when it was read, too, and not a second time; what is hidden is not shown."""
    made, found = validated(
        Definition,
        Document(
            Path("m.yaml"),
            {"display_name": 5, "key": "a b", "config": {"connection_type": "custom_inference", "timeout": None}},
            {"display_name": 1, "key": 2, "config": 3, "config.timeout": 4},
            hidden=frozenset({"key"}),
            problems=(("config.timeout", "is $X, and X is not set."), ("display_name", "is $Y.")),
        ),
    )
    assert made is None
    assert list(map(str, found)) == [
        "m.yaml:4 config.timeout is $X, and X is not set.",
        "m.yaml:1 display_name is $Y.",
        "m.yaml:2 key should match pattern '^[a-zA-Z0-9_\\-$]+$'.",
        "m.yaml:3 config.run_inference_snippet is missing: write `run_inference_snippet: !include "
        '"./run_inference.py"`.',
    ]


def test_a_problem_of_reading_alone_is_enough() -> None:
    assert faults({}, problems=(("key", "is there twice: keep one."),)) == ["m.yaml:1 key is there twice: keep one."]
    assert faults({}, problems=(("nowhere", "is."),)) == ["m.yaml nowhere is."]


def test_an_adapter_has_fields_of_its_own() -> None:
    made, found = validated(
        AdapterFields, Document(Path("a.yaml"), {"key": "a", "process_input": {"language": "jsonata"}})
    )
    assert made is None
    assert [str(fault).partition(",")[0] for fault in found] == [
        "a.yaml process_input.language is 'jsonata'",
        "a.yaml process_input.source_code is missing: write `source_code: with the template`.",
    ]


def test_fields_are_found_where_mappings_are() -> None:
    assert "source_code" in fields_of(AdapterFields, ("process_input",))
    assert fields_of(Definition, ("config", "environment")) == {}


def test_a_text_is_where_its_field_is() -> None:
    assert document({}).source("key").first_line == 1
    assert document({}).source("config.x").file == Path("m.yaml")
