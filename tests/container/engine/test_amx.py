"""The permission for AMX, in processes of their own: it counts for a whole process, and is never given back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from handrail_container.engine.vllm import amx

CPUINFO = Path("/proc/cpuinfo")
#: ARCH_GET_XCOMP_PERM, and the bit of the tiles' data.
PERMITTED = """
import ctypes

def permitted():
    mask = ctypes.c_uint64()
    assert ctypes.CDLL(None).syscall(158, 0x1022, ctypes.byref(mask)) == 0
    return bool(mask.value >> 18 & 1)
"""
OF_VLLMS_PROCESS = """
from handrail_container.engine.vllm.child import CauseHandler

before = permitted()
CauseHandler("/dev/null")
print(before, permitted())
"""
FORKED = """
import os, sys
from handrail_container.engine.vllm import amx

assert amx.allow() and amx.allow()
if pid := os.fork():
    os.waitpid(pid, 0)
else:
    print(permitted())
"""


def has_amx() -> bool:
    return CPUINFO.exists() and " amx_tile " in CPUINFO.read_text()


def said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", PERMITTED + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not has_amx(), reason="needs a CPU with AMX")
def test_a_process_of_vllms_may_use_it_before_it_runs_anything() -> None:
    """What vLLM's logging configuration has each of its processes make asks."""
    assert said(OF_VLLMS_PROCESS) == "False True"


@pytest.mark.skipif(not has_amx(), reason="needs a CPU with AMX")
def test_it_may_be_asked_for_twice_and_a_fork_has_it_too() -> None:
    assert said(FORKED) == "True"


@pytest.mark.parametrize(
    "cpuinfo",
    [
        "processor\t: 0\nflags\t\t: fpu avx512_bf16 amx_bf16 amx_int8\n",
        "processor\t: 0\nmodel name\t: made for amx_tile\nflags\t\t: fpu\n",
        "processor\t: 0\nvmx flags\t: amx_tile\nflags\t\t: fpu\n",
        "processor\t: 0\nFeatures\t: fp asimd amx_tile\n",
        "",
    ],
)
def test_where_the_cpu_has_none_nothing_is_asked(tmp_path: Path, cpuinfo: str) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert amx.allow(tmp_path / "cpuinfo") is False


def test_where_the_system_does_not_say_nothing_is_asked(tmp_path: Path) -> None:
    assert amx.allow(tmp_path / "nothing") is False
    assert amx.allow(tmp_path) is False
