"""Writes what docs/reference has of the code: the settings, and the options of the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import get_annotations
from pathlib import Path

import click
from handrail_container.cli import main as handrail
from handrail_container.settings.fields import Settings

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
SETTINGS, CLI = REFERENCE / "settings.md", REFERENCE / "cli.md"

_HEAD = """\
# Settings

All settings are environment variables. `handrail check --all` prints them for a directory, with their values and where
they come from. An empty variable counts as unset. A variable that begins with `HANDRAIL_` or `CUSTOM_FASTAPI_` and is
not listed here stops the start; the message suggests the nearest name. `scripts/reference` writes this page.
"""
#: By the class that has the fields.
_SECTIONS = {
    "ServerSettings": "The program and the server",
    "ToolkitSettings": "Scripts for SageMaker's inference toolkit",
    "EndpointHandlerSettings": "Handlers of Hugging Face's Inference Endpoints",
    "VertexSettings": "Vertex AI",
    "ApplicationSettings": "An application in the script",
    "AdoptionSettings": "Scripts that build an engine of their own",
    "PluginSettings": "Plugins",
    "DialectSettings": "Request shapes",
    "AdapterSettings": "LoRA adapters",
    "LimitSettings": "Limits and times",
    "RaySettings": "Replicas on Ray",
}
_TABLE = "| variable | default | means |\n|---|---|---|"
_CODE = r"`\g<0>`"
_VARIABLE = re.compile(r"\b[A-Z]+_[A-Z_]+\b")
_OPTIONS = re.compile(r"(?s)<!-- options: (\w+) -->\n.*?<!-- end -->")


def settings_page() -> str:
    """The settings in the order of the code, a table for each class of them."""
    lines, section = [_HEAD.rstrip()], ""
    for name, field in Settings.model_fields.items():
        owner = next(cls.__name__ for cls in reversed(Settings.__mro__) if name in get_annotations(cls))
        if owner != section:
            section = owner
            lines.append(f"\n## {_SECTIONS[owner]}\n\n{_TABLE}")
        default = "" if field.default in (None, {}) else f"`{field.default}`"
        lines.append(f"| `{field.validation_alias}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """The page as it is, with the options of today between its marks."""
    return _OPTIONS.sub(lambda mark: "\n".join(_between(mark[1])), CLI.read_text())


def _between(command: str) -> Iterator[str]:
    yield from (f"<!-- options: {command} -->", "", "| option | means |", "|---|---|")
    for option in handrail.commands[command].params:
        if isinstance(option, click.Option):
            yield f"| {_written(option)} | {_help(option)} |"
    yield from ("", "<!-- end -->")


def _written(option: click.Option) -> str:
    if option.is_flag:
        value = ""
    elif isinstance(option.type, click.Choice):
        value = f" {{{','.join(map(str, option.type.choices))}}}"
    else:
        value = " " + (option.metavar or option.type.name.upper()).replace("|", " or ")
    return f"`{', '.join(option.opts)}{value}`"


def _help(option: click.Option) -> str:
    default = f" [default: {option.default}]" if option.show_default else ""
    return f"{_VARIABLE.sub(_CODE, option.help or '')}{default}".strip()


if __name__ == "__main__":
    SETTINGS.write_text(settings_page())
    CLI.write_text(cli_page())
