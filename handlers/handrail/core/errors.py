"""The start-up errors, by whose fault they are. Each message is a sentence or two for the person who can mend it.

    HandlerFault                 a configured handler cannot be loaded
    ├── SettingFault             the setting itself is wrong
    │   ├── MalformedReference   its value is not a reference
    │   ├── ScriptMissing        CUSTOM_SCRIPT_FILENAME names no file
    │   └── DefinitionMissing    HANDRAIL_DEFINITION names no file
    └── ProgramFault             the setting is right, the user's program is not
        ├── FileMissing          no such file or module
        ├── ImportFailed         the file raised while it was imported
        ├── NameMissing          the file has no such name
        ├── SignatureRefused     the object cannot be called as a handler
        ├── Ambiguous            two handlers of one slot are on the same rung
        ├── HookFailed           a start-up hook raised
        ├── LoadFailed           a Model could not be made or loaded
        ├── ForeignScript        the script is written for another server, and nothing here would call it
        ├── DefinitionRefused    config.yaml or model.yaml cannot be read, or a field of it is wrong
        └── PluginFault          a plugin cannot be imported, or does not have the plugin's interface

A handler that raises when called is no start-up fault: `tracebacks.explain` locates the exception in the user's code.
"""

from __future__ import annotations


class HandlerFault(Exception):
    """`user_traceback` holds the user's frames of the traceback, or "" if there are none."""

    def __init__(self, message: str, user_traceback: str = "") -> None:
        super().__init__(message)
        self.user_traceback = user_traceback


class SettingFault(HandlerFault):
    pass


class MalformedReference(SettingFault):
    pass


class ScriptMissing(SettingFault):
    pass


class DefinitionMissing(SettingFault):
    pass


class ProgramFault(HandlerFault):
    pass


class FileMissing(ProgramFault):
    pass


class ImportFailed(ProgramFault):
    pass


class NameMissing(ProgramFault):
    pass


class SignatureRefused(ProgramFault):
    pass


class Ambiguous(ProgramFault):
    pass


class HookFailed(ProgramFault):
    pass


class LoadFailed(ProgramFault):
    pass


class ForeignScript(ProgramFault):
    pass


class DefinitionRefused(ProgramFault):
    pass


class PluginFault(ProgramFault):
    pass
