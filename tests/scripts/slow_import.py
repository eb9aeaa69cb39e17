"""A script whose import takes until the file that RELEASE names exists."""

import os
import time
from pathlib import Path

while not Path(os.environ["RELEASE"]).exists():
    time.sleep(0.01)


async def custom_sagemaker_invocation_handler(request):
    return "imported at last"
