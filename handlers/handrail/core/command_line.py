"""What a script's own parser says of its command line."""

from __future__ import annotations

import argparse
import traceback

VARIABLE = "HANDRAIL_SCRIPT_ARGS"
_REQUIRED = "the following arguments are required: "


def refused(error: BaseException) -> str:
    """What the script wants on its command line, where argparse has ended it; "" where it has not."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    of_parser = [frame for frame in frames if frame.f_code is argparse.ArgumentParser.error.__code__]
    if not of_parser:
        return ""
    said = str(of_parser[0].f_locals["message"])
    if said.startswith(_REQUIRED):
        return f"the script wants {said.removeprefix(_REQUIRED)} on its command line: set {VARIABLE}"
    return f"the script does not take its command line: {said}. Change {VARIABLE}"
