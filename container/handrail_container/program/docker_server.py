"""Translates the command of a Truss's `docker_server`, if it starts vLLM's own server, into `SM_VLLM_*` variables."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from handrail.core.redaction import is_secret

from handrail_container.settings.vllm_flags import PREFIX, REFUSED, WITHOUT_EFFECT

_INSTEAD = "a server of its own runs in a container of its own: start that image"
_MODULES = ("vllm.entrypoints.openai.api_server", "vllm.entrypoints.cli.main")
_MODEL = f"{PREFIX}MODEL"
_SHELLS = ("sh", "bash", "dash", "ash", "zsh")
#: The tokens of a shell command: quoted text, a comment, the end of the command, or any other character.
_PIECES = re.compile(
    r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|(?P<comment>(?:(?<=\s)|^)\#[^\n]*)|(?P<end>[();<>|&\n])|.""", re.DOTALL
)
_SHORT = {"-tp": "TENSOR_PARALLEL_SIZE", "-pp": "PIPELINE_PARALLEL_SIZE", "-dp": "DATA_PARALLEL_SIZE"} | {
    "-q": "QUANTIZATION",
    "-O": "OPTIMIZATION_LEVEL",
}
#: Switches, which take no value: a word after one is the model.
_SWITCH = re.compile(r"--(no|enable|disable)-|--(trust-remote-code|enforce-eager|async-scheduling)$")
#: Flags with several values that look like a model's name.
_OF_MODELS = ("--served-model-name", "--lora-modules")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


@dataclass
class Translated:
    """The translation: `variables` with their values, and a sentence for each part that is `left` to the user."""

    variables: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def set(self, name: str, value: str) -> None:
        """Store a variable. A secret, and a value that only a shell can expand, is left to the user."""
        if is_secret(name):
            self.left.append(f"{name}, a secret")
        elif "$" in value or "`" in value:
            self.left.append(f"{name}, whose value {value} only a shell knows")
        else:
            self.variables[name] = value


def refusal(given: Any) -> str:
    """Advice in place of `docker_server`: a first line that stands alone, and any variables as shell commands."""
    command = given.get("start_command") if isinstance(given, Mapping) else None
    found = translated(command) if isinstance(command, str) else None
    if found is None:
        return _INSTEAD
    ordered = sorted(found.variables.items(), key=lambda item: item[0] != _MODEL)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in ordered]
    left = [f"Not among them: {'; '.join(found.left)}."] if found.left else []
    return "\n".join(
        [f"{_INSTEAD}. For its model over this engine, leave docker_server out, and set what it says:", *lines, *left]
    )


def translated(command: str) -> Translated | None:
    """The command's variables; None if it does not start vLLM's server or is no valid shell command."""
    try:
        commands = list(_commands(command))
    except ValueError:  # a quote that is not closed
        return None
    found = Translated()
    for words in commands:
        script = _script(words)
        inner = translated(script) if script is not None else None
        if inner is not None:
            return Translated(found.variables | inner.variables, [*found.left, *inner.left])
        begin = _begin(words)
        for word in words[: len(words) if begin is None else begin]:
            if (match := _ASSIGNMENT.fullmatch(word)) is not None:
                found.set(match[1], match[2])
        if begin is not None:
            _read(words[begin:], found)
            return found
    return None


def _commands(text: str) -> Iterator[list[str]]:
    """The words of each command. A line that begins with a flag continues the one before. Raises ValueError."""
    text = re.sub(r"\n\s*(?=-)", " ", re.sub(r"\\\r?\n", " ", text.strip()))
    command = ""
    for piece in _PIECES.finditer(text):
        if piece["end"]:
            yield shlex.split(command)
            command = ""
        elif not piece["comment"]:
            command += piece[0]
    yield shlex.split(command)


def _script(words: list[str]) -> str | None:
    """The script of a `sh -c "…"` among the words."""
    for shell, option, script in zip(words, words[1:], words[2:], strict=False):
        if Path(shell).name in _SHELLS and re.fullmatch("-[a-z]*c", option):
            return script
    return None


def _begin(words: list[str]) -> int | None:
    """The index of the server's first argument; None if the words do not start vLLM's server."""
    for at, (word, following) in enumerate(pairwise(words)):
        if Path(word).name == "vllm" and following == "serve":
            return at + 2
        if word == "-m" and following in _MODULES:
            return at + 2 + (words[at + 2 : at + 3] == ["serve"])
    return None


def _read(words: list[str], found: Translated) -> None:
    """Translate the server's arguments, `words`."""
    models: list[str] = []
    while words and not _is_flag(words[0]):
        models.append(words.pop(0))
    while words:
        flag, equals, value = words.pop(0).partition("=")
        values = [value] if equals else []
        while not equals and words and not _is_flag(words[0]):
            values.append(words.pop(0))
        if not equals and _SWITCH.match(flag) and values not in (["true"], ["false"]):
            models, values = [*models, *values], []
        if len(values) > 1 and not models and "/" in values[-1] and flag not in _OF_MODELS:
            models.append(values.pop())
        _set(flag, values, found)
    if models:
        found.set(_MODEL, models[0])
    elif _MODEL not in found.variables:
        found.left.append(f"the model, which it does not name: set {_MODEL}")


def _is_flag(word: str) -> bool:
    """Whether `word` is a flag. A negative number is a value."""
    return re.match(r"-[^\d.]", word) is not None


def _set(flag: str, values: list[str], found: Translated) -> None:
    name = _SHORT.get(flag) or (flag[2:].replace("-", "_").upper() if flag.startswith("--") else "")
    if match := re.fullmatch(r"-O(\d)", flag):
        name, values = _SHORT["-O"], [match[1]]
    if not re.fullmatch(r"\w+", name):
        found.left.append(f"{flag}: write the flag's long name, and JSON for one with a dot")
    elif name in REFUSED:
        found.left.append(f"{flag}: {REFUSED[name]}")
    elif name in WITHOUT_EFFECT:
        instead = WITHOUT_EFFECT[name]
        found.left.append(f"{flag}: {'use ' + instead if instead else 'it has no effect here'}")
    else:
        found.set(f"{PREFIX}{name}", _value(values))


def _value(values: list[str]) -> str:
    if not values:
        return "true"
    return values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False)
