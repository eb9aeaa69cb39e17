"""What probes are told, and what they are told of."""

from __future__ import annotations

from tests.compat.table import get, refuses, serves
from tests.truss.words import DIES, files, predict, row

MODEL = """
class Model:
    def is_healthy(self):
        {health}

    def predict(self, model_input):
        return model_input
"""
SICK, RAISES, WELL = (
    files(MODEL.format(health=body)) for body in ("return 0", "raise ValueError('sick')", "return 'yes'")
)
SLOW = """
import time


class Model:
    def load(self):
        time.sleep(3)

    def predict(self, model_input):
        return model_input
"""
PING = "SageMaker asks nothing but /ping: there it has no use."

ROWS = (
    row("`is_healthy` that is true", WELL, serves(get("/v1/models/model", 200), get("/ping", 200))),
    row("`is_healthy` that is not", SICK, get("/v1/models/model", 503)),
    row("`is_healthy` that raises", RAISES, serves(get("/v1/models/model", 503), says=("ValueError: sick",))),
    row("/ping of a sick Model", SICK, get("/ping", 503), get("/ping", 200), fails=PING),
    row("a sick Model goes on answering", SICK, serves(predict(1, 200, 1), get("/v1/models/model/loaded", 200))),
    row(
        "`is_healthy` with an argument is refused",
        files("class Model:\n    def is_healthy(self, x): ...\n    def predict(self): ...\n"),
        refuses(3, "is_healthy takes nothing but self"),
        refuses(DIES),
        reason="Our exit status says whose fault it is.",
    ),
    row(
        "while it loads",
        files(SLOW),
        serves(
            get("/", 200),
            get("/v1/models/model", 503),
            get("/v1/models/model/loaded", 503),
            get("/ping", 503),
            predict(1, 503),
        ),
        while_loading=True,
    ),
)
