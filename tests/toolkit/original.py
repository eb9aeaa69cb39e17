"""Runs rows on the toolkit itself, under Multi Model Server's own service, in one process without the server.

It runs in a Python that has `sagemaker-inference` and `multi-model-server`, and imports nothing of Handrail. It reads
the rows as JSON from standard input and writes the answers to standard output.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any


def main() -> None:
    answers = {row["name"]: measured(row) for row in json.load(sys.stdin)}
    packages = ("sagemaker-inference", "multi-model-server", "numpy", "scipy")
    known = {name: version(name) for name in packages}
    json.dump({"versions": known, "answers": answers}, sys.stdout, indent=1, sort_keys=True)


def measured(row: dict[str, Any]) -> dict[str, Any]:
    """What the toolkit answers to the row's request, or why it does not start."""
    modules, path, variables = set(sys.modules), list(sys.path), dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        model_dir = Path(folder) / "ml"
        for name, text in row["files"].items():
            (model_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (model_dir / name).write_text(text)
        sys.path[:0] = [str(model_dir / "code"), str(model_dir)]
        os.environ.update(row["environment"])
        try:
            return _served(row, str(model_dir))
        finally:
            sys.path[:] = path
            os.environ.clear()
            os.environ.update(variables)
            for name in set(sys.modules) - modules:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
                    del sys.modules[name]


def _served(row: dict[str, Any], model_dir: str) -> dict[str, Any]:
    import mms.service
    from sagemaker_inference.default_handler_service import DefaultHandlerService

    logging.disable(logging.CRITICAL)
    handler = DefaultHandlerService()
    service = mms.service.Service("model", model_dir, {}, handler.handle, None, 1)
    try:
        handler.initialize(service.context)
    except Exception as error:  # noqa: BLE001  a script may raise anything
        return {"refused": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    sent: list[dict[str, Any]] = []

    def note(ret: Any, ids: Any, message: str, code: int, context: Any = None) -> bytes:
        sent.append(_answer(ret, message, code, context))
        return b""

    mms.service.create_predict_response = note
    headers = [{"name": name.encode(), "value": value.encode()} for name, value in row["headers"].items()]
    body = {"name": "body", "value": base64.b64decode(row["body"]), "contentType": row["headers"].get("Content-Type")}
    service.predict([{"requestId": b"request", "headers": headers, "parameters": [body]}])
    return sent[-1]


def _answer(ret: Any, message: str, code: int, context: Any) -> dict[str, Any]:
    """As `create_predict_response` sends it: text and bytes as they are, anything else as JSON."""
    if ret is None or context is None:
        return {"status": code, "content_type": None, "headers": {}, "body": _encoded(message.encode())}
    value, (status, _) = ret[0], context.get_response_status(0)
    try:
        raw = value if isinstance(value, (bytes, bytearray)) else _text(value).encode()
    except TypeError:
        return _answer(None, "Unsupported model output data type.", 503, None)
    headers = dict(context.get_response_headers(0))
    kind = headers.pop("content-type", None)
    return {"status": status, "content_type": kind, "headers": headers, "body": _encoded(bytes(raw))}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2)


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


if __name__ == "__main__":
    main()
