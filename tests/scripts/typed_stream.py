from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass
class Count:
    to: int


async def custom_sagemaker_invocation_handler(count: Count) -> AsyncIterator[bytes]:
    for number in range(count.to):
        yield b"%d" % number
