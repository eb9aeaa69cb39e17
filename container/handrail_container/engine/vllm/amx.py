"""Requests the Linux kernel's permission to use the AMX tile registers.

vLLM's bfloat16 attention on a CPU uses them without a request, and a process without the permission is ended by
SIGILL. Torch's matrix products request it, but only in a forward pass that is long enough; the first may be shorter.

A permission covers a whole process. A fork inherits it and an exec loses it, so every spawned process of vLLM has to
request it for itself.
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
    """Request the permission. Returns whether this process has it: the CPU has AMX, and the kernel agreed. A refused
    request has no effect."""
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
