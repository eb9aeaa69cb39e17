"""The commands of `handrail`: each parses its arguments, calls one function, and exits with its status."""

from handrail_container.cli.commands import main

__all__ = ["main"]
