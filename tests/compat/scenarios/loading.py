"""Finding the script, and running it as its author expects."""

from __future__ import annotations

from typing import Any

from tests.compat.table import DEFAULT_CHAT, UNSAID, Exchange, Scenario, invoke, ping, refuses, script, serves

ANSWERS = """
async def custom_sagemaker_invocation_handler():
    return {"by": "script"}
"""

USES_SIBLINGS = """
import helper
from lib.tools import double

async def custom_sagemaker_invocation_handler():
    return {"helped": helper.VALUE, "doubled": double(2)}
"""

SEVERAL = """
from __future__ import annotations
import pickle
from fastapi import Request
from pydantic import BaseModel

STATE = {"seen": 0}

class State:
    value = 1

class Inner(BaseModel):
    text: str

class Outer(BaseModel):
    inner: Inner

def imports_late():
    import helper
    return {"helped": helper.VALUE}

def shares():
    import shares_state
    shares_state.note()
    return STATE

CASES = {
    "late": imports_late,
    "shared": shares,
    "pickle": lambda: {"same": pickle.loads(pickle.dumps(State())).value},
    "nested": lambda: Outer(inner={"text": "hello"}),
}

async def custom_sagemaker_ping_handler(request: Request):
    return {"path": request.url.path}

async def custom_sagemaker_invocation_handler(asked: dict):
    return CASES[asked["case"]]()
"""

SHARES_STATE = """
import model

def note():
    model.STATE["seen"] += 1
"""

SIBLING_DECORATES = """
import handlers_of_mine
"""

HANDLERS_OF_MINE = """
from model_hosting_container_standards.sagemaker import custom_invocation_handler

@custom_invocation_handler
async def invoke():
    return {"by": "sibling"}
"""

FUTURE_DATACLASS = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Reply:
    text: str

async def custom_sagemaker_invocation_handler():
    return Reply("hello")
"""

LOOKS_ITSELF_UP = """
import sys

THIS = sys.modules[__name__]

async def custom_sagemaker_invocation_handler():
    return {"by": THIS.NAME}

NAME = "itself"
"""

PARSES_ARGUMENTS = """
import argparse

OPTIONS = argparse.ArgumentParser()
OPTIONS.add_argument("--temperature", type=float, default=0.5)
GIVEN = OPTIONS.parse_args()

async def custom_sagemaker_invocation_handler():
    return {"temperature": GIVEN.temperature}
"""

LISTS_FOLDER = """
import os

async def custom_sagemaker_invocation_handler():
    return os.listdir(os.path.dirname(__file__))
"""

NOT_IMPORTABLE = "The model directory is not importable: a script cannot import the file beside it."
NOT_A_MODULE = "The script is not in `sys.modules` while it runs: {}"


SEVERAL_FILES = {"model.py": SEVERAL, "helper.py": "VALUE = 1\n", "shares_state.py": SHARES_STATE}


def asked(case: str, status: int, /, json: Any = UNSAID) -> Exchange:
    return invoke(status, json, sent={"case": case})


def found(name: str, path: str, filename: str) -> Scenario:
    return Scenario(
        name,
        mirrors="vLLM suite: CUSTOM_SCRIPT_FILENAME names the script; AWS suite: a script file is written",
        files={path: ANSWERS},
        environment={"CUSTOM_SCRIPT_FILENAME": filename},
        ours=serves(invoke(200, {"by": "script"})),
    )


def broken(name: str, text: str, *says: str) -> Scenario:
    return Scenario(
        name,
        mirrors="AWS library: the script's own exception ends the start",
        files=script(text),
        ours=refuses(3, *says),
    )


SCENARIOS = (
    found("CUSTOM_SCRIPT_FILENAME names another file", "my_handlers.py", "my_handlers.py"),
    found("… in a folder", "code/my_handlers.py", "code/my_handlers.py"),
    found("… by its absolute path", "my_handlers.py", "{folder}/my_handlers.py"),
    Scenario(
        "no script, and none asked for",
        mirrors="AWS library: the script is optional",
        files={},
        ours=serves(ping(200), invoke(200, DEFAULT_CHAT)),
    ),
    Scenario(
        "code/model.py, the layout of the AWS container's documentation",
        mirrors="AWS container documentation: handlers in code/model.py",
        files={"code/model.py": ANSWERS},
        ours=serves(invoke(200, {"by": "script"})),
        theirs=serves(invoke(200, DEFAULT_CHAT)),
        fails="The container's documentation puts handlers into `code/model.py`; nothing looks there.",
    ),
    Scenario(
        "CUSTOM_SCRIPT_FILENAME names no file",
        mirrors="AWS library: a script that was asked for and is missing",
        files={"handlers.py": ANSWERS},
        environment={"CUSTOM_SCRIPT_FILENAME": "handler.py"},
        ours=refuses(2, "CUSTOM_SCRIPT_FILENAME is 'handler.py'", "handlers.py"),
        theirs=serves(invoke(200, DEFAULT_CHAT)),
        reason="A script that was asked for and is not there is a mistake, not a wish for the defaults.",
    ),
    broken("a syntax error", "async def handler(:\n", "model.py:1", "SyntaxError"),
    broken("an import that fails", "import no_such_package\n", "model.py:1", "No module named 'no_such_package'"),
    broken("an exception while it is imported", "x = 1\nraise KeyError('weights')\n", "model.py:2", "'weights'"),
    Scenario(
        "a script that exits",
        mirrors="AWS library: SystemExit in a script ends the process",
        files=script("import sys\nsys.exit(0)\n"),
        ours=refuses(3, "model.py:2", "it called sys.exit(0)"),
        theirs=refuses(0),
        reason="An exit status of 0 says that all went well; a script that ends the server is a fault of the script.",
    ),
    Scenario(
        "a script imports what lies beside it",
        mirrors="AWS library: sibling imports",
        files={
            "model.py": USES_SIBLINGS,
            "helper.py": "VALUE = 1\n",
            "lib/__init__.py": "",
            "lib/tools.py": "def double(x):\n    return 2 * x\n",
        },
        ours=serves(invoke(200, {"helped": 1, "doubled": 4})),
        theirs=refuses(1, "No module named 'helper'"),
        fails=NOT_IMPORTABLE,
    ),
    Scenario(
        "… also when a handler runs",
        mirrors="AWS library: sibling imports",
        files=SEVERAL_FILES,
        ours=serves(asked("late", 200, {"helped": 1})),
        theirs=serves(asked("late", 500)),
        fails=NOT_IMPORTABLE,
    ),
    Scenario(
        "a sibling imports the script, and gets the same module",
        mirrors="AWS library: sibling imports",
        files=SEVERAL_FILES,
        ours=serves(asked("shared", 200, {"seen": 1}), asked("shared", 200, {"seen": 2})),
        theirs=serves(asked("shared", 500)),
        fails=NOT_IMPORTABLE,
    ),
    Scenario(
        "a sibling that the script imports may decorate",
        mirrors="AWS library: decorators register where they run",
        files={"model.py": SIBLING_DECORATES, "handlers_of_mine.py": HANDLERS_OF_MINE},
        ours=serves(invoke(200, {"by": "sibling"})),
        theirs=refuses(1, "No module named 'handlers_of_mine'"),
        fails=NOT_IMPORTABLE,
    ),
    Scenario(
        "string annotations",
        mirrors="AWS library: from __future__ import annotations, and Request",
        files=SEVERAL_FILES,
        ours=serves(ping(200, {"path": "/ping"})),
    ),
    Scenario(
        "… and a dataclass",
        mirrors="AWS library: from __future__ import annotations, and a dataclass in the script",
        files=script(FUTURE_DATACLASS),
        ours=serves(invoke(200, {"text": "hello"})),
        theirs=refuses(1, "'NoneType' object has no attribute '__dict__'"),
        fails=NOT_A_MODULE.format("a dataclass under `from __future__ import annotations` stops the start."),
    ),
    Scenario(
        "… and a pydantic model in another",
        mirrors="AWS library: from __future__ import annotations, and a model in the script",
        files=SEVERAL_FILES,
        ours=serves(asked("nested", 200, {"inner": {"text": "hello"}})),
        theirs=serves(asked("nested", 500)),
        fails=NOT_A_MODULE.format("a pydantic model under `from __future__ import annotations` is a 500."),
    ),
    Scenario(
        "a script pickles its own objects",
        mirrors="AWS library: the script as a module",
        files=SEVERAL_FILES,
        ours=serves(asked("pickle", 200, {"same": 1})),
        theirs=serves(asked("pickle", 500)),
        fails=NOT_A_MODULE.format("it cannot pickle an object of its own classes."),
    ),
    Scenario(
        "a script looks itself up",
        mirrors="AWS library: the script as a module",
        files=script(LOOKS_ITSELF_UP),
        ours=serves(invoke(200, {"by": "itself"})),
        theirs=refuses(1, "KeyError"),
        fails=NOT_A_MODULE.format("`sys.modules[__name__]` is a KeyError."),
    ),
    Scenario(
        "a script parses the command line when it is imported",
        mirrors="AWS library: the script runs in the server's process",
        files=script(PARSES_ARGUMENTS),
        ours=serves(invoke(200, {"temperature": 0.5})),
        theirs=refuses(2, "unrecognized arguments"),
        reason="The command line is the server's: a script sees its own name and nothing else.",
    ),
    Scenario(
        "nothing is written into the model directory",
        mirrors="SageMaker: the model directory may be read-only",
        files=script(LISTS_FOLDER),
        environment={"PYTHONDONTWRITEBYTECODE": ""},
        ours=serves(invoke(200, ["model.py"])),
        theirs=serves(invoke(200, text="__pycache__")),
        reason="SageMaker mounts it read-only where the model is not compressed.",
    ),
)
