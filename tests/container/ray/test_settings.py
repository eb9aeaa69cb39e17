"""What is wrong with Ray's settings, also where nothing runs on Ray."""

from __future__ import annotations

import pytest
from handrail_container.process.exits import SettingsError
from handrail_container.settings import environment


def test_more_at_least_than_at_most_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_RAY_MAX_REPLICAS", "2")
    with pytest.raises(SettingsError) as refused:
        environment.read(ray_replicas=3)
    assert refused.value.problems == ("HANDRAIL_RAY_MAX_REPLICAS is 2: at least HANDRAIL_RAY_REPLICAS, which is 3",)
    assert refused.value.usable.ray_max_replicas is None


def test_as_many_at_least_as_at_most_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_RAY_MAX_REPLICAS", "3")
    settings = environment.read(ray_replicas=3)
    assert (settings.ray_replicas, settings.ray_max_replicas) == (3, 3)


def test_each_is_refused_for_what_is_wrong_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_RAY_REPLICAS", "many")
    monkeypatch.setenv("HANDRAIL_RAY_MAX_REPLICAS", "2")
    with pytest.raises(SettingsError) as refused:
        environment.read()
    (problem,) = refused.value.problems
    assert problem.startswith("HANDRAIL_RAY_REPLICAS is 'many'")
