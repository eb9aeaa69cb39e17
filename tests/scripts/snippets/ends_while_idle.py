"""Ends its process a moment after it was imported, once the file that it is told of is there."""

import os
import threading
import time
from pathlib import Path


def end():
    time.sleep(0.2)
    while not Path(os.environ["CRASH_FILE"]).exists():
        time.sleep(0.01)
    os._exit(6)


threading.Thread(target=end, daemon=True).start()


def run_inference(body, environment):
    return body
