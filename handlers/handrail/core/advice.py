"""Advice on the most common mistakes in handlers, shown beside Python's own message."""

from __future__ import annotations

import difflib
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from handrail.core.engine import Engine

_AWAIT = "It is a coroutine: write `await` before the call that made it"
_ASYNC_FOR = "It is an async generator: write `async for … in` over it, without `await`"
_COROUTINE = "In front of a coroutine, write `await`; an `async for` takes what an awaited call gives"
_BODY = "The request is Starlette's: its body is `await request.json()`"
_STREAM = 'With `"stream": true` the engine answers with a StreamingResponse: return it as it is'
#: Names that handlers use, and the modules that define them.
_OTHERS = {
    **dict.fromkeys(("Request", "Response", "WebSocket", "HTTPException", "Depends", "Header", "Body"), "fastapi"),
    **dict.fromkeys(("JSONResponse", "StreamingResponse", "PlainTextResponse"), "fastapi.responses"),
    **dict.fromkeys(("BaseModel", "Field"), "pydantic"),
}
_TYPES = (AttributeError, TypeError, ValueError)


class Row(NamedTuple):
    """Advice for an error of one of `kinds` whose text matches `form`; `advice` may use the groups, by number."""

    kinds: tuple[type[BaseException], ...]
    form: re.Pattern[str]
    advice: str | Callable[[Any, re.Match[str]], str]


def _row(kinds: tuple[type[BaseException], ...], form: str, advice: Any) -> Row:
    return Row(kinds, re.compile(form), advice)


def _of_engine(error: Any, match: re.Match[str]) -> str:
    """A name that the engine facade does not have."""
    if not isinstance(getattr(error, "obj", None), Engine):
        return ""
    names = [name for name in vars(Engine) if not name.startswith("_") and name not in ("create", "watch")]
    return f"handrail.Engine has no `{error.name}`.{_nearest(error.name, names)} It has: {', '.join(names)}"


def _of_handrail(error: Any, match: re.Match[str]) -> str:
    """A name that `handrail` does not have."""
    import handrail

    return f"handrail has no `{match[1]}`.{_nearest(match[1], handrail.__all__)} It has: {', '.join(handrail.__all__)}"


def _of_djl(error: Any, match: re.Match[str]) -> str:
    """A name that the stand-in for DJL Serving's package does not have."""
    names = [name for name in dir(sys.modules.get(match[2])) if not name.startswith("_")]
    return f"Of DJL Serving's {match[2]} there are here: {', '.join(names)}"


def _no_module(error: Any, match: re.Match[str]) -> str:
    """A package that is not installed, or one that is, and lacks the module."""
    package = match[1]
    if match[2] and package in sys.modules:
        return f"{package} is installed, and has no module `{match[2]}`: is its name right, and the version?"
    return f"Add the package that has `{package}` to requirements.txt beside the script, or put {package}.py there"


def _undefined(error: BaseException, match: re.Match[str]) -> str:
    """An undefined name, with its import if the module is known."""
    import handrail

    name = match[1]
    if name in sys.stdlib_module_names:
        return f"Write `import {name}` at the top"
    home = "handrail" if name in handrail.__all__ else _OTHERS.get(name)
    if home is None:
        return _nearest(name, [*handrail.__all__, *_OTHERS]).strip()
    return f"Write `from {home} import {name}`"


def _not_there(error: Any, match: re.Match[str]) -> str:
    """A missing file with a relative path, or a missing program."""
    name = error.filename
    if not isinstance(name, str) or Path(name).is_absolute():
        return ""
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    if frames and "process" in Path(frames[-1]).stem:
        return f"There is no program `{name}` where the server runs: the image has to have it"
    here = f"`Path(__file__).parent / {name!r}` for one beside the file"
    return f"It is looked for where the server was started: write {here}"


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean `{close[0]}`?" if close else ""


def _absolute(error: BaseException, match: re.Match[str]) -> str:
    """A relative import outside a package, with the absolute form."""
    *_, (frame, number) = traceback.walk_tb(error.__traceback__)
    line = linecache.getline(frame.f_code.co_filename, number)
    found = re.match(r"\s*from\s+\.+\s*([\w.]*)\s+import\s+([^#(]*)", line)
    if found is None:
        return ""
    names = found[2].strip() or "…"
    instead = f"from {found[1]} import {names}" if found[1] else f"import {names}"
    return f"The file is no module of a package, and its folder is importable: write `{instead}`"


#: The first row that matches gives the advice.
ROWS = (
    _row((TypeError,), r"'async for' requires an object with __aiter__ method, got coroutine", _COROUTINE),
    _row((TypeError,), r"'async for' requires .* got (\w+)", "{1} is no async iterator: write `for`"),
    _row(_TYPES, r"object async_generator can't be used in 'await'|'async_generator' object", _ASYNC_FOR),
    _row((TypeError,), r"object (\w+) can't be used in 'await' expression", "{1} is not awaited: leave out `await`"),
    _row(_TYPES, r"'coroutine'|type coroutine\b|a coroutine in it", _AWAIT),
    _row(_TYPES, r"'StreamingResponse' object", _STREAM),
    _row(
        (TypeError,),
        r"'(\w*(?:Completion|Embedding|Response)\w*)' object (?:is not subscriptable|does not support item)",
        "The engine's answer is an object: write `.choices` and the like, or make it a dict with `.model_dump()`",
    ),
    _row((AttributeError, TypeError), r"'(?:_Cached)?Request' (?:object|is not)", _BODY),
    _row((AttributeError,), r"has no attribute", _of_engine),
    _row(
        (RuntimeError,),  # FastAPI's own, which is not imported where a snippet's worker needs none of it
        r"<class 'handrail\.core\.engine\.Engine'>",
        "In a route of an app, write `engine: Annotated[Engine, Depends(get_engine)]`: Annotated is from typing, "
        "Depends from fastapi, get_engine from handrail",
    ),
    _row((ModuleNotFoundError,), r"No module named 'handrail\.", "Write `from handrail import …`"),
    _row(
        (ModuleNotFoundError,),
        r"No module named 'djl_python\.",
        "Of DJL Serving there are here: djl_python, and of it inputs, outputs, pair_list, input_parser, "
        "output_formatter, request_io, encode_decode, async_utils",
    ),
    _row(
        (ModuleNotFoundError,),
        r"No module named '(djl_python|triton_python_backend_utils)",
        "{1} is a part of another server, which no package index has",
    ),
    _row(
        (ModuleNotFoundError,),
        r"No module named '([^'.]+)(?:\.([^']+))?'",
        _no_module,
    ),
    _row((ImportError,), r"attempted relative import", _absolute),
    _row((ImportError,), r"cannot import name '(\w+)' from 'handrail'", _of_handrail),
    _row((ImportError,), r"cannot import name '(\w+)' from '(djl_python[\w.]*)'", _of_djl),
    _row((NameError,), r"name '(\w+)' is not defined", _undefined),
    _row((FileNotFoundError,), r"", _not_there),
    _row((SyntaxError,), r"'(await|async \w+)' outside async function", "Write `async def` where `{1}` is used"),
    _row((SyntaxError,), r"asynchronous comprehension outside", "Write `async def` around it"),
    _row((ValueError,), r"[Oo]ut of range float", "JSON has neither NaN nor Infinity: return None in their place"),
    _row(
        (ValueError,),
        r"^\[.*vars\(\) argument must have",
        "What it answered with is no JSON: return a dict or a model",
    ),
    _row((MemoryError,), r"", "The process had no memory left for it"),
)


def advice(error: BaseException, message: str) -> str:
    """The advice for an error, a sentence without its full stop; empty if there is none."""
    for row in ROWS:
        match = row.form.search(message) if isinstance(error, row.kinds) else None
        if match is not None:
            said = row.advice.format("", *match.groups()) if isinstance(row.advice, str) else row.advice(error, match)
            if said:
                return said
    return ""
