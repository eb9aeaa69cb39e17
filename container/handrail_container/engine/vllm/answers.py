"""Builds answers with many log probabilities in a thread.

vLLM builds an answer in one step of the event loop, which takes a second for 80,000 log probabilities. Most of that is
the garbage collector's, which runs through all of them several times while they are made.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.datastructures import State

from handrail_container.engine.log_probabilities import of_answer
from handrail_container.process.garbage import CollectionHeld
from handrail_container.process.threads import in_thread

log = logging.getLogger(__name__)

#: Log probabilities above which an answer is built in a thread.
_MANY = 2_000
#: A completion's method that builds an answer, and the one that calls it.
_BUILD, _CREATE = "request_output_to_completion_response", "create_completion"
#: Of each other serving object in `app.state`: the method that builds an answer, and its argument for the engine's
#: results.
BUILDERS = {
    "openai_serving_chat": ("chat_completion_full_generator", "result_generator"),
    "openai_serving_chat_batch": ("chat_completion_full_generator_batch", "generators"),
    "openai_serving_responses": ("responses_full_generator", "result_generator"),
}


def build_in_threads(state: State) -> None:
    """Make the serving objects in `state` build large answers in threads if their methods have the expected
    signature."""
    held = CollectionHeld()
    if completions := getattr(state, "openai_serving_completion", None):
        _defer(completions, held)
    for name, (method, results) in BUILDERS.items():
        serving = getattr(state, name, None)
        if serving is None:
            continue
        own: Any = getattr(serving, method, None)
        place = _place(own, results)
        if place is None:
            log.warning(
                "vLLM's %s.%s is not as it was: its answers are built on the loop", type(serving).__name__, method
            )
            continue
        setattr(serving, method, _building(serving, own, place, held))


def _defer(serving: Any, held: CollectionHeld) -> None:
    """Build the answers of completions in a thread.

    The method that builds one is no coroutine: it returns the answer unbuilt, and `create_completion` has it built.
    """
    build: Any = getattr(serving, _BUILD, None)
    create: Any = getattr(serving, _CREATE, None)
    if _names(build)[:2] != ["final_res_batch", "request"] or not inspect.iscoroutinefunction(create):
        log.warning("vLLM's %s is not as it was: its answers are built on the loop", type(serving).__name__)
        return

    def deferred(*given: Any, **named: Any) -> Any:
        is_large = len(given) > 1 and _is_large(given[1], given[0])
        return _Unbuilt(lambda: build(*given, **named)) if is_large else build(*given, **named)

    async def created(*given: Any, **named: Any) -> Any:
        made = await create(*given, **named)
        if not isinstance(made, _Unbuilt):
            return made
        with held.until_next_turn():
            return await in_thread(made.build, "answer")

    setattr(serving, _BUILD, deferred)
    setattr(serving, _CREATE, created)


class _Unbuilt:
    """An answer that is still to be built. The engine's results end with it."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build: Callable[[], Any] | None = build

    def build(self) -> Any:
        build, self._build = self._build, None
        return build() if build else None


def _names(method: Any) -> list[str]:
    return list(inspect.signature(method).parameters) if inspect.isroutine(method) else []


def _place(own: Any, results: str) -> int | None:
    """The position of `results` among the method's arguments; None if its signature is not as expected."""
    if not inspect.iscoroutinefunction(own):
        return None
    names = _names(own)
    return names.index(results) if names[:1] == ["request"] and results in names else None


def _building(serving: Any, own: Callable[..., Any], place: int, held: CollectionHeld) -> Callable[..., Any]:
    async def built(*given: Any, **named: Any) -> Any:
        if len(given) <= place or _needs_loop(serving, given[0]) or not _is_large(given[0], given[place]):
            return await own(*given, **named)
        last = [await _last(given[place])]

        async def answer() -> Any:
            return await own(*given[:place], _again(last.pop()), *given[place + 1 :], **named)

        # The results end in the thread, too, and not in the turn that encodes the answer.
        with held.until_next_turn():  # vLLM's route encodes the answer in the turn that this one ends
            return await in_thread(lambda: asyncio.run(answer()), "answer")

    return built


def _needs_loop(serving: Any, request: Any) -> bool:
    """Whether vLLM does more on the event loop than to build: it calls tools of a server, or stores a response."""
    has_tools = getattr(serving, "tool_server", None) is not None and bool(getattr(request, "tools", None))
    return has_tools or (hasattr(request, "include") and bool(request.store))


def _is_large(request: Any, results: Any) -> bool:
    """Whether there may be many log probabilities. How many tokens a prompt has is not known here."""
    has_prompts = getattr(request, "prompt_logprobs", None) is not None
    return has_prompts or (len(results) if isinstance(results, list) else 1) * of_answer(request) > _MANY


async def _last(results: Any) -> Any:
    """The last of the engine's results; a list if there is a list of generators, one for each prompt."""
    if isinstance(results, list):
        return await asyncio.gather(*map(_last, results))
    last = None
    async for result in results:
        last = result
    return last


def _again(last: Any) -> Any:
    return [_once(one) for one in last] if isinstance(last, list) else _once(last)


async def _once(result: Any) -> AsyncIterator[Any]:
    if result is not None:
        yield result
