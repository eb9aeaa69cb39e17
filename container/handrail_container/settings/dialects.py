"""The settings that say how requests in the shape of another server are answered."""

from __future__ import annotations

from typing import Literal

from pydantic_settings import BaseSettings

from handrail_container.settings.field import variable


class DialectSettings(BaseSettings):
    inputs_dialect: Literal["lmi", "tgi"] | None = variable(
        "HANDRAIL_INPUTS_DIALECT",
        None,
        'How the default `/invocations` answers `{"inputs": …}` where the originals differ. `lmi`: one text with an '
        "object, streams as JSON lines, at most 30 tokens. `tgi`: one text with a list, streams as server-sent events, "
        "at most 100 tokens, the prompt before the text, greedy without sampling parameters. Unset: as LMI's "
        "`option.tgi_compat` and `option.output_formatter` say, else `lmi`. Where it is set to `lmi`, an exception of "
        "a script for DJL Serving's LMI is 424.",
    )
    prefix_aware: Literal["off", "salt"] = variable(
        "HANDRAIL_PREFIX_AWARE",
        "off",
        "What the header `X-Amzn-SageMaker-Prefix-Aware-Id` does beside SageMaker's routing: with `salt`, it is the "
        "`cache_salt` (its hash) of a body for the engine that has none, and requests with different ids share no "
        "cached prefix.",
    )
