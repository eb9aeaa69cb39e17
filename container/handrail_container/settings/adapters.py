"""The settings of LoRA adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings

from handrail_container.settings.field import variable

CodeFrom = Literal["refuse", "ignore", "model", "local", "hub"]


class AdapterSettings(BaseSettings):
    adapters_path: str | None = variable(
        "HANDRAIL_ADAPTERS_PATH",
        None,
        "Directories, separated by `:`, below which clients may have LoRA adapters loaded, beside the model directory "
        "and `/opt/ml`.",
    )
    adapters_from_hub: bool = variable(
        "HANDRAIL_ADAPTERS_FROM_HUB", False, "Whether clients may have LoRA adapters fetched from the hub, by their id."
    )
    adapters_code: CodeFrom = variable(
        "HANDRAIL_ADAPTERS_CODE",
        "model",
        "Which LoRA adapters may bring a `model.py` and a chat template: `model`, those below the model directory and "
        "those that `SM_VLLM_LORA_MODULES` names; `local`, those of any directory on this machine; `hub`, those of the "
        "hub, too; `refuse`, none. Any other adapter that has a `model.py` is not loaded. `ignore` loads the weights "
        "alone.",
    )
    max_adapters: int = variable(
        "HANDRAIL_MAX_ADAPTERS", 1000, "LoRA adapters that are loaded at once; one more is 507.", ge=1
    )

    @property
    def adapter_roots(self) -> tuple[Path, ...]:
        return tuple(Path(one) for one in (self.adapters_path or "").split(":") if one)
