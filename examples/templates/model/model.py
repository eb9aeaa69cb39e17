"""A chat template per request, by name: the files of `templates/` beside this one, and no others."""

from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request

_FOLDER = Path(__file__).parent / "templates"


class Model:
    def __init__(self, trt_llm: dict[str, Any]) -> None:
        self._engine = trt_llm["engine"]
        self._templates: dict[str, str] = {}

    def load(self) -> None:
        self._templates = {file.stem: file.read_text() for file in sorted(_FOLDER.glob("*.jinja"))}
        if not self._templates:
            raise FileNotFoundError(f"there is no template: put NAME.jinja into {_FOLDER}")

    async def predict(self, model_input: Any, request: Request) -> Any:
        if not isinstance(model_input, dict):
            raise HTTPException(400, 'send {"messages": [...], "template": "NAME"}')
        if "chat_template" in model_input:
            raise HTTPException(400, f"chat_template is not taken; choose a template by its name: {self._names}")
        body = dict(model_input)
        name = body.pop("template", None)
        if name is not None:
            body["chat_template"] = self._template(name)
        return await self._engine.chat_completions(request=request, model_input=body)

    async def chat_completions(self, model_input: Any, request: Request) -> Any:
        return await self.predict(model_input, request)

    @property
    def _names(self) -> str:
        return ", ".join(self._templates)

    def _template(self, name: Any) -> str:
        if not isinstance(name, str) or name not in self._templates:
            raise HTTPException(400, f"template is {name!r}; there are: {self._names}")
        return self._templates[name]
