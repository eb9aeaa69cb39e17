"""A stream in a thread, of text, whose second piece takes its time."""

import time
from collections.abc import Iterator


def custom_sagemaker_invocation_handler() -> Iterator[str]:
    yield "a"
    time.sleep(8)
    yield "b"
