"""Blocks the loop for ever once its start-up hook runs, so that SIGTERM is not heard."""

import os
import time
from pathlib import Path

from handrail import on_startup


@on_startup
async def block():
    Path(os.environ["IMPORTED"]).touch()
    time.sleep(3600)
