"""A copy of JSON."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from handrail.core.json_trees import copied
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sets(st.integers()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def mutable(tree: Any) -> list[int]:
    if isinstance(tree, set):
        return [id(tree)]
    inner = list(tree.values()) if isinstance(tree, dict) else tree if isinstance(tree, list) else None
    return [] if inner is None else [id(tree), *(one for below in inner for one in mutable(below))]


@given(TREES)
def test_it_is_the_same_and_shares_nothing_that_can_change(tree: Any) -> None:
    copy = copied(tree, sys.maxsize)
    assert copy == tree
    assert not set(mutable(copy)) & set(mutable(tree))


@pytest.mark.parametrize("item", [{}, [], {"a": 1}])
def test_beyond_the_limit_it_is_refused(item: Any) -> None:
    assert copied([item] * 9, 10) == [item] * 9
    with pytest.raises(HTTPException, match="HANDRAIL_MAX_JSON_OBJECTS") as refused:
        copied([item] * 10, 10)
    assert refused.value.status_code == 413
