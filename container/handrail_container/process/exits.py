"""The exceptions that end the server, drawn as a tree, with the exit status of each.

StartError
├── SettingsError      2  a setting, a reference, the port, or no model
├── RequirementsError  3  requirements.txt cannot be installed beside the server's own packages
├── PluginError        3  the engine's plugin cannot be loaded
└── EngineStartError   4  the engine did not start
EngineDeadError        5  the engine died or hung while serving
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    CLEAN = 0
    BUG = 1
    SETTINGS = 2
    SCRIPT = 3
    ENGINE_START = 4
    ENGINE_DEAD = 5


class StartError(Exception):
    """The server cannot start; `problems` are all the reasons, as sentences for the operator."""

    exit_code = ExitCode.BUG

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SettingsError(StartError):
    """`usable` are the settings with defaults in place of the wrong ones: enough to check the script as well."""

    exit_code = ExitCode.SETTINGS
    usable: Any = None


class RequirementsError(StartError):
    exit_code = ExitCode.SCRIPT


class PluginError(StartError):
    exit_code = ExitCode.SCRIPT


class EngineStartError(StartError):
    exit_code = ExitCode.ENGINE_START


class EngineDeadError(Exception):
    """The engine no longer works; the message is the reason, in one sentence."""
