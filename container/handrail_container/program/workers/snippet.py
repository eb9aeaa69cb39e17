"""The snippet inside its process: loaded once, called once per message."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from handrail_container.program.workers import wire
from handrail_container.program.workers.loopback import EngineClient

if TYPE_CHECKING:
    import asyncio

#: The `__name__` of the snippet's module.
_NAME = "run_inference_snippet"


class LoadedSnippet:
    """A snippet's function, ready to call. `fields` are those that `Worker` sends first. Making one runs the snippet's
    module, and raises whatever it raises."""

    def __init__(self, source: str, fields: Mapping[str, Any]) -> None:
        filename: str = fields["filename"]
        self._environment: dict[str, Any] = fields["environment"]
        self._engine_url: str | None = fields["engine_url"]
        self._runner: asyncio.Runner | None = None
        sys.argv = [filename]
        sys.path.append(fields["folder"])  # at the end: files beside the snippet never shadow installed packages
        module = ModuleType(_NAME)
        module.__file__ = filename
        sys.modules[_NAME] = module  # before it runs: dataclasses and pickles look it up
        # Blank lines come first, so that every line has the same number as in its file.
        code = compile("\n" * (fields["first_line"] - 1) + source, filename, "exec", dont_inherit=True)
        exec(code, vars(module))
        self._run: Callable[..., Any] = vars(module)["run_inference"]
        self._takes = set(inspect.signature(self._run).parameters)

    def answer(self, call: wire.WorkerMessage) -> bytes:
        """Run the call and return its outcome as a packed message."""
        try:
            result = self._call(call)
        except BaseException as error:  # noqa: BLE001  a snippet may raise anything
            from handrail_container.program.workers.raised import described  # imported late to keep the start fast

            return wire.pack({"is": "raised", **described(error, self._run)})
        if not isinstance(result, str):
            from handrail_container.program.workers.raised import returned_at

            return wire.pack({"is": "not text", "type_name": type(result).__name__, "where": returned_at(self._run)})
        return wire.pack({"is": "text"}, result)

    def _call(self, call: wire.WorkerMessage) -> Any:
        extras: dict[str, Any] = {}
        if "sample" in self._takes:
            extras["sample"] = call.fields["sample"]
        if "engine" in self._takes:
            extras["engine"] = EngineClient(self._engine_url, call.fields["request_id"])
        result = self._run(call.text, dict(self._environment), **extras)
        return self._awaited(result) if inspect.isawaitable(result) else result

    def _awaited(self, awaitable: Any) -> Any:
        """Await in one event loop for all calls: clients that the snippet keeps between calls are bound to it."""
        import asyncio

        async def wait() -> Any:
            return await awaitable

        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(wait())


def refusal(error: BaseException, fields: Mapping[str, Any]) -> bytes:
    """The packed message on why the snippet cannot be imported."""
    from handrail.core.tracebacks import fault_line, message_of, user_traceback

    file = Path(fields["filename"])
    message = f"{fault_line(error, file)} failed to import: {type(error).__name__}: {message_of(error)}"
    return wire.pack({"is": "refused", "message": message, "traceback": user_traceback(error, file.parent)})
