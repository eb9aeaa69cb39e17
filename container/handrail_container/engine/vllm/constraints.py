"""Validates structured outputs in a thread, and each of them once.

vLLM validates them on the event loop, and again for each prompt. One regular expression may take a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator
from typing import Any

from handrail_container.engine.grammars import TooMuchAsked, require_compilable
from handrail_container.engine.vllm.names import vllm
from handrail_container.process.threads import in_thread

_REMEMBERED = 64
_AT_ONCE = 2
#: Between which vLLM chooses for each request, in its order.
_COMPILERS = ("xgrammar", "guidance")


class Constraints:
    """The validation of structured outputs. `most` is the largest cost of one, from HANDRAIL_MAX_GRAMMAR_SIZE."""

    def __init__(self, client: Any, most: int) -> None:
        self._client = client
        self._most = most
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._known: OrderedDict[str, asyncio.Task[Any]] = OrderedDict()

    async def validate(self, params: Any) -> None:
        """Validate the structured outputs of `params`, so that vLLM does not validate them again.

        Equal outputs are validated once; the last _REMEMBERED are remembered. Raises vLLM's own VLLMValidationError,
        also if the outputs cost more than `most`.
        """
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

    def followed(self, outputs: AsyncGenerator[Any], params: Any) -> AsyncGenerator[Any]:
        """The engine's `outputs`, with a VLLMValidationError in place of one that failed at its first token.

        That is the only sign of structured outputs that pass vLLM's validation and that its engine cannot follow.
        """
        return outputs if getattr(params, "structured_outputs", None) is None else self._followed(outputs, params)

    async def _followed(self, outputs: AsyncGenerator[Any], params: Any) -> AsyncGenerator[Any]:
        async with contextlib.aclosing(outputs):
            async for output in outputs:
                if any(one.finish_reason == "error" and len(one.token_ids) <= 1 for one in output.outputs):
                    raise vllm("VLLMValidationError")(await in_thread(lambda: self._reason(params), "grammar"))
                yield output

    def _reason(self, params: Any) -> str:
        """Why the engine cannot follow the structured outputs of `params`.

        With the backend `auto`, vLLM validates each request for the compiler that suits it, but an engine compiles all
        grammars with the compiler of its first.
        """
        config = copy.copy(self._client.vllm_config.structured_outputs_config)
        reason = "structured outputs: the engine cannot follow them: no text matches, or it cannot compile them"
        for compiler in _COMPILERS if config.backend == "auto" else ():
            config.backend = compiler
            again = vllm("SamplingParams")(structured_outputs=dataclasses.replace(params.structured_outputs))
            try:
                again._validate_structured_outputs(self._client.model_config, config, self._client.renderer.tokenizer)
            except Exception as refused:  # noqa: BLE001  whatever a compiler raises is its reason
                return f"{reason}: {compiler}: {str(refused).strip()}"
        return reason

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
    """Mark the error as retrieved: it is raised to the client's task, which may have been cancelled."""
    if not task.cancelled():
        task.exception()


def _nothing(*given: Any) -> None:
    """Replaces vLLM's validation, which has been done."""
