"""References: every accepted form, and every way to get one wrong."""

from __future__ import annotations

from tests.compat.table import DEFAULT_CHAT, Scenario, invoke, ping, refuses, script, serves

PING, INVOCATION = "CUSTOM_FASTAPI_PING_HANDLER", "CUSTOM_FASTAPI_INVOCATION_HANDLER"

HANDLERS = """
import sys

sys.times_run = getattr(sys, "times_run", 0) + 1

async def health():
    return {"by": "health"}

async def inference():
    return {"by": "inference", "times_run": sys.times_run}

class Handlers:
    prefix = "method"

    async def answer(self):
        return {"by": self.prefix}

    @staticmethod
    async def static():
        return {"by": "static method"}

    @classmethod
    async def of_class(cls):
        return {"by": f"class {cls.prefix}"}

class Holder:
    handlers = Handlers()

holder = Holder()
nothing = None
"""

TREE = {"model.py": HANDLERS, "other.py": HANDLERS, "lib/other.py": HANDLERS}
DEFAULTS = serves(ping(200), invoke(200, DEFAULT_CHAT))
SILENT = "The malformed reference {} is passed over without a word, and the default serves."
TOGETHER = "One start tells everything that is wrong, not one thing a start."


def referring(value: str, variable: str = INVOCATION) -> dict[str, str]:
    return {variable: value}


def accepted(form: str, value: str, answer: str, ping_form: str = "", ping_value: str = "", by: str = "") -> Scenario:
    """A form in the invocation's variable, and perhaps another in ping's."""
    return Scenario(
        f"{ping_form}; {form}" if ping_form else form,
        mirrors="AWS library: forms of a reference",
        files=TREE,
        environment=referring(value) | (referring(ping_value, PING) if ping_value else {}),
        ours=serves(invoke(200, {"by": answer}), *([ping(200, {"by": by})] if by else [])),
    )


def malformed(form: str, variable: str, value: str, both: dict[str, str], says: str) -> Scenario:
    """`both` is the environment of two such rows: a start reports all its problems."""
    return Scenario(
        f"malformed: {form}",
        mirrors="AWS library: a reference that its grammar does not take",
        files=script(HANDLERS),
        environment=both,
        ours=refuses(2, f"{variable} is {value!r}", says, "model:function"),
        theirs=DEFAULTS,
        fails=SILENT.format(f"`{value}`"),
    )


NO_COLON = referring("health", PING) | referring("model:inference:twice")
ONE_SIDED = referring(":health", PING) | referring("model:")
NO_FUNCTION = referring("/health", PING) | referring("/v1/chat/completions")
ODD = referring("my handlers.py:health", PING) | referring("model.inference")

SCENARIOS = (
    Scenario(
        "model:function is the script's, whatever its file name",
        mirrors="the guide's recommended form; AWS suite: variables with module:function",
        files={"handlers_env_var.py": HANDLERS},
        environment={
            "CUSTOM_SCRIPT_FILENAME": "handlers_env_var.py",
            PING: "model:health",
            INVOCATION: "model:inference",
        },
        ours=serves(ping(200, {"by": "health"}), invoke(200, {"by": "inference"})),
    ),
    Scenario(
        "however many references name a file, it runs once",
        mirrors="AWS library: modules are cached by path",
        files={"model.py": HANDLERS, "other.py": HANDLERS},
        environment={PING: "{folder}/model.py:health", INVOCATION: "model.py:inference"},
        ours=serves(ping(200, {"by": "health"}), invoke(200, {"by": "inference", "times_run": 1})),
    ),
    accepted(
        "a file under the model directory",
        "other.py:inference",
        "inference",
        "an absolute path",
        "{folder}/other.py:health",
        "health",
    ),
    accepted(
        "spaces around a reference",
        " model:inference ",
        "inference",
        "a file in a folder",
        "lib/other.py:health",
        "health",
    ),
    accepted(
        "a class method",
        "model:Handlers.of_class",
        "class method",
        "a static method",
        "model:Handlers.static",
        "static method",
    ),
    accepted("a method of an object in an object", "model:holder.handlers.answer", "method"),
    Scenario(
        "a method of a class",
        mirrors="AWS library: forms of a reference",
        files=TREE,
        environment=referring("model:Handlers.answer"),
        ours=serves(invoke(200, {"by": "method"})),
        theirs=serves(invoke(422, text="self")),
        fails="`Class.method` is documented; no object is made, and every request is a 422 that asks for `self`.",
    ),
    Scenario(
        "a sibling by its module name",
        mirrors="AWS library: references to a Python module",
        files=TREE,
        environment=referring("other:inference"),
        ours=serves(invoke(200, {"by": "inference"})),
        theirs=refuses(1, "No module named 'other'"),
        fails="A module beside the script cannot be named as a module: the model directory is not importable.",
    ),
    Scenario(
        "an installed module's function",
        mirrors="AWS library: references to a Python module",
        files={},
        environment=referring("platform:python_implementation"),
        ours=serves(invoke(200, "CPython")),
    ),
    Scenario(
        "the guide's reference to vLLM's own health",
        mirrors="the guide: vllm.entrypoints.openai.api_server:health, which vLLM has since moved",
        files={},
        environment=referring("vllm.entrypoints.openai.api_server:health", PING),
        ours=serves(ping(200), invoke(200, DEFAULT_CHAT)),
        theirs=refuses(1),
        fails="The guide's own `vllm.entrypoints.openai.api_server:health` stops the start: vLLM moved the function.",
    ),
    malformed("no colon", PING, "health", NO_COLON, "it has no colon"),
    malformed("two colons", INVOCATION, "model:inference:twice", NO_COLON, "more than one colon"),
    malformed("nothing before the colon", PING, ":health", ONE_SIDED, "neither a module nor a file"),
    malformed("nothing after the colon", INVOCATION, "model:", ONE_SIDED, "is no name of a function"),
    malformed("a bare route", PING, "/health", NO_FUNCTION, "it has no colon"),
    malformed("the library's route form", INVOCATION, "/v1/chat/completions", NO_FUNCTION, "it has no colon"),
    malformed("a space in the path", PING, "my handlers.py:health", ODD, "is"),
    malformed("a dot for the colon", INVOCATION, "model.inference", ODD, "it has no colon"),
    Scenario(
        "a path that leaves the model directory",
        mirrors="AWS library: relative paths are looked up under the model path",
        files=script(HANDLERS),
        environment=referring("../model/model.py:inference"),
        ours=refuses(2, "leaves the model directory", "Write the absolute path"),
        theirs=serves(invoke(200, {"by": "inference"})),
        reason="Where a relative path leads outside depends on where the directory is mounted; the absolute path says "
        "what is meant.",
    ),
    Scenario(
        "a misspelt variable",
        mirrors="AWS library: variables it does not know",
        files=script(HANDLERS),
        environment={"CUSTOM_FASTAPI_INVOCATIONS_HANDLER": "model:inference"},
        ours=refuses(2, "CUSTOM_FASTAPI_INVOCATIONS_HANDLER", "Did you mean CUSTOM_FASTAPI_INVOCATION_HANDLER?"),
        theirs=DEFAULTS,
        reason="Nobody sets such a variable for nothing: the nearest name is told, and the start stops.",
    ),
    Scenario(
        "no such function, no such file: both are told",
        mirrors="AWS library: handler not found, handler file not found",
        files=script(HANDLERS),
        environment=referring("model:inferense") | referring("othr.py:health", PING),
        ours=refuses(
            3,
            f"{INVOCATION} is 'model:inferense'",
            "Did you mean 'inference'?",
            f"{PING} is 'othr.py:health': there is no file",
        ),
        theirs=refuses(1, "'model:inferense' not found"),
        reason=TOGETHER,
    ),
    Scenario(
        "no such module, nothing that can be called: both are told",
        mirrors="AWS library: module not found, handler not callable",
        files=script(HANDLERS),
        environment=referring("no_such_package.handlers:inference") | referring("model:nothing", PING),
        ours=refuses(3, "there is no module 'no_such_package.handlers'", f"{PING}=model:nothing", "it is None"),
        theirs=refuses(1, "No module named 'no_such_package'"),
        reason=TOGETHER,
    ),
    Scenario(
        "a method of a class that is not there",
        mirrors="AWS library: a dotted name whose first part is missing",
        files=script(HANDLERS),
        environment=referring("model:Nope.answer"),
        ours=refuses(3, f"{INVOCATION} is 'model:Nope.answer'", "Nope"),
    ),
    Scenario(
        "model:function without a script",
        mirrors="AWS library: the alias where there is no script",
        files={},
        environment=referring("model:inference"),
        ours=refuses(3, "model means the script", "code/model.py"),
    ),
)
