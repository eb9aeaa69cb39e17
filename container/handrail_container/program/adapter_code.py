"""Loads the code of a LoRA adapter, and checks its chat template."""

from __future__ import annotations

from pathlib import Path

from handrail import adapter_code
from handrail.adapter_code import TEMPLATE, AdapterCode
from handrail.core.errors import ProgramFault
from handrail.styles.lmi import stand_in


def load(folder: Path, name: str) -> AdapterCode | None:
    """As `handrail.adapter_code.load`. Raises HandlerFault, too, for a template that Jinja cannot read."""
    if _names_djl(folder / adapter_code.SCRIPT):
        stand_in.install()
    code = adapter_code.load(folder, name)
    if code is not None and code.chat_template is not None:
        from handrail_container.program.chat_templates import syntax_error  # few adapters have one

        if wrong := syntax_error(code.chat_template, f"{folder / TEMPLATE} has a template"):
            code.close()
            raise ProgramFault(wrong)
    return code


def _names_djl(script: Path) -> bool:
    return script.is_file() and stand_in.PACKAGE.encode() in script.read_bytes()
