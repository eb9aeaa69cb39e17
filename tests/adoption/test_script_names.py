"""Names of a module that are another object for scripts than for its own package."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from handrail_container.engine.vllm.adoption.script_names import ScriptNames


class Own:
    """The class that the module has."""


class Given:
    """What a script finds in its place."""


@pytest.fixture
def module() -> Iterator[ModuleType]:
    made, names = ModuleType("owner"), ScriptNames()
    sys.modules["owner"] = made
    vars(made).update(Own=Own, __all__=["Own"], __getattr__=lambda name: f"lazily {name}")
    names.give(made, {"Own": lambda: Given, "Lazy": lambda: Given, "More": lambda: Given})
    yield made
    names.undo()
    assert type(made) is ModuleType
    del sys.modules["owner"]


def see(name: str, expression: str, imports: str = "import owner") -> Any:
    """What a module of that name sees."""
    space: dict[str, Any] = {"__name__": name}
    exec(f"{imports}\nseen = {expression}", space)
    return space["seen"]


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("name", ["model", "__main__", "_handrail_model_0a", "vllm_server", "some.package"])
def test_a_script_sees_what_is_given(name: str) -> None:
    assert see(name, "owner.Own") is Given
    assert see(name, "Own", "from owner import Own") is Given
    assert see(name, "owner.Lazy()").__class__ is Given
    assert see(name, "Own", "from owner import *") is Given


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("name", ["vllm", "vllm.v1.engine", "handrail_container.engine", "msgspec", "typing"])
def test_others_see_the_modules_own(name: str) -> None:
    assert see(name, "owner.Own") is Own
    assert see(name, "Own", "from owner import Own") is Own
    assert see(name, "owner.Lazy") == "lazily Lazy"


def test_a_name_that_is_nowhere_is_no_attribute(module: ModuleType) -> None:
    del vars(module)["__getattr__"]
    with pytest.raises(AttributeError, match="module 'owner' has no attribute 'Lazy'"):
        see("vllm", "owner.Lazy")


@pytest.mark.usefixtures("module")
def test_it_is_the_same_after_many_times() -> None:
    """The interpreter remembers where it has found an attribute often."""
    assert set(see("model", "[owner.Own for _ in range(1000)]")) == {Given}
    assert {type(one) for one in see("model", "[owner.Own() for _ in range(1000)]")} == {Given}
    assert set(see("vllm", "[owner.Own for _ in range(1000)]")) == {Own}


def test_what_has_been_looked_up_often_before_is_given_too() -> None:
    made, names = ModuleType("owner"), ScriptNames()
    vars(made)["Own"] = Own
    space: dict[str, Any] = {"__name__": "model", "owner": made}
    exec("def look(): return owner.Own", space)
    look: Callable[[], Any] = space["look"]
    assert {look() for _ in range(1000)} == {Own}
    names.give(made, {"Own": lambda: Given})
    assert {look() for _ in range(1000)} == {Given}
    names.undo()
    assert {look() for _ in range(1000)} == {Own}


@pytest.mark.usefixtures("module")
def test_a_scripts_objects_can_be_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "__module__", "owner")
    space: dict[str, Any] = {"__name__": "model", "pickle": pickle, "made": Own()}
    exec("copied = pickle.loads(pickle.dumps(made))", space)
    assert type(space["copied"]) is Own


def test_what_is_assigned_is_there_for_all(module: ModuleType) -> None:
    module.Own = int  # type: ignore[attr-defined]
    assert see("model", "owner.Own") is see("vllm", "owner.Own") is int
