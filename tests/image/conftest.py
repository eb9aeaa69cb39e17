"""One image for the whole session, and containers of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.image.containers import ROOT, Container, Image, Options, build, buildah, mount

#: vLLM and torch take ten times as long to build in as all the rest.
WITH_VLLM = os.environ.get("IMAGE_WITH_VLLM") == "true"

Start = Callable[..., Container]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The CPU image, without vLLM unless IMAGE_WITH_VLLM=true."""
    ready = subprocess.run([ROOT / "scripts" / "setup-image"], capture_output=True, text=True, check=False)
    if ready.returncode:
        pytest.skip(ready.stderr.strip())
    name = f"localhost/handrail-test{'-vllm' if WITH_VLLM else ''}"
    began = time.monotonic()
    build(name, tmp_path_factory.mktemp("build") / "pip.conf", **({} if WITH_VLLM else {"WITH_VLLM": "false"}))
    container, image = mount(name)
    print(f"built in {time.monotonic() - began:.0f} s, {image.size / 1e6:.0f} MB")
    yield image
    buildah("rm", container)


@pytest.fixture
def start(image: Image, tmp_path: Path) -> Iterator[Start]:
    """`docker run IMAGE` with options and environment, on the echo engine; it is stopped when the test ends."""
    number = count()
    with ExitStack() as stack:

        def start(options: Options, **given: str) -> Container:
            container = Container(
                image, options, tmp_path / f"{next(number)}.log", **{"HANDRAIL_ENGINE": "echo", **given}
            )
            stack.callback(container.stop)
            return container

        yield start
