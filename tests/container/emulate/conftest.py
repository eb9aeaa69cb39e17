"""`start` gives a module emulators of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.emulated import Emulated

SCRIPT = {"CUSTOM_SCRIPT_FILENAME": "speaks_to_sagemaker.py"}
Emulate = Callable[..., Emulated]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulate]:
    logs, number = tmp_path_factory.mktemp("emulated"), count()
    with ExitStack() as stack:

        def started(*arguments: str | Path, **given: str) -> Emulated:
            emulated = Emulated(logs / f"{next(number)}.log", *arguments, **given)
            stack.callback(emulated.stop)
            return emulated

        yield started
