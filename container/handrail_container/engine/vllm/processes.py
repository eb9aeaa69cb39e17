"""vLLM's own processes: their logging, their environment variables, and how they are ended."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import multiprocessing
import os
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no types of its own

from handrail_container.engine.vllm import environment
from handrail_container.engine.vllm.cpu_environment import numbers
from handrail_container.engine.vllm.names import vllm
from handrail_container.process import logs
from handrail_container.process.log_lines import JsonLines

#: vLLM's names for the processes that it starts from this one; their children are found by descent.
_NAMES = ("EngineCore", "VLLM_")

_STATUS = Path("/proc/self/status")
_BINDING = ("OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
_CONFIG = "VLLM_LOGGING_CONFIG_PATH"
_JSON = "handrail_container.process.log_lines.JsonLines"


def log_like_us() -> None:
    """Log vLLM's lines of this process as JSON if ours are JSON and the user has not configured vLLM's logging."""
    if not logs.is_json() or _CONFIG in os.environ:
        return
    for name in vllm("DEFAULT_LOGGING_CONFIG")["loggers"]:  # vLLM has made its handlers from it
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(JsonLines())


@contextlib.contextmanager
def logging_to(causes: Path) -> Iterator[None]:
    """Children started within log as configured for vLLM, and also write the causes of their failures to `causes`."""
    given = os.environ.get(_CONFIG)
    config = json.loads(Path(given).read_text()) if given else copy.deepcopy(vllm("DEFAULT_LOGGING_CONFIG"))
    if logs.is_json() and not given:
        config["formatters"] = {name: {"()": _JSON} for name in config["formatters"]}
    config.setdefault("handlers", {})["handrail"] = {
        "class": "handrail_container.engine.vllm.child.CauseHandler",
        "path": str(causes),
    }
    logger = config.setdefault("loggers", {}).setdefault("vllm", {})
    logger["handlers"] = ["handrail", *logger.get("handlers", ())]  # first: it removes the trace that it has written
    path = causes.with_name("logging.json")
    path.write_text(json.dumps(config))
    with _variable(_CONFIG, str(path)):
        yield


@contextlib.contextmanager
def openmp(config: Any) -> Iterator[None]:
    """Children started within use the threads and cores that vLLM would give to the single worker of `config`."""
    with vllm("OMPProcessManager")(config).configure_omp_envs(0, 0):
        if os.environ.get("OMP_NUM_THREADS") == "1" and environment.binds_threads_itself():
            # A single thread needs no binding: bound, it would wait for other processes on its core.
            for name in _BINDING:
                os.environ.pop(name, None)
        yield


@contextlib.contextmanager
def variables(given: Mapping[str, str]) -> Iterator[None]:
    """Children started within have these environment variables."""
    with contextlib.ExitStack() as stack:
        for name, value in given.items():
            stack.enter_context(_variable(name, value))
        yield


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def running() -> frozenset[int]:
    """The process ids of the engines that this process has started."""
    return frozenset(child.pid for child in _engines() if child.pid)


def kill(others: frozenset[int]) -> None:
    """Kill every process of the engine at once, also while the engine is still being built. `others` belong to another
    engine of this process."""
    for child in _engines():
        if child.pid and child.pid not in others:
            _kill_tree(child.pid)
            child.join(1)


def _engines() -> list[multiprocessing.process.BaseProcess]:
    return [child for child in multiprocessing.active_children() if child.name.startswith(_NAMES)]


def _kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
        root = psutil.Process(pid)
        for process in [*root.children(recursive=True), root]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def available_memory() -> int:
    """Bytes of this machine's memory that nothing else holds."""
    return int(psutil.virtual_memory().available)


def numa_nodes() -> int | None:
    """The number of NUMA nodes that this process may allocate memory on and vLLM may use; None if the system does not
    say, or vLLM counts them in another way."""
    if platform.machine() == "s390x" or not _STATUS.exists():
        return None
    allowed = re.search(r"(?m)^Mems_allowed_list:\s*(\S+)$", _STATUS.read_text())
    if allowed is None:
        return None
    nodes, chosen = numbers(allowed[1]), environment.chosen_nodes()
    return len(nodes if chosen is None else nodes & chosen)
