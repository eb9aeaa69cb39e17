"""JSON schemas of `predict`, from its pydantic annotations."""

from __future__ import annotations

import inspect
import typing
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic import BaseModel

from handrail.core.signature import returned_by
from handrail.styles.truss.methods import Method


def schema_of(methods: dict[str, Method]) -> dict[str, Any] | None:
    """The schemas of `predict`; None if it takes no pydantic model."""
    predict = methods.get("predict")
    if predict is None or predict.model is None:
        return None
    returned = returned_by(predict.function)
    kinds = [returned, *typing.get_args(returned)]
    output = next((kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel)), None)
    origins = {typing.get_origin(kind) or kind for kind in kinds}
    return {
        "input_schema": predict.model.json_schema(),
        "output_schema": output and output.model_json_schema(),
        "supports_streaming": any(
            inspect.isclass(one) and issubclass(one, Iterator | AsyncIterator) for one in origins
        ),
    }
