from __future__ import annotations

from itertools import pairwise

import pytest
from handrail_container.gate.lifecycle import IllegalTransition, Lifecycle, State
from hypothesis import given
from hypothesis import strategies as st

WAY_UP = [State.STARTING, State.LOADING, State.WARMING, State.READY]


def may_follow(before: State, after: State) -> bool:
    """The drawing of the module's docstring, said another way."""
    if after is State.STOPPED:
        return before in (State.DRAINING, State.FAILED)
    if after is State.FAILED:
        return before in (*WAY_UP, State.DRAINING)
    if after is State.DRAINING:
        return before in WAY_UP
    return (before, after) in pairwise(WAY_UP)


@given(st.lists(st.sampled_from(State)))
def test_states_follow_each_other_as_drawn_and_in_no_other_way(wanted: list[State]) -> None:
    """Whatever order they are asked for in; an illegal one raises and changes nothing."""
    lifecycle = Lifecycle()
    for state in wanted:
        before, reason = lifecycle.state, lifecycle.reason
        if may_follow(before, state):
            lifecycle.move(state, f"now {state}")
            assert (lifecycle.state, lifecycle.reason) == (state, f"now {state}")
        else:
            with pytest.raises(IllegalTransition, match=f"{before} cannot become {state}"):
                lifecycle.move(state, "no")
            assert (lifecycle.state, lifecycle.reason) == (before, reason)
        assert lifecycle.is_ready is (lifecycle.state is State.READY)


def test_a_step_changes_the_reason_and_not_the_state() -> None:
    """The reason is what a 503 says."""
    lifecycle = Lifecycle()
    lifecycle.step("the dog is being fed")
    assert repr(lifecycle) == "<Lifecycle starting: the dog is being fed>"
