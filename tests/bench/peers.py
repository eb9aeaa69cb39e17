"""The servers that are measured: each is a command line, and files for its model directory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.bench.apps import PIECE, PIECES
from tests.compat.launchers import HOST, ROOT
from tests.servers import HANDRAIL

BENCH = ROOT / ".bench"
DEMO_MODEL = ROOT / "examples" / "model"
#: The same for Handrail as for the stock server.
VLLM_FLAGS = {
    "max-model-len": "1024",
    "enforce-eager": "true",
    "dtype": "float32",
    "max-num-seqs": "256",
    "distributed-executor-backend": "mp",
    "no-enable-log-requests": "true",
}
_HERE = Path(__file__).parent
_UVICORN = ["--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning"]
_VLLM = {"VLLM_CPU_KVCACHE_SPACE": "1"}

_ASYNC = "async def custom_sagemaker_invocation_handler(request):\n    return {'ok': True}\n"
_RESPONSE = """
from fastapi import Response

async def custom_sagemaker_invocation_handler(request):
    return Response(b'{"ok":true}', media_type="application/json")
"""
_STREAM = f"""
async def custom_sagemaker_invocation_handler(request):
    for _ in range({PIECES}):
        yield {PIECE!r}
"""
_READS = "async def custom_sagemaker_invocation_handler(request):\n    return {'bytes': len(await request.body())}\n"
_AWS = """
from fastapi import Request, Response

async def custom_sagemaker_invocation_handler(request: Request) -> Response:
    return Response('{"ok":true}', media_type="application/json")
"""
_TRUSS = "class Model:\n    async def predict(self, model_input):\n        return {'ok': True}\n"


@dataclass(frozen=True)
class Peer:
    """`needs` has to exist, else the peer is missing; `path` is asked, and `ready` until it is 200."""

    name: str
    title: str
    command: Callable[[int], list[str]]
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: Path = Path(sys.executable)
    path: str = "/invocations"
    ready: str = "/ping"


def uvicorn(name: str, title: str, app: str, path: str = "/invocations") -> Peer:
    flags = ["--host", HOST, *_UVICORN]
    command = [sys.executable, "-m", "uvicorn", f"tests.bench.apps:{app}", *flags, "--port"]
    return Peer(name, title, lambda port: [*command, str(port)], path=path)


def ours(name: str, title: str, program: str, engine: str = "echo", flags: Mapping[str, str] = VLLM_FLAGS) -> Peer:
    command = [str(HANDRAIL), "serve", "--host", HOST, "--engine", engine, "--port"]
    given = _VLLM | {f"SM_VLLM_{flag.upper().replace('-', '_')}": value for flag, value in flags.items()}
    model = {"SM_VLLM_MODEL": str(DEMO_MODEL), **given} if engine == "vllm" else {}
    return Peer(name, title, lambda port: [*command, str(port)], {"model.py": program}, model)


def stock(program: str = "", given: Mapping[str, str] = VLLM_FLAGS) -> Peer:
    """vLLM's own server, which runs the AWS library itself."""
    flags = [f"--{flag}" if value == "true" else f"--{flag}={value}" for flag, value in given.items()]
    module = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--host", HOST, "--model", str(DEMO_MODEL)]
    command = [*module, *flags, "--uvicorn-log-level", "warning", "--port"]
    files = {"model.py": program} if program else {}
    return Peer("stock", "stock vLLM + AWS library", lambda port: [*command, str(port)], files, _VLLM)


def _aws(port: int) -> list[str]:
    return [sys.executable, str(_HERE.parent / "compat" / "aws_app.py"), HOST, str(port)]


_TRUSS_PYTHON = ROOT / ".venv-truss" / "bin" / "python"
_LITSERVE_PYTHON = BENCH / "litserve" / "bin" / "python"

UNARY = (
    uvicorn("asgi", "bare ASGI on uvicorn", "asgi"),
    ours("ours", "Handrail, `async def`", _ASYNC),
    ours("ours-response", "Handrail, `async def` with a `Response`", _RESPONSE),
    ours("ours-def", "Handrail, `def`", _ASYNC.removeprefix("async ")),
    uvicorn("starlette", "Starlette", "starlette"),
    uvicorn("fastapi", "FastAPI", "fastapi"),
    Peer("aws", "AWS library on FastAPI", _aws, {"model.py": _AWS}),
    Peer(
        "litserve",
        "LitServe",
        lambda port: [str(_LITSERVE_PYTHON), str(_HERE / "litserve_app.py"), str(port)],
        environment={"PYTHONPATH": ""},
        needs=_LITSERVE_PYTHON,
        ready="/health",
    ),
    Peer(
        "truss",
        "Truss",
        lambda port: [str(_TRUSS_PYTHON), str(_HERE.parent / "truss" / "server.py"), str(port)],
        {"model/model.py": _TRUSS, "config.yaml": "model_name: bench\n"},
        {"PYTHONPATH": ""},
        _TRUSS_PYTHON,
        "/v1/models/model:predict",
        "/v1/models/model/loaded",
    ),
    stock(_AWS),
)
STREAM = (
    uvicorn("starlette", "Starlette's `StreamingResponse` alone", "streaming"),
    ours("ours", "Handrail, a generator", _STREAM),
    replace(uvicorn("routed", "Starlette with its router", "starlette"), path="/stream"),
    replace(uvicorn("fastapi", "FastAPI", "fastapi"), path="/stream"),
)
READS = ours("ours", "Handrail", _READS)
