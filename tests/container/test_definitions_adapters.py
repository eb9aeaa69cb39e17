"""Adapters of the user's: found by their keys, and templates that can reach nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from handrail.styles.definition.adapter import BUILT_IN, Adapter, AdapterFailed, ModelInfo
from handrail_container.program.definition.references import References
from handrail_container.program.definition.templates import find

INFO: ModelInfo = {"model_key": "m", "modality": "text", "task": "chat_completion"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "adapters").mkdir()
    return tmp_path / "adapters"


@pytest.fixture
def adapter(folder: Path) -> Any:
    """The adapter of these templates."""

    def made(process_input: str | None = None, process_output: str | None = None) -> Adapter:
        given = {"process_input": process_input, "process_output": process_output}
        parts = {name: {"language": "jinja", "source_code": text} for name, text in given.items() if text is not None}
        (folder / "mine.yaml").write_text(json.dumps({"key": "mine", **parts}))
        found, faults = find("mine", folder, References())
        assert faults == []
        assert found is not None
        return found

    return made


def faults(key: str, folder: Path) -> list[str]:
    found, those = find(key, folder, References())
    assert found is None
    return list(map(str, those))


def test_the_variables_of_both_directions(adapter: Any) -> None:
    made = adapter(
        "{{ input.messages[0].content }} {{ kwargs.items() | list }} {{ model_info.task }} {{ model_info.modality }}",
        "{{ (body | fromjson).a }} {{ status_code == 200 }} {{ model_info.model_key }}",
    )
    assert made.key == "mine"
    assert made.process_input({"messages": [{"content": "hi"}]}, {"t": 1}, INFO) == "hi [('t', 1)] chat_completion text"
    assert made.process_output('{"a": 1}', 200, INFO) == "1 True m"


def test_a_direction_without_a_template_passes_on_what_it_gets(adapter: Any) -> None:
    made = adapter()
    assert made.process_input({"a": "ü"}, {}, INFO) == '{"a":"ü"}'
    assert made.process_output("as it is", 200, INFO) == "as it is"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ input | tojson }}", '{"b": "\\u003c", "a": [1, 2]}'),
        ('{{ ("a\\"\\n" ~ input.b) | json_escape }}', 'a\\"\\n<'),
        ("{{ input.a | zip(['x', 'y']) | list }}", "[(1, 'x'), (2, 'y')]"),
        ("{{ {'a': {'b': 1, 'c': 1}, 'd': 1} | merge({'a': {'b': 2}, 'd': {}}) }}", "{'a': {'b': 2, 'c': 1}, 'd': {}}"),
        ("{{ 'aXbx' | regex_replace('x', '-') }}", "aXb-"),
        ("{{ 'aXbx' | regex_replace('x', '-', ignorecase=True, count=1) }}", "a-bx"),
        ("{{ 'a\nb' | regex_replace('^', '-', multiline=True) }}", "-a\n-b"),
        ("{% set seen = [] %}{% do seen.append(1) %}{{ seen }}", "[1]"),
        ("{% for i in input.a %}{{ i }}{% break %}{% endfor %}", "1"),
        ("{% for i in input.a %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "2"),
    ],
)
def test_filters_and_extensions(adapter: Any, template: str, text: str) -> None:
    assert adapter(template).process_input({"b": "<", "a": [1, 2]}, {}, INFO) == text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("\n\n{{ input.missing }}", ":3 UndefinedError: 'dict object' has no attribute 'missing'"),
        ("{{ nothing }}", "UndefinedError: 'nothing' is undefined"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError: access to attribute '__class__' of 'str' object is unsafe."),
        ("{{ 'NaN' | fromjson }}", "ValueError: NaN is no JSON"),
        ("{{ input.nan | tojson }}", "ValueError: Out of range float values are not JSON compliant"),
        ("{{ range(10000000) | list }}", "OverflowError"),
        ("{% include 'other' %}", "TypeError: no loader for this environment specified"),
    ],
)
def test_a_template_that_fails_says_where(adapter: Any, folder: Path, template: str, said: str) -> None:
    with pytest.raises(AdapterFailed) as failed:
        adapter(template).process_input({"nan": float("nan")}, {}, INFO)
    assert said in str(failed.value)
    assert str(failed.value).startswith(f"{folder / 'mine.yaml'}:")


def test_lines_are_those_of_the_file(folder: Path) -> None:
    """Whether the template is in the document or in a file of its own."""
    text = "key: mine\nprocess_input:\n  source_code: |\n    one\n    {{ nothing }}\nprocess_output:\n"
    (folder / "mine.yaml").write_text(text + "  source_code: !include out.jinja\n")
    (folder / "out.jinja").write_text("\n\n{{ nothing }}\n")
    made, _ = find("mine", folder, References())
    assert made is not None
    with pytest.raises(AdapterFailed, match=r"mine\.yaml:5 UndefinedError"):
        made.process_input({}, {}, INFO)
    with pytest.raises(AdapterFailed, match=r"out\.jinja:3 UndefinedError"):
        made.process_output("", 200, INFO)


def test_a_template_that_is_none_is_refused(folder: Path) -> None:
    """Both directions at once."""
    text = "key: mine\nprocess_input:\n  source_code: |\n    one\n    {% if %}\nprocess_output:\n"
    (folder / "mine.yaml").write_text(text + "  source_code: '{{ x | no }}'\n")
    first, second = faults("mine", folder)
    assert (
        first
        == f"{folder / 'mine.yaml'}:5 the template is no Jinja: Expected an expression, got 'end of statement block'."
    )
    assert second == f"{folder / 'mine.yaml'}:7 the template is no Jinja: No filter named 'no'."


def test_fields_of_an_adapter_are_checked(folder: Path) -> None:
    (folder / "mine.yml").write_text("key: mine\nproces_input: {}\n")
    assert faults("mine", folder) == [
        f"{folder / 'mine.yml'}:2 proces_input is no field of a definition: did you mean process_input?"
    ]


def test_a_key_that_nobody_has(folder: Path) -> None:
    """What there is instead, and what could not be read."""
    (folder / "a.yaml").write_text("key: other\n")
    (folder / "b.yaml").write_text("- no fields\n")
    first, second = faults("mine", folder)
    assert first.startswith(
        f"there is no adapter 'mine': {folder}/*.yaml and the built-in ones are other, latticeflow$identity, "
    )
    assert "b.yaml holds no fields" in second


def test_a_key_that_is_nearly_one_is_named_with_its_place(folder: Path) -> None:
    """Of a built-in adapter, and of the user's."""
    (folder / "a.yaml").write_text("key: my_chat\n")
    for key, meant in {"my_chat_": "my_chat", "latticeflow$identty": "latticeflow$identity"}.items():
        _, (fault,) = find(key, folder, References(), "/ml/model.yaml:9")
        assert str(fault).startswith(
            f"/ml/model.yaml:9 there is no adapter '{key}': did you mean {meant}? {folder}/*.yaml"
        )


def test_a_key_that_two_have(folder: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text("key: mine\n")
    (fault,) = faults("mine", folder)
    assert fault == f"{folder / 'a.yaml'}:1 and {folder / 'b.yaml'}:1 are both the adapter 'mine': keep one."


def test_what_nobody_asks_for_may_be_broken(folder: Path) -> None:
    (folder / "b.yaml").write_text("- no fields\n")
    assert find("latticeflow$identity", folder, References()) == (BUILT_IN["latticeflow$identity"], [])


def test_a_users_adapter_comes_before_a_built_in_one(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "key: latticeflow$identity\nprovider: latticeflow\nprocess_output:\n  source_code: mine\n"
    )
    made, _ = find("latticeflow$identity", folder, References())
    assert made is not None
    assert made.process_output("", 200, INFO) == "mine"
