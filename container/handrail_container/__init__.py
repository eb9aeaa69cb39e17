"""The server an operator runs: `/ping` and `/invocations` over a vLLM engine in the same process."""

from importlib.metadata import version

__version__ = version("handrail")
