"""A `def` handler that waits for what never comes, until the file that its body names is there."""

import time
from pathlib import Path

from handrail import custom_invocation_handler


@custom_invocation_handler
def wait(body: dict):
    while not Path(body["until"]).exists():
        time.sleep(0.05)  # the line that waits
    return "done"
