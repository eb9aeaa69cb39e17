"""The tokenizer that an input formatter is given."""

from __future__ import annotations

from typing import Any

from handrail.core.blocking import BlockingEngine
from handrail.core.engine import Engine


class EngineTokenizer:
    """A tokenizer for engines that have none of their own to give."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": self.encode(text)}

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"this engine's tokenizer has `encode`, and no {name!r}: vLLM's has it", name=name, obj=self
        )

    def encode(self, text: str, **_: Any) -> list[int]:
        return self._engine.tokenize(text)


def tokenizer_of(engine: BlockingEngine) -> Any:
    """The model's own tokenizer, as vLLM's client gives it, or one over the engine's `tokenize`."""
    give = getattr(engine.engine.raw, "get_tokenizer", None)
    return EngineTokenizer(engine.engine) if give is None else give()
