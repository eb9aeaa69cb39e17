"""What `handrail check` and `handrail deploy` both say of an environment."""

from __future__ import annotations

import os

import pytest
from handrail_container.sagemaker.limits import over_limits


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {f"A{number:02}": "" for number in range(100)},
        {"A": "x" * 1024},
        {"A" * 1024: "x"},
        {f"A{number:02}": "x" * 1021 for number in range(32)},
        {"A": "é" * 512},
    ],
)
def test_what_is_at_a_limit_is_taken(environment: dict[str, str]) -> None:
    assert list(over_limits(environment)) == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({f"A{number:03}": "" for number in range(101)}, "101 variables are set, and SageMaker takes 100: put long"),
        ({"A": "x" * 1025}, "A has 1025 bytes, and SageMaker takes 1024 for a variable: put long values"),
        ({"A": "é" * 513}, "A has 1026 bytes, and SageMaker takes 1024 for a variable: put long values"),
        ({"A": os.fsdecode(b"\xff" * 1025)}, "A has 1025 bytes, and SageMaker takes 1024 for a variable: put long"),
        ({"A" * 1025: "x"}, f"the name {'A' * 64}… has 1025 bytes, and SageMaker takes 1024: write a shorter one"),
        (
            {f"A{number:02}": "x" * 1022 for number in range(32)},
            "the variables that are set have 32800 bytes, and SageMaker takes 32768 in all: put long values",
        ),
    ],
)
def test_each_limit_that_is_exceeded_is_a_sentence(environment: dict[str, str], said: str) -> None:
    (sentence,) = over_limits(environment)
    assert sentence.startswith(said)
