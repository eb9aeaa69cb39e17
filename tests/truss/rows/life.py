"""How a Model is imported, made and loaded."""

from __future__ import annotations

from tests.compat.table import refuses, serves
from tests.truss.words import DIES, files, predict, row

GIVEN = """
class Model:
    def __init__(self, **kwargs):
        self.kwargs = kwargs

    def predict(self, model_input):
        return [self.kwargs["config"]["model_name"], self.kwargs["data_dir"].name, self.kwargs["environment"]]
"""
LOADS = """
import os
from pathlib import Path


class Model:
    loads = 0

    {load}

    def predict(self, model_input):
        return Model.loads
"""
FAILS = "    def load(self):\n        Model.loads += 1\n        raise RuntimeError('no weights')\n"
ONCE = "    def load(self):\n        Model.loads += 1\n        assert Model.loads > 1, 'not yet'\n"
ASYNC = "    async def load(self):\n        Model.loads += 1\n"
DATACLASS = """
from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Data:
    text: str = "a"


class Model:
    def predict(self, x):
        return Data().text
"""
HELPED, HELPER = "class Model:\n    def predict(self, x): return A\n", "A = 'helped'\n"
STATUS = "Our exit status says whose fault it is."


def loading(load: str, config: str = "model_name: m\n") -> dict[str, str]:
    return files(LOADS.replace("    {load}\n", load), config)


ROWS = (
    row("what `__init__` is given", files(GIVEN), predict(1, 200, ["m", "data", None])),
    row(
        "no `__init__`, and a name of its own",
        files("class Mine:\n    def predict(self, x): return x\n", "model_class_name: Mine\n"),
        predict(1, 200, 1),
    ),
    row("`load` is tried again", loading(ONCE), predict(1, 200, 2)),
    row(
        "`NUM_LOAD_RETRIES_TRUSS=0`",
        loading(ONCE),
        refuses(3, "not yet"),
        refuses(DIES, "not yet"),
        environment={"NUM_LOAD_RETRIES_TRUSS": "0"},
        reason=STATUS,
    ),
    row(
        "a `load` that fails ends the server",
        loading(FAILS),
        refuses(3, "no weights"),
        refuses(DIES, "no weights"),
        reason=STATUS,
    ),
    row(
        "`async def load`",
        loading(ASYNC),
        predict(1, 200, 1),
        predict(1, 200, 0),
        fails="It is never awaited, and the server says that it is ready.",
    ),
    row(
        "`from model.helper import …`",
        files(
            "from model.helper import A\nclass Model:\n    def predict(self, x): return A\n", helper="A = 'helped'\n"
        ),
        predict(1, 200, "helped"),
    ),
    row(
        "`from .helper import …`",
        files("from .helper import A\n" + HELPED, helper=HELPER),
        predict(1, 200, "helped"),
    ),
    row("a dataclass under `from __future__ import annotations`", files(DATACLASS), predict(1, 200, "a")),
    row(
        "`__init__` that wants what there is not",
        files("class Model:\n    def __init__(self, tokenizer): ...\n    def predict(self): ...\n"),
        refuses(3, "'tokenizer' cannot be given"),
        refuses(DIES),
        reason=STATUS,
    ),
    row(
        "a class that answers nothing is refused",
        files("class Model:\n    def load(self): ...\n"),
        refuses(3, "it has no endpoint"),
        refuses(DIES),
        reason=STATUS,
    ),
    row(
        "a field that is there twice",
        files(GIVEN, "model_name: a\nmodel_name: b\n"),
        refuses(3, "model_name is there twice"),
        serves(predict(1, 200, ["b", "data", None])),
        reason="Its server keeps the last; its command line refuses the file, as we do.",
    ),
)
