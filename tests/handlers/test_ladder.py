"""What each rung offers, and which of it is taken."""

from __future__ import annotations

from handrail.core.ladder import Candidate, Rung, Script, first, hidden
from handrail.core.slots import Slot

from tests.handlers.conftest import Written

REGISTERED = """
from handrail.core.marks import register_invocation_handler, register_ping_handler

@register_ping_handler
@register_invocation_handler
def registered():
    return "registered"
"""


def test_what_is_registered_answers_where_nobody_customized(program: Written) -> None:
    """In the place of the server's default, and it says so."""
    served = program(REGISTERED)
    assert served.faults == ()
    for slot in (Slot.PING, Slot.INVOCATION):
        resolution = served.resolutions[slot]
        assert [candidate.rung for candidate in resolution.candidates] == [Rung.DEFAULT]
        assert resolution.winner.found == f"registered with @register_{slot}_handler"
        assert resolution.handler is not None


def test_a_name_and_a_decorator_go_before_what_is_registered(program: Written) -> None:
    """And are said to hide it."""
    better = (
        "from handrail import custom_ping_handler\n"
        "@custom_ping_handler\ndef ping(): ...\n"
        "def custom_sagemaker_invocation_handler(): ...\n"
    )
    served = program(REGISTERED + better)
    winners = [resolution.winner.rung for resolution in served.resolutions.values()]
    assert winners == [Rung.DECORATOR, Rung.NAME, Rung.DEFAULT]
    assert served.warnings == (
        "/ping: decorated with @custom_ping_handler hides registered, registered with @register_ping_handler",
        "/invocations: named custom_sagemaker_invocation_handler hides registered, "
        "registered with @register_invocation_handler",
    )


def test_two_registered_ones_stop_the_start(program: Written) -> None:
    """As two decorated ones do."""
    twice = REGISTERED + "@register_ping_handler\ndef another(): ...\n"
    (fault,) = program(twice).faults
    assert "/ping has 2 handlers that are registered with @register_ping_handler: registered (" in str(fault)


def test_one_function_marked_twice_is_one(program: Written) -> None:
    """A decorator written twice is no ambiguity."""
    twice = "from handrail import custom_ping_handler as ping\n@ping\n@ping()\ndef alive(): ...\n"
    served = program(twice)
    assert served.faults == ()
    assert len([c for c in served.resolutions[Slot.PING].candidates if c.rung is Rung.DECORATOR]) == 1


def test_a_candidate_is_called_by_its_name() -> None:
    """Or by what Python shows of it."""
    assert Candidate(Rung.NAME, "named f", len).label == "len"
    assert Candidate(Rung.NAME, "named f", 7).label == "7"


def test_the_first_candidate_wins_and_the_others_are_told() -> None:
    """Not those on its own rung: two of those are a fault."""
    winner, lower = Candidate(Rung.ENVIRONMENT, "V=model:a", len), Candidate(Rung.NAME, "named b", max)
    assert first((winner, lower), "/ping", Slot.PING) is winner
    assert hidden((winner, lower), "/ping") == ["/ping: V=model:a hides max, named b"]
    assert hidden((winner, Candidate(Rung.ENVIRONMENT, "V=model:a", max)), "/ping") == []


def test_without_a_script_there_is_nothing() -> None:
    """All empty."""
    assert Script() == Script(None, None, ())
