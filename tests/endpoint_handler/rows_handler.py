"""Rows: the file, the class, and its methods."""

from __future__ import annotations

from tests.endpoint_handler.table import Row, body, gives, refused

_AT_START = "It is told at the start, with its line and the accepted form."
_ALL_400 = "400 at each request, or a start that fails with Python's own message"


def _refuses(name: str, script: str, says: str, there: str = _ALL_400) -> Row:
    return Row(name, script, "refused, exit 3", refused(says), there, _AT_START)


FILES = (
    Row("`handler.py` with `class EndpointHandler`", "echoes", "served", gives({"inputs": "a b"})),
    Row(
        "`HF_DEFAULT_PIPELINE_NAME=serve.py`",
        "echoes",
        "that file is served",
        gives({"inputs": "a b"}),
        place="serve.py",
        environment={"HF_DEFAULT_PIPELINE_NAME": "serve.py"},
    ),
    Row(
        "`HF_DEFAULT_PIPELINE_NAME` names no file",
        "echoes",
        "the start is refused, exit 2",
        refused("HF_DEFAULT_PIPELINE_NAME is 'serve.py', and there is no file"),
        "`pipeline.py`, or a default pipeline, is served in its place",
        "What was asked for and is not there is a mistake.",
        environment={"HF_DEFAULT_PIPELINE_NAME": "serve.py"},
    ),
    Row(
        "`HF_MODULE_NAME=handler.Summarizer`",
        "of_another_name",
        "that class is served",
        gives({"summary": "a b"}),
        "it names the module alone; the class is `EndpointHandler`",
        "The name that is given is used.",
        environment={"HF_MODULE_NAME": "handler.Summarizer"},
    ),
    Row(
        "`HF_MODULE_NAME` whose class is not there, beside `EndpointHandler`",
        "both_names",
        "`EndpointHandler`, with a warning",
        gives("EndpointHandler"),
        environment={"HF_MODULE_NAME": "handler.Gone"},
    ),
    Row(
        "`pipeline.py` with `class PreTrainedPipeline`",
        "of_the_older_form",
        "served",
        gives({"older": "a b"}),
        place="pipeline.py",
    ),
    Row(
        "a module beside it is imported",
        "imports_its_module",
        "imported",
        gives("A B"),
        beside={"net.py": "net"},
    ),
    Row("an import that fails", "fails_to_import", "ends the start", refused("No module named 'no_such_package'")),
    Row(
        "a `model.py` beside it that answers nothing",
        "echoes",
        "a module; the handler is served",
        gives({"inputs": "a b"}),
        beside={"model.py": "net"},
    ),
)

CLASS = (
    Row(
        "`__init__(self, path)`",
        "keeps_its_path",
        "the model directory, as text, once at the start",
        gives(["str", True]),
    ),
    Row(
        "`__init__` raises",
        "fails_to_load",
        "ends the start",
        refused("__init__ failed: FileNotFoundError: no weights"),
    ),
    Row(
        "`__init__(self, path, engine)`",
        "asks_the_engine",
        "`engine` is the engine, in its blocking form",
        gives([{"generated_text": "a b"}]),
        "there is no engine",
        "There is one here.",
    ),
    Row(
        "`__init__(self, path, *, engine)` with an `async def __call__`",
        "awaits_the_engine",
        "`engine` is `handrail.Engine`",
        gives("a b"),
        "there is no engine",
        "There is one here.",
    ),
    Row(
        "`async def __call__`",
        "awaits",
        "awaited",
        gives({"awaited": "a b"}),
        "never awaited: 400",
        "It is what its author means.",
    ),
    Row(
        "further parameters with defaults, and decorators",
        "decorated",
        "as they are",
        gives("a ba b"),
        "",
        "",
        body("a b"),
    ),
    _refuses("`__init__` without `path`", "init_without_path", "path"),
    Row(
        "`__init__` with one more",
        "init_wants_more",
        "refused",
        refused("handler.py:2 def __init__"),
        _ALL_400,
        _AT_START,
    ),
    Row(
        "`__call__` with one more",
        "call_wants_more",
        "refused",
        refused("handler.py:4 def __call__"),
        _ALL_400,
        _AT_START,
    ),
    Row(
        "`__call__` without `data`",
        "call_wants_nothing",
        "refused",
        refused("write `def __call__"),
        _ALL_400,
        _AT_START,
    ),
    _refuses("no `__call__`", "without_call", "has no `__call__`"),
    Row(
        "`EndpointHandler` that is no class",
        "no_class",
        "refused",
        refused("no class: write `class"),
        "called",
        _AT_START,
    ),
)
