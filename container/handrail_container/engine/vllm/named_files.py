"""Checks before the engine starts the files that flags name.

vLLM takes a missing path for a name on the hub, or looks only after loading the model; a chat template that Jinja
cannot parse fails every request.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from handrail_container.program.chat_templates import syntax_error
from handrail_container.settings.vllm_flags import PREFIX

#: Flags whose value, if it has the form of a path, is a file or a directory.
NAMED = (
    *("tokenizer", "hf_config_path", "generation_config", "allowed_local_media_path"),
    *("tool_parser_plugin", "reasoning_parser_plugin"),
)
#: vLLM takes a value with any of these characters for the text of a chat template.
_TEMPLATE_MARKS = "{}\n"
_ADVICE = "write a path that is there"


def model_problems(model: str) -> list[str]:
    if not _is_missing(model):
        return []
    return [f"the model {model!r} does not exist: write a directory, or the name of a model on the hub, as org/name"]


def problems(args: Namespace) -> list[str]:
    """A sentence for each file of a flag that is missing or unreadable."""
    return [f"{name} names {what}" for name, what in _of_flags(args)]


def _of_flags(args: Namespace) -> Iterator[tuple[str, str]]:
    for flag in NAMED:
        if _is_missing(path := getattr(args, flag, None)):
            yield _variable(flag), _not_there(path)
    for module in getattr(args, "lora_modules", None) or ():
        if _is_missing(module.path):
            yield _variable("lora_modules"), f"an adapter {module.name!r} at {_not_there(module.path)}"
    draft = getattr(args, "speculative_config", None)
    if isinstance(draft, dict) and _is_missing(draft.get("model")):
        yield _variable("speculative_config"), f"a model at {_not_there(draft['model'])}"
    template = getattr(args, "chat_template", None)
    if isinstance(template, str) and (wrong := _wrong_template(template)):
        yield _variable("chat_template"), wrong


def _variable(flag: str) -> str:
    return PREFIX + flag.upper()


def _is_missing(path: Any) -> bool:
    """Whether `path` has the form of a path, not of a hub's name, and does not exist."""
    return isinstance(path, str) and path.startswith(("/", "./", "../", "~")) and not os.path.exists(path)


def _not_there(path: Any) -> str:
    return f"{path!r}, which does not exist: {_ADVICE}"


def _wrong_template(template: str) -> str | None:
    """The fault of a template given by path or as text. Any other value is left to vLLM, which has named templates."""
    if os.path.isdir(template):
        return f"{template!r}, which is a directory: write the path of a file"
    if not os.path.isfile(template):
        return syntax_error(template, "a template") if any(mark in template for mark in _TEMPLATE_MARKS) else None
    try:
        with open(template) as file:
            return syntax_error(file.read(), repr(template))
    except (OSError, ValueError) as error:
        return f"{template!r}, which cannot be read: {error}"
