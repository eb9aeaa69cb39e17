"""The `engine` of a snippet: a client of the server's own `/v1` routes, called from the snippet's process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class EngineError(Exception):
    """An error from the engine. `status_code` is its HTTP status."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code


class EngineClient:
    """The object passed to a parameter named `engine`. It is thread-safe: each call has its own connection."""

    def __init__(self, url: str | None, request_id: str) -> None:
        self._url = url
        self._request_id = request_id

    def chat_completions(self, model_input: Mapping[str, Any]) -> dict[str, Any]:
        """The engine's answer to an OpenAI chat request. Raises EngineError."""
        return self._post("/v1/chat/completions", model_input)

    def completions(self, model_input: Mapping[str, Any]) -> dict[str, Any]:
        """The engine's answer to an OpenAI completion request. Raises EngineError."""
        return self._post("/v1/completions", model_input)

    def embeddings(self, model_input: Mapping[str, Any]) -> dict[str, Any]:
        """The engine's answer to an OpenAI embedding request. Raises EngineError."""
        return self._post("/v1/embeddings", model_input)

    def _post(self, path: str, model_input: Mapping[str, Any]) -> dict[str, Any]:
        if self._url is None:
            raise EngineError(501, "there is no engine here: HANDRAIL_ENGINE is none")
        if model_input.get("stream"):
            raise EngineError(400, "a snippet gets the engine's whole answer: leave out `stream`")
        status, body = self._exchange(path, json.dumps(model_input))
        try:
            answer = json.loads(body)
        except ValueError:
            raise EngineError(502, f"{path} answered {status} without JSON") from None
        if status >= 400:
            raise EngineError(status, _message(answer))
        return dict(answer)

    def _exchange(self, path: str, body: str) -> tuple[int, bytes]:
        from http.client import HTTPConnection  # imported late: only snippets that call the engine need it
        from urllib.parse import unquote, urlsplit

        address = urlsplit(str(self._url))
        connection = HTTPConnection(str(address.hostname), address.port)
        headers = {"Content-Type": "application/json", "X-Request-Id": self._request_id}
        if address.password:
            headers["Authorization"] = f"Bearer {unquote(address.password)}"
        try:
            connection.request("POST", path, body.encode(), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _message(answer: Any) -> str:
    """The message in an error body of Handrail's or vLLM's; any other body as a whole."""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    message = error.get("message") if isinstance(error, dict) else None
    return str(message or error)
