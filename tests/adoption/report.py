"""Writes the tables of docs/compatibility/adopted.md: `python -m tests.adoption.report`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from handrail_container.program.adoption.old_names import (
    ARGUMENTS,
    METHODS,
    MODULES,
    NAMES,
    OPTIONS,
    SAMPLING,
    Dropped,
    Fate,
    Gone,
    Module,
    Renamed,
    Unavailable,
)

PAGE = Path(__file__).parents[2] / "docs" / "compatibility" / "adopted.md"
_MARKED = re.compile(r"(?s)<!-- rows -->\n.*?<!-- end -->")
VLLM, CONTAINER, HERE = "vllm/adoption/", "container/adoption/", "adoption/"


class Row(NamedTuple):
    """What a script does, what plain vLLM does, what is done here, and the test that holds it, below `tests/`."""

    name: str
    plain: str
    here: str
    test: str


SURFACE = {
    "Constructors": (
        Row(
            "`LLM(…)`, also a subclass",
            "an engine process of its own",
            "an object over the server's engine",
            f"{VLLM}test_llm.py::test_it_is_vllms",
        ),
        Row(
            "`AsyncLLMEngine.from_engine_args(…)`, `AsyncLLM`",
            "an engine process of its own",
            "the same",
            f"{VLLM}test_async.py::test_it_is_vllms",
        ),
        Row(
            "`LLMEngine.from_engine_args(…)`",
            "an engine process of its own",
            "the same",
            f"{VLLM}test_llm.py::test_in_steps",
        ),
        Row(
            "two with equal arguments",
            "two engines",
            "one",
            f"{CONTAINER}test_record.py::test_the_first_construction_asks_for_the_engine",
        ),
        Row(
            "two that differ in speed",
            "two engines",
            "one; a warning",
            f"{CONTAINER}test_record.py::test_two_that_differ",
        ),
        Row("two models", "two engines", "refused", f"{VLLM}test_async.py::test_engines_that_differ"),
        Row(
            "another model than the environment's",
            "the script's",
            "refused, or the environment's if `HANDRAIL_ADOPT_MODEL` says so",
            f"{CONTAINER}test_record.py::test_another_model_in_the_environment_is_refused",
        ),
        Row(
            "`AsyncLLM(vllm_config, …)`, stat loggers",
            "an engine of its parts",
            "refused",
            f"{VLLM}test_async.py::test_engines_that_differ",
        ),
        Row(
            "at module level, in `load`, at start-up, at the first request, in the main guard",
            "where it stands",
            "the engine starts with the first",
            f"{VLLM}test_matrix.py::test_a_script_that_builds_its_engine",
        ),
        Row(
            "a construction that fails, in `try`",
            "the script goes on",
            "the start stops",
            f"{CONTAINER}test_starting.py::test_a_refusal_that_the_script_catches_is_one",
        ),
        Row(
            "`vllm serve` in a child process",
            "a second server",
            "refused",
            f"{CONTAINER}test_starting.py::test_another_server_of_vllms_is_refused",
        ),
        Row(
            "a forked child",
            "hangs",
            "an exception at its first use",
            f"{CONTAINER}test_record.py::test_a_child_process_has_no_engine",
        ),
    ),
    "LLM": (
        Row(
            "`generate` of a text, a list, tokens, dicts",
            "results in the order of the prompts",
            "the same",
            f"{VLLM}test_llm.py::test_a_prompt_of_any_form",
        ),
        Row(
            "`prompt_token_ids=`, `inputs=`",
            "TypeError",
            "the prompts",
            f"{VLLM}test_old_objects.py::test_prompts_by_their_old_names",
        ),
        Row(
            "`LoRARequest(…, lora_local_path=…)`",
            "TypeError",
            "the path",
            f"{VLLM}test_old_objects.py::test_an_adapters_path_by_its_old_name",
        ),
        Row(
            "a `SamplingParams` for each prompt",
            "paired",
            "the same",
            f"{VLLM}test_llm.py::test_parameters_for_each_prompt",
        ),
        Row(
            "without parameters",
            "vLLM's defaults",
            "the same",
            f"{VLLM}test_llm.py::test_without_parameters_vllms_defaults_hold",
        ),
        Row(
            "the caller's `SamplingParams`",
            "changed",
            "left as they are",
            f"{VLLM}test_llm.py::test_the_callers_objects_stay_as_they_are",
        ),
        Row(
            "`chat`, also with a template", "one list, or a list of lists", "the same", f"{VLLM}test_llm.py::test_chat"
        ),
        Row("`beam_search`", "vLLM's", "the same", f"{VLLM}test_llm.py::test_beam_search"),
        Row(
            "`encode`, `embed`, `score`",
            "of a pooling model",
            "the same",
            f"{VLLM}test_pooling.py::test_embeddings_of_a_script",
        ),
        Row(
            "`embed` on a generating model",
            "ValueError",
            "the same",
            f"{VLLM}test_llm.py::test_pooling_is_vllms_own_error_on_a_generating_model",
        ),
        Row(
            "many threads at once",
            "they take each other's outputs",
            "each has its own",
            f"{VLLM}test_llm.py::test_many_threads_at_once",
        ),
        Row(
            "`use_tqdm`",
            "bars unless it is False",
            "bars if it is True",
            f"{VLLM}test_llm.py::test_bars_are_drawn_only_where_they_are_asked_for",
        ),
        Row("`get_tokenizer()`", "the engine's", "a copy", f"{VLLM}test_llm.py::test_a_tokenizer_of_its_own"),
        Row("`enqueue`, `wait_for_completion`", "vLLM's", "the same", f"{VLLM}test_llm.py::test_queued_requests"),
        Row(
            "`sleep`, `wake_up`, `collective_rpc`, profiles",
            "of its engine",
            "refused",
            f"{VLLM}test_llm.py::test_what_would_change_the_engine_is_refused",
        ),
        Row(
            "`lora_request=`",
            "loaded in the engine's step; a bad directory ends the engine",
            "loaded before; a bad directory is an exception",
            f"{VLLM}test_adapters_of_scripts.py::test_a_broken_adapter_is_an_answer",
        ),
        Row(
            "a blocking call in `async def`",
            "blocks the server, or for ever",
            "the script's coroutines have a loop of their own",
            f"{VLLM}test_blocking.py::test_others_do_not_wait",
        ),
    ),
    "AsyncLLMEngine": (
        Row(
            "`generate`",
            "cumulative outputs",
            "the same",
            f"{VLLM}test_async.py::test_outputs_are_cumulative_and_named_as_asked",
        ),
        Row(
            "`inputs=`, `prompt_token_ids=`",
            "TypeError",
            "the prompt",
            f"{VLLM}test_async.py::test_prompts_by_their_old_names",
        ),
        Row("one id twice at once", "allowed", "the same", f"{VLLM}test_async.py::test_ids_may_be_given_twice"),
        Row(
            "`abort(id)`",
            "every request of that id",
            "those of this object",
            f"{VLLM}test_async.py::test_abort_reaches_only_its_own",
        ),
        Row(
            "a stream that is left, cancelled or dropped",
            "aborted",
            "the same",
            f"{VLLM}test_async.py::test_what_is_left_is_aborted",
        ),
        Row(
            "`asyncio.run` in a thread, again and again",
            "fails",
            "works",
            f"{VLLM}test_async.py::test_on_a_loop_of_its_own",
        ),
        Row(
            "`await get_tokenizer()`, `get_model_config()`, `.engine`",
            "TypeError, AttributeError",
            "as in the versions that had them",
            f"{VLLM}test_async.py::test_what_was_awaited_in_older_versions",
        ),
        Row(
            "`await add_request(…)`, and `async for` over it",
            "cannot be iterated",
            "outputs",
            f"{VLLM}test_async.py::test_added_requests_can_be_awaited_and_iterated",
        ),
        Row("`shutdown()`", "ends the engine", "gives up the object", f"{VLLM}test_async.py::test_it_can_be_given_up"),
        Row(
            "`OpenAIServingChat` and the like over it, with arguments of any version",
            "TypeError for older ones",
            "served",
            f"{VLLM}test_serving_classes.py::test_a_script_for_vllm_0_6",
        ),
        Row(
            "`ErrorResponse.code`, `.message`, `.type`",
            "AttributeError",
            "those of its `error`",
            f"{VLLM}test_serving_classes.py::test_a_script_for_vllm_0_6",
        ),
    ),
}
_HEAD = "| a script | plain vLLM | here | held by |\n|---|---|---|---|"


def page() -> str:
    """The page as it is, with the rows of today between its marks."""
    return _MARKED.sub(lambda _: "\n".join(_lines()), PAGE.read_text())


def _lines() -> Iterator[str]:
    yield "<!-- rows -->"
    for theme, rows in SURFACE.items():
        yield f"\n## {theme}\n\n{_HEAD}"
        for row in rows:
            yield f"| {row.name} | {row.plain} | {row.here} | `{row.test}` |"
    yield from _gone("Arguments of the engine that are gone", {name: gone.fate for name, gone in ARGUMENTS.items()})
    yield from _gone("Options of the command line that are gone", {name: gone.fate for name, gone in OPTIONS.items()})
    yield from _gone("Fields of SamplingParams that are gone", _fates(SAMPLING))
    yield from _gone("Methods and attributes that are gone", METHODS)
    yield "\n## Modules and names that have moved\n\n| once | now |\n|---|---|"
    for name, module in {**MODULES, **NAMES}.items():
        yield f"| `{name}` | {_module(module)} |"
    yield "\n<!-- end -->"


def _fates(table: Mapping[str, Gone]) -> dict[str, Fate]:
    return {name: gone.fate for name, gone in table.items()}


def _gone(title: str, fates: Mapping[str, Fate]) -> Iterator[str]:
    yield f"\n## {title}\n\n| name | becomes |\n|---|---|"
    for name, fate in fates.items():
        yield f"| `{name}` | {_fate(fate)} |"


def _fate(fate: Fate) -> str:
    if isinstance(fate, Renamed):
        return ", ".join(f"`{one.strip()}`" for one in fate.to.split(","))
    return f"dropped: {fate.why}" if isinstance(fate, Dropped) else f"refused unless it says nothing: {fate.instead}"


def _module(module: Module | Unavailable) -> str:
    if isinstance(module, Unavailable):
        return f"refused: {module.instead}"
    moved = [f"`{home}`" for home in module.homes] + [f"`{old}`: `{new}`" for old, new in module.names.items()]
    refused = [f"`{name}` is refused: {why}" for name, why in module.refused.items()]
    return "; ".join([", ".join(moved), *refused]).removeprefix("; ")


if __name__ == "__main__":
    PAGE.write_text(page())
