"""Predicts, before vLLM is imported, the environment variables that it will set for a single worker on a CPU.

They are read only when a process starts. `Spare.take` checks later that vLLM sets the same ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from handrail_container.engine.vllm import environment

_CPUS = Path("/sys/devices/system/cpu")
_FIRST_NODE = Path("/sys/devices/system/node/node0/cpulist")
_EXECUTOR = "SM_VLLM_DISTRIBUTED_EXECUTOR_BACKEND"
_OPENMP = ("libgomp", "libomp", "libiomp")


def variables(flags: Mapping[str, str]) -> dict[str, str]:
    """The variables with their values; none if torch can use a GPU. `flags` are the `SM_VLLM_*` variables."""
    if not _runs_on_cpu():
        return {}
    preloaded = {"LD_PRELOAD": _preloaded(os.environ.get("LD_PRELOAD", ""))}
    if not environment.binds_threads_itself() or _EXECUTOR in flags:
        return preloaded
    cores = _cores()
    threads = preloaded | {"OMP_NUM_THREADS": str(len(cores))}
    return threads | {"GOMP_CPU_AFFINITY": " ".join(map(str, cores))} if len(cores) > 1 else threads


def _runs_on_cpu() -> bool:
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def _preloaded(given: str) -> str:
    """LD_PRELOAD with vLLM's tcmalloc before the libraries given, and torch's OpenMP after them."""
    libraries = given.split(":") if given else []
    if not any(name in given for name in _OPENMP):
        torch = _folder("torch")
        libraries += _first("libgomp*.so*", torch.with_name("torch.libs"), torch / "lib")
    if "libtcmalloc" not in given:
        libraries = _first("libtcmalloc*.so*", _folder("vllm") / "libs") + libraries
    return ":".join(libraries)


def _folder(package: str) -> Path:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else Path(package)


def _first(pattern: str, *folders: Path) -> list[str]:
    return next(([str(path)] for folder in folders for path in folder.glob(pattern)), [])


def _cores() -> list[int]:
    """The last thread of every core of the first node; the last core is left to the server."""
    allowed = os.sched_getaffinity(0)
    if _FIRST_NODE.exists():
        allowed &= numbers(_FIRST_NODE.read_text())
    cores = sorted({max(_siblings(cpu) & allowed) for cpu in allowed})
    return cores[:-1] or cores


def _siblings(cpu: int) -> set[int]:
    listed = _CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list"
    return numbers(listed.read_text()) if listed.exists() else {cpu}


def numbers(listed: str) -> set[int]:
    """The numbers of a list as Linux writes it: `0-3,8`."""
    ranges = (found.groups() for found in re.finditer(r"(\d+)(?:-(\d+))?", listed))
    return {number for first, last in ranges for number in range(int(first), int(last or first) + 1)}
