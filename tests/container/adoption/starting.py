"""A server's start over an engine that a script may build, without vLLM: the echo engine, and a stand-in `vllm`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from handrail.core.script import unload
from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.program.adoption.arrival import Running
from handrail_container.program.adoption.record import Adoption, KnownArguments
from handrail_container.server import composition
from handrail_container.server.startup import Startup
from handrail_container.settings import environment

KNOWN = KnownArguments(["model", "max_model_len"], has_gpu=False)


class AdoptingEcho(EchoBackend):
    """The echo engine as one that takes the place of those that a script builds; it is built by `vllm.LLM`."""

    name = "vllm"
    lacks_model = False

    def __init__(self) -> None:
        super().__init__(Pace(), "echo")
        self.asked: dict[str, str] = {}
        self.adoption: Adoption | None = None
        self.prepared = 0

    def adopt(self, adoption: Adoption) -> None:
        self.adoption = adoption
        module = ModuleType("vllm")

        class LLM:
            def __init__(self, model: str, **given: Any) -> None:
                caller = sys._getframe(1)
                where = f"{Path(caller.f_code.co_filename).name}:{caller.f_lineno}"
                adoption.record("LLM", where, {"model": model, **given}, KNOWN)

            def generate(self, prompt: str) -> str:
                return f"{adoption.use('model.py:1').client} says {prompt}"

        vars(module)["LLM"] = LLM
        sys.modules["vllm"] = module

    def release(self) -> None:
        sys.modules.pop("vllm", None)

    def ask(self, flags: Mapping[str, str]) -> None:
        self.asked = dict(flags)

    def prepare(self) -> None:
        self.prepared += 1

    async def start(self, app: Any) -> None:
        await super().start(app)
        assert self.adoption is not None
        assert self.adoption.loop is not None
        self.adoption.arrival.come(Running("the engine", self.adoption.loop))


class Starting:
    """The steps of a start with a script."""

    def __init__(self, folder: Path, text: str, monkeypatch: pytest.MonkeyPatch, **given: str) -> None:
        self.folder = folder
        folder.joinpath("model.py").write_text(text)
        for name, value in {"SAGEMAKER_MODEL_PATH": str(folder), "HANDRAIL_ENGINE": "vllm", **given}.items():
            monkeypatch.setenv(name, value)
        settings, lifecycle = environment.read(), Lifecycle()
        self.backend = AdoptingEcho()
        self.gate = composition.create_gate(settings, lifecycle)
        self.startup = Startup(settings, lifecycle, self.gate, self.backend)

    async def begin(self) -> None:
        program = await self.startup.load()
        await self.startup.start_engine(program)
        self.serving = await self.startup.begin(program)

    def clean(self) -> None:
        self.backend.release()
        unload(self.folder)
