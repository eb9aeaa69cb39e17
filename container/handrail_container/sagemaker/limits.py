"""SageMaker's limits on an endpoint's environment, which botocore's service models lack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

VARIABLES = 100
#: Bytes of a variable's value, and of its name.
BYTES = 1024
#: Bytes of all names and values together.
TOTAL_BYTES = 32 * 1024
_INSTEAD = "put long values into a file of the model directory"


def over_limits(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each limit that `environment` exceeds."""
    if len(environment) > VARIABLES:
        yield f"{len(environment)} variables are set, and SageMaker takes {VARIABLES}: {_INSTEAD}"
    total = 0
    for name, value in sorted(environment.items()):
        of_name, of_value = _size(name), _size(value)
        total += of_name + of_value
        if of_name > BYTES:
            yield f"the name {name[:64]}… has {of_name} bytes, and SageMaker takes {BYTES}: write a shorter one"
        if of_value > BYTES:
            yield f"{name[:64]} has {of_value} bytes, and SageMaker takes {BYTES} for a variable: {_INSTEAD}"
    if total > TOTAL_BYTES:
        yield f"the variables that are set have {total} bytes, and SageMaker takes {TOTAL_BYTES} in all: {_INSTEAD}"


def _size(text: str) -> int:
    return len(text.encode(errors="surrogateescape"))
