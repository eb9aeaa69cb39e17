"""The `context` that the script's functions may take: the request's headers, and the answer's status and headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request

from handrail.core.blocking import BlockingEngine
from handrail.core.engine import request_id_of

#: Headers that frame the answer.
_SERVERS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer"})
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~\w]+", re.ASCII)


class Headers(dict[str, str]):
    """Headers by their names in lower case; they are found however their names are written."""

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        super().__init__((name.lower(), value) for name, value in items)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class RequestProcessor:
    """The one request of a context, as Multi Model Server has it."""

    def __init__(self, headers: Headers) -> None:
        self._request_headers = headers
        self._status, self._phrase = 200, ""
        self._response_headers: dict[str, str] = {}

    def get_request_property(self, key: str) -> Any:
        return self._request_headers.get(key)

    def get_request_properties(self) -> Headers:
        return self._request_headers

    def report_status(self, code: int, reason_phrase: str = "") -> None:
        if isinstance(code, bool) or not isinstance(code, int) or not 200 <= code <= 599:
            raise ValueError(f"the status is {code!r}: write a number from 200 to 599")
        self._status, self._phrase = code, reason_phrase

    def get_response_status_code(self) -> int:
        return self._status

    def get_response_status_phrase(self) -> str:
        return self._phrase

    def add_response_property(self, key: str, value: str) -> None:
        if not _TOKEN.fullmatch(str(key)) or key.lower() in _SERVERS:
            raise ValueError(f"the header {key!r} cannot be set: it is the server's, or no name of a header")
        if any(ord(one) < 32 or ord(one) > 255 for one in str(value)):
            raise ValueError(f"the header {key} is {value!r}: write it in one line of Latin-1")
        self._response_headers[key.lower()] = str(value)

    def get_response_headers(self) -> dict[str, str]:
        return self._response_headers

    def get_response_header(self, key: str) -> str | None:
        return self._response_headers.get(key.lower())


class Context:
    """`request` is None while the model is loaded. `engine` is Handrail's, in its blocking form."""

    model_name = "model"
    manifest: Mapping[str, Any] = {}

    def __init__(self, properties: Mapping[str, Any], engine: BlockingEngine, request: Request | None = None) -> None:
        self.system_properties = dict(properties)
        self.engine = engine
        self.request_ids = {} if request is None else {0: request_id_of(request)}
        headers = None if request is None else Headers(request.headers.items())
        self.request_processor = [] if headers is None else [RequestProcessor(headers)]

    @property
    def metrics(self) -> Any:
        raise AttributeError("context.metrics is not served: the server counts requests at /metrics; log the rest")

    def get_request_id(self, idx: int = 0) -> str | None:
        return self.request_ids.get(idx)

    def get_request_header(self, idx: int, key: str) -> Any:
        return self._processor(idx).get_request_property(key)

    def get_all_request_header(self, idx: int) -> Headers:
        return self._processor(idx).get_request_properties()

    def set_response_content_type(self, idx: int, value: str) -> None:
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> str | None:
        return self._processor(idx).get_response_header("content-type")

    def get_response_status(self, idx: int) -> tuple[int, str]:
        processor = self._processor(idx)
        return processor.get_response_status_code(), processor.get_response_status_phrase()

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        self._processor(idx).report_status(code, phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        self.set_response_status(code, phrase)

    def get_response_headers(self, idx: int) -> dict[str, str]:
        return self._processor(idx).get_response_headers()

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        self._processor(idx).add_response_property(key, value)

    def _processor(self, idx: int) -> RequestProcessor:
        if not self.request_processor:
            raise RuntimeError("there is no request yet: the model is being loaded")
        if idx != 0:
            raise IndexError(f"the index is {idx!r}: one request comes at a time, and its index is 0")
        return self.request_processor[0]
