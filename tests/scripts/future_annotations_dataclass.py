from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass
class Prediction:
    prompt: str
    count: ClassVar[int] = 0


async def custom_sagemaker_invocation_handler(request):
    return Prediction((await request.json())["prompt"])
