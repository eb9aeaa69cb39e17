"""Structured outputs, validated beside the event loop and once: vLLM validates them on it, for each prompt anew, and a
regular expression may take it a second."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from typing import Any

from handrail_container.engine.grammars import TooMuchAsked, require_compilable
from handrail_container.engine.vllm.names import vllm
from handrail_container.process.threads import in_thread

_REMEMBERED = 64
_AT_ONCE = 2


class Constraints:
    """`most` is HANDRAIL_MAX_GRAMMAR_SIZE."""

    def __init__(self, client: Any, most: int) -> None:
        self._client = client
        self._most = most
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._known: OrderedDict[str, asyncio.Task[Any]] = OrderedDict()

    async def validate(self, params: Any) -> None:
        """Leaves vLLM nothing to validate of what `params` constrain. Raises vLLM's own complaint."""
        outputs = getattr(params, "structured_outputs", None)
        if outputs is None:
            return
        key = json.dumps(vars(outputs), default=str)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = asyncio.create_task(self._beside(params))
            known.add_done_callback(_heard)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        params.structured_outputs = await asyncio.shield(known)
        with contextlib.suppress(AttributeError):  # parameters that take no attribute are validated twice
            params._validate_structured_outputs = _nothing

    async def _beside(self, params: Any) -> Any:
        async with self._places:
            return await in_thread(lambda: self._validated(params), "grammar")

    def _validated(self, params: Any) -> Any:
        outputs = params.structured_outputs
        try:
            require_compilable(outputs, self._most)
        except TooMuchAsked as refused:
            raise vllm("VLLMValidationError")(str(refused)) from None
        config = self._client.vllm_config.structured_outputs_config
        params._validate_structured_outputs(self._client.model_config, config, self._client.renderer.tokenizer)
        return outputs


def _heard(task: asyncio.Task[Any]) -> None:
    """Its error is the client's, who may have left."""
    if not task.cancelled():
        task.exception()


def _nothing(*given: Any) -> None:
    """In place of what has been done."""
