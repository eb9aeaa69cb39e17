"""What the layout promises: which way imports point, what importing does, and how large things get."""

from __future__ import annotations

import ast
import functools
import json
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
HANDLERS = ROOT / "handlers" / "handrail"
CONTAINER = ROOT / "container" / "handrail_container"
EXAMPLES = ROOT / "examples"
#: One worker parses the files, and no other does.
pytestmark = pytest.mark.xdist_group("architecture")

PYTEST = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
MARKERS = [line.partition(":")[0] for line in PYTEST["markers"]]
#: Programs that a document gives, to the letter.
QUOTED = tuple(EXAMPLES / name for name in ("rag", "fan_out", "run_inference", "tracing", "plugin/model"))
#: Its tests need a device to be written on.
UNUSED_YET = {"gpu"}

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.Match
IMPORTERS = {"import_module", "__import__", "find_spec"}


def sources(*roots: Path) -> list[Path]:
    return sorted(path for root in roots for path in root.rglob("*.py") if not any(map(path.is_relative_to, QUOTED)))


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), path)


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """The top-level package of everything a file imports, wherever in it and by whatever means it does."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path}:{node.lineno} is a relative import"
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and _name(node.func) in IMPORTERS and node.args:
            yield from (word.value.partition(".")[0] for word in node.args if isinstance(word, ast.Constant))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def test_handrail_needs_little() -> None:
    """The standard library, Starlette with what it is made of, FastAPI and pydantic: never the server or an engine."""
    used = {package for path in sources(HANDLERS) for package in imports(path)}
    assert used - sys.stdlib_module_names - {"handrail"} <= {
        "anyio",
        "starlette",
        "fastapi",
        "pydantic",
        "pydantic_core",
    }


def test_handrail_reads_no_environment() -> None:
    """It is handed a mapping."""
    reads = [
        f"{path}:{node.lineno}"
        for path in sources(HANDLERS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute | ast.Name) and _name(node) in {"environ", "environb", "getenv"}
    ]
    assert reads == []


@pytest.mark.parametrize(
    ("package", "doors"),
    [
        ("vllm", "engine/vllm"),
        ("boto3", "sagemaker/deploy/aws.py"),
        ("botocore", "sagemaker/deploy/aws.py"),
        ("opentelemetry", "gate/tracing.py"),
        ("pythonjsonlogger", "process/log_lines.py"),
        ("ray", "ray engine/ray_cluster.py"),
    ],
)
def test_heavy_packages_have_one_door(package: str, doors: str) -> None:
    """vLLM and Ray are imported in one sub-package each, the others in one module; the engine asks for a cluster."""
    importers = [path for path in sources(HANDLERS, CONTAINER) if package in imports(path)]
    places = [CONTAINER / door for door in doors.split()]
    assert [path for path in importers if not any(map(path.is_relative_to, places))] == []


OBSERVER = """
import json, logging, os, pkgutil, signal, sys, threading, time

OURS = tuple(sys.argv[1:3])
# what imports vLLM or Ray
RAY = ("handrail_container.ray.cluster", "handrail_container.ray.deployment", "handrail_container.ray.session_router")
ELSEWHERE = ("handrail_container.engine.vllm", *RAY)
reads = []

def note(method):
    def noting(*args):
        frame = sys._getframe(1)
        while frame and frame.f_code.co_filename.endswith(("os.py", "os>", "_collections_abc.py", "_collections_abc>")):
            frame = frame.f_back
        if frame and frame.f_code.co_filename.startswith(OURS):
            reads.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        return method(*args)
    return noting

for name in ("__getitem__", "__iter__", "__len__"):
    setattr(os._Environ, name, note(getattr(os._Environ, name)))

def metrics():
    known = sys.modules.get("prometheus_client")
    return [] if known is None else [metric.name for metric in known.REGISTRY.collect()]

def state():
    ours = [log for name, log in logging.Logger.manager.loggerDict.items()
            if name.startswith(("handrail", "model_hosting")) and isinstance(log, logging.Logger)]
    return {
        "root logger": [logging.root.level, len(logging.root.handlers), logging.root.disabled],
        "our loggers": [log.name for log in ours if log.handlers or log.level or not log.propagate],
        "stand-in": [name for name in sys.modules if name.startswith("model_hosting")],
        "finders": len(sys.meta_path),
        "path": sys.path[:],
        "bytecode": sys.dont_write_bytecode,
        "SIGTERM": str(signal.getsignal(signal.SIGTERM)),
        "threads": threading.active_count(),
        "metrics": [name for name in metrics() if name.startswith("handrail")],
    }

before, known, began = state(), set(sys.modules), time.process_time()
import handrail
seconds, imported = time.process_time() - began, sorted(set(sys.modules) - known)
if "all" in sys.argv:
    import handrail_container
    for package in (handrail, handrail_container):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.startswith(ELSEWHERE) and "__main__" not in module.name:
                __import__(module.name)
print(json.dumps({"before": before, "after": state(), "reads": reads, "imported": imported, "seconds": seconds}))
"""


def observe(*words: str) -> dict[str, Any]:
    """What a fresh interpreter sees of itself before and after the imports."""
    command = [sys.executable, "-c", OBSERVER, str(HANDLERS), str(CONTAINER), *words]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    seen: dict[str, Any] = json.loads(run.stdout)
    return seen


def test_importing_handrail_is_cheap() -> None:
    """`from handrail import ...` in a user's script waits for no framework."""
    seen = [observe() for _ in range(3)]
    packages = {name.partition(".")[0] for name in seen[0]["imported"]}
    assert packages & {"vllm", "torch", "boto3", "fastapi", "starlette", "pydantic", "anyio"} == set()
    assert min(one["seconds"] for one in seen) < 0.3


def test_importing_does_nothing() -> None:
    """No module of either package reads the environment, configures a log or stands in for another when imported."""
    seen = observe("all")
    assert seen["after"] == seen["before"]
    assert seen["reads"] == []


def docstring_lines(node: FUNCTIONS) -> int:
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return (first.end_lineno or first.lineno) - first.lineno + 1 if is_docstring else 0


def functions(*roots: Path) -> Iterator[tuple[str, FUNCTIONS]]:
    for path in sources(*roots):
        for node in ast.walk(tree(path)):
            if isinstance(node, FUNCTIONS):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def length(node: FUNCTIONS) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)


def depth(node: ast.AST, level: int = 0) -> int:
    """How deep blocks nest in a function; `elif` is no deeper than its `if`."""
    deepest = level
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS | ast.ClassDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deepest = max(deepest, depth(child, level + (isinstance(child, BLOCKS) and not is_elif)))
    return deepest


roots = pytest.mark.parametrize("root", [HANDLERS, CONTAINER, EXAMPLES], ids=["handlers", "container", "examples"])


@roots
def test_functions_are_short(root: Path) -> None:
    """Half of them in 8 lines, nearly all in 35, none over 50, docstrings aside."""
    sizes = {name: length(node) for name, node in functions(root)}
    ordered = sorted(sizes.values())
    assert statistics.median(ordered) <= 8
    assert ordered[int(0.95 * (len(ordered) - 1))] <= 35
    assert [name for name, size in sizes.items() if size > 50] == []


@roots
def test_files_are_short(root: Path) -> None:
    """None has over 300 lines."""
    assert [path.name for path in sources(root) if len(path.read_text().splitlines()) > 300] == []


@roots
def test_functions_are_flat(root: Path) -> None:
    """Blocks nest three deep at most."""
    assert [name for name, node in functions(root) if depth(node) > 3] == []


@roots
def test_functions_are_typed(root: Path) -> None:
    """Every parameter and result; only an example may leave a handler's `request` bare, which is a point of it."""
    bare = {"self", "cls"} | ({"request"} if root is EXAMPLES else set())
    assert [name for name, node in functions(root) if not is_typed(node, bare)] == []


def is_typed(node: FUNCTIONS, bare: set[str]) -> bool:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    untyped = [argument.arg for argument in given if argument and argument.annotation is None]
    return set(untyped) <= bare and (node.returns is not None or node.name == "__init__")


@pytest.mark.parametrize("marker", MARKERS)
def test_every_marker_is_used(marker: str, request: pytest.FixtureRequest) -> None:
    """A tier without tests is a tier that passes by itself."""
    if marker in UNUSED_YET:
        request.applymarker(pytest.mark.xfail(reason=f"no test is marked {marker} yet", strict=True))
    others = [path for path in sources(ROOT / "tests") if path != Path(__file__)]
    assert any(re.search(rf"\bmark\.{marker}\b", path.read_text()) for path in others)
