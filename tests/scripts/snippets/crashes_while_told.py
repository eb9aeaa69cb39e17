"""Ends its process when it is imported, as long as the file that it is told of is there."""

import os
from pathlib import Path

if Path(os.environ["CRASH_FILE"]).exists():
    os._exit(4)


def run_inference(body, environment):
    if body == "crash":
        os._exit(5)
    return body
