"""What the objects of a script know of the server that they are in."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import difflib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from handrail.core.engine import Engine

from handrail_container.engine.vllm.adoption.adapters import Loaded
from handrail_container.engine.vllm.adoption.ours import called_at
from handrail_container.engine.vllm.adoption.renderer import AnyThreadRenderer
from handrail_container.engine.vllm.lora import VllmAdapters
from handrail_container.engine.vllm.names import vllm
from handrail_container.program.adoption.arguments import unknown
from handrail_container.program.adoption.arrival import Running
from handrail_container.program.adoption.record import Adoption, AdoptionRefused, EngineNotHere


class Preview:
    """What the model's files say before the engine runs."""

    def __init__(self, engine_args: Any) -> None:
        self.model_config = engine_args.create_model_config()
        self._tokenizer = vllm("cached_tokenizer_from_config")(self.model_config)

    def tokenizer(self) -> Any:
        return copy.deepcopy(self._tokenizer)


class Host:
    """`engine_args` makes vLLM's arguments from the flags that the engine gets."""

    def __init__(
        self,
        adoption: Adoption,
        adapters: VllmAdapters,
        facade: Engine,
        engine_args: Callable[[], Any],
    ) -> None:
        self.adoption = adoption
        self._adapters = adapters
        self._facade = facade
        self._engine_args = engine_args
        self._preview: Preview | None = None

    @property
    def is_early(self) -> bool:
        """Whether to wait for the engine would be to wait for ever: on the server's own loop, which the engine's start
        needs; and where none is started."""
        if self.adoption.loop is None:
            return True
        return not self.adoption.arrival.is_settled and self._is_on_loop

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The server's event loop. Raises EngineNotHere."""
        if self.adoption.loop is None:
            raise EngineNotHere(f"{called_at()} asks the engine, and none is started here")
        return self.adoption.loop

    @property
    def _is_on_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self.adoption.loop
        except RuntimeError:  # this thread runs no event loop
            return False

    def require_thread(self) -> None:
        """Raises AdoptionRefused if this would block the engine's own loop for ever."""
        if self._is_on_loop:
            raise AdoptionRefused(
                f"{called_at()} waits for the engine in an `async def`, on the event loop that the engine needs to "
                "answer: make the function a `def`, call it with `await asyncio.to_thread(…)`, or build an "
                "AsyncLLMEngine"
            )

    def preview(self) -> Preview:
        if self._preview is None:
            self._preview = Preview(self._engine_args())
        return self._preview

    def use(self) -> Running:
        """The engine; this thread waits for it. Raises AdoptionRefused where that would be for ever."""
        self.require_own_process()
        running = self.adoption.arrival.running
        if running is None:
            self.require_thread()
            running = self.adoption.use(called_at())
        return running

    def require_own_process(self) -> None:
        """Raises AdoptionRefused in a child process. The caller's line is looked for only then."""
        if not self.adoption.is_own_process:
            self.adoption.require_own_process(called_at())

    async def outputs(self, method: str, asked: tuple[Any, Any, str], named: Mapping[str, Any]) -> AsyncIterator[Any]:
        """The outputs of `generate` or `encode` for a prompt, parameters and an id. Those who watch the engine see
        one call of it."""
        running = await self.adoption.arrival.awaited()
        ask = getattr(running.client, method)
        if (watch := self._facade.watch) is None:
            async with aclosing(ask(*asked, **named)) as outputs:
                async for output in outputs:
                    yield output
            return
        call, error = watch.call(method, asked[2]), None
        with call:
            headers = {name.decode(): value.decode() for name, value in watch.headers()}
        try:
            async with aclosing(ask(*asked, **{"trace_headers": headers, **named})) as outputs:
                async for output in outputs:
                    yield output
        except Exception as raised:
            error = raised
            raise
        finally:
            call.end(error)

    def loaded(self) -> Loaded:
        return Loaded(self._adapters)

    def renderer(self, running: Running) -> Any:
        """The engine's renderer for a thread of the script's."""
        renderer = running.client.renderer
        return (
            AnyThreadRenderer(renderer, running.loop) if running.client.model_config.is_multimodal_model else renderer
        )

    def chat_template(self, given: Any) -> Any:
        return vllm("load_chat_template")(given)

    def require_known(self, arguments: Mapping[str, Any], cls: type) -> None:
        """Raises vLLM's own TypeError for an argument that no version of it has had."""
        names = {field.name for field in dataclasses.fields(cls)}
        for name in unknown(arguments, names):
            near = difflib.get_close_matches(name, names, n=1)
            hint = f". Did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{cls.__name__}.__init__() got an unexpected keyword argument {name!r}{hint}")
