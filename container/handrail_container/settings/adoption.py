"""The settings of scripts that build an engine of their own."""

from __future__ import annotations

import re
import shlex
from typing import Literal

from pydantic import field_validator
from pydantic_settings import BaseSettings

from handrail_container.settings.field import variable


class AdoptionSettings(BaseSettings):
    adopt: bool = variable(
        "HANDRAIL_ADOPT",
        True,
        "Whether vLLM's engine classes give the script objects over the server's engine. `false`: the script's engine "
        "is one of its own, beside the server's.",
    )
    adopt_model: Literal["same", "environment"] = variable(
        "HANDRAIL_ADOPT_MODEL",
        "same",
        "What a script gets that builds an engine of another model than the environment names: a refusal (`same`), or "
        "the environment's model in place of its own (`environment`).",
    )
    adopt_drop: str = variable(
        "HANDRAIL_ADOPT_DROP",
        "",
        "Arguments of the script's engine to leave out, separated by commas, as `quantization,max_model_len`.",
    )
    script_args: str = variable(
        "HANDRAIL_SCRIPT_ARGS",
        "",
        'The command line of a script that is run with its `if __name__ == "__main__":`, as a shell would split it.',
    )

    @property
    def dropped_arguments(self) -> frozenset[str]:
        return frozenset(filter(None, re.split(r"[,\s]+", self.adopt_drop)))

    @field_validator("script_args")
    @classmethod
    def _can_be_split(cls, value: str) -> str:
        try:
            shlex.split(value)
        except ValueError as error:
            raise ValueError(
                f"HANDRAIL_SCRIPT_ARGS is {value!r}: {error}. Write it as on a command line, as `--name 'a b' --debug`"
            ) from None
        return value
