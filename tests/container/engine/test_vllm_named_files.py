"""Flags that name files; nothing of vLLM's is needed."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from handrail_container.engine.vllm.named_files import model_problems, problems


def found(**flags: Any) -> list[str]:
    return problems(Namespace(**flags))


def test_what_is_there_or_may_be_on_a_hub_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    modules = [SimpleNamespace(name="a", path=str(tmp_path / "adapter")), SimpleNamespace(name="b", path="org/name")]
    draft = {"model": "org/draft", "num_speculative_tokens": 2}
    assert (
        found(tokenizer=str(tmp_path), lora_modules=modules, speculative_config=draft, generation_config="auto") == []
    )
    assert found(tokenizer=None, lora_modules=None, speculative_config=None, chat_template=None) == []
    assert found(speculative_config={"method": "ngram"}, chat_template="chatml") == []
    assert model_problems("org/name") == model_problems(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"tokenizer": "/no/tokenizer"}, "SM_VLLM_TOKENIZER names '/no/tokenizer', which does not exist"),
        ({"hf_config_path": "./no-config"}, "SM_VLLM_HF_CONFIG_PATH names './no-config', which does not exist"),
        ({"generation_config": "~/none"}, "SM_VLLM_GENERATION_CONFIG names '~/none', which does not exist"),
        ({"tool_parser_plugin": "/no/p.py"}, "SM_VLLM_TOOL_PARSER_PLUGIN names '/no/p.py', which does not exist"),
        (
            {"lora_modules": [SimpleNamespace(name="a", path="/no/adapter")]},
            "SM_VLLM_LORA_MODULES names an adapter 'a' at '/no/adapter', which does not exist",
        ),
        (
            {"speculative_config": {"model": "/no/draft"}},
            "SM_VLLM_SPECULATIVE_CONFIG names a model at '/no/draft', which does not exist",
        ),
    ],
)
def test_a_path_that_is_not_there_names_its_variable(flags: dict[str, Any], said: str) -> None:
    (sentence,) = found(**flags)
    assert sentence == f"{said}: write a path that is there"


def test_all_of_them_are_said_at_once() -> None:
    assert len(found(tokenizer="/no", hf_config_path="/no", chat_template="{% if %}")) == 3
    (model,) = model_problems("/no/model")
    assert model.startswith("the model '/no/model' does not exist")


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.content }}\n{% endfor %}",
        "{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{% continue %}{% endfor %}",
        "{% generation %}{{ messages[0].content | tojson }}{% endgeneration %}",
        "{{ raise_exception('no') }}{{ strftime_now('%Y') }}{{ x | a_filter_of_vllms }}",
        "{%- macro one(x) -%}{{ x }}{%- endmacro -%}" + "\n" * 9000,
    ],
)
def test_a_template_as_models_have_it_is_taken(tmp_path: Path, template: str) -> None:
    assert found(chat_template=template) == []
    (tmp_path / "t.jinja").write_text(template)
    assert found(chat_template=str(tmp_path / "t.jinja")) == []


def test_a_template_that_jinja_cannot_read_is_said_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "t.jinja"
    file.write_text("{% for m in messages %}\n{{ m.content }\n{% endfor %}")
    (of_file,) = found(chat_template=str(file))
    assert of_file.startswith(f"SM_VLLM_CHAT_TEMPLATE names {str(file)!r} that Jinja cannot read: line 2: ")
    (of_text,) = found(chat_template="{% endfor %}")
    assert of_text.startswith("SM_VLLM_CHAT_TEMPLATE names a template that Jinja cannot read: line 1: ")


def test_a_template_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.jinja").write_bytes(b"\xff\xfe")
    (of_file,) = found(chat_template=str(tmp_path / "t.jinja"))
    assert "which cannot be read: " in of_file
    (of_directory,) = found(chat_template=str(tmp_path))
    assert of_directory.endswith("which is a directory: write the path of a file")
