"""The kernel's permission to use the tile registers of AMX, which a process on Linux has to ask for.

vLLM's attention for bfloat16 on a CPU uses them without asking, and a process without the permission is ended by
SIGILL. Torch's matrix products ask, but only when a forward pass is long enough, which the first one need not be.

A permission counts for a whole process. It is inherited by a fork and lost when another program is executed, so that
every process of vLLM's that is spawned has to ask for itself.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_FLAG = "amx_tile"
#: arch_prctl, as a system call of x86-64: the C library has no function for it.
_ARCH_PRCTL = 158
_ARCH_REQ_XCOMP_PERM = 0x1023
_XFEATURE_XTILEDATA = 18


def allow(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether this process may use them from now on: the CPU has them, and the kernel agrees. Others are left as they
    are: a process that may not has lost nothing by asking."""
    return _is_there(cpuinfo) and _ask()


def _is_there(cpuinfo: Path) -> bool:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    try:
        with cpuinfo.open(errors="replace") as lines:
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return False
    return _FLAG in flags.split()


def _ask() -> bool:
    call = ctypes.CDLL(None, use_errno=True).syscall
    return bool(call(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA) == 0)
