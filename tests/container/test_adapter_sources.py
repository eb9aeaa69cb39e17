"""What a client may do with `/adapters`, and from where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from handrail_container.engine.lora import TRUSTED
from handrail_container.routes.adapter_sources import SAGEMAKER, AdapterSources
from starlette.exceptions import HTTPException

from tests.conftest import Launch
from tests.servers import Served


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "poet").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


@pytest.fixture
def guarded(launch: Launch, root: Path) -> Served:
    for name in ("poet", "other"):
        (root / name).mkdir(exist_ok=True)
        (root / name / "adapter_config.json").write_text("{}")
    return launch(root, HANDRAIL_MAX_ADAPTERS="1").ready()


def test_what_is_below_a_root_may_be_loaded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its path, by one from here, and by one through a link to the root."""
    (root.parent / "link").symlink_to(root)
    poet = str(root / "poet")
    assert AdapterSources((root,)).require(poet) == poet
    assert AdapterSources((root.parent / "link",)).require(poet) == poet
    assert AdapterSources((root.parent / "link",)).require(f"{root.parent}/link/poet") == f"{root.parent}/link/poet"
    assert AdapterSources((root,)).require(f"{root}/other/../poet/") == poet
    monkeypatch.chdir(root)
    assert AdapterSources((root,)).require("poet") == poet
    assert AdapterSources((Path("."),)).require("poet") == poet


def test_an_id_of_the_hub_that_is_a_directory_here_is_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine would load that one, from wherever the server was started."""
    monkeypatch.chdir(root.parent)
    sources = AdapterSources((Path("/elsewhere"),), from_hub=True)
    with pytest.raises(HTTPException):
        sources.require("root/poet")
    assert sources.require("root/another") == "root/another"


@pytest.mark.parametrize(
    "source", ["/opt/ml/models/ab12/model", "/opt/ml/model/adapters/poet", "/opt/ml/adapters/poet"]
)
def test_what_sagemaker_fills_may_be_loaded_wherever_it_is(source: str) -> None:
    assert AdapterSources((SAGEMAKER,)).require(source) == source
    with pytest.raises(HTTPException):
        AdapterSources((SAGEMAKER,)).require(source.replace("/opt/ml", "/opt/mlx"))


@pytest.mark.parametrize(
    "source",
    [
        "{root}/../outside",
        "{root}",
        "{root}-2/poet",
        "/",
        "/root/.ssh",
        "~",
        "~root",
        "{root}/\0",
        "org/name",
        "..",
        "",
    ],
)
def test_anything_else_is_as_if_it_were_not_there(root: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody looks whether it is."""
    sources, given = AdapterSources((root,)), source.format(root=root)
    monkeypatch.setattr(os, "stat", lambda *_: pytest.fail("the disk was asked"))
    with pytest.raises(HTTPException) as refused:
        sources.require(given)
    monkeypatch.undo()
    assert refused.value.status_code == 404
    assert refused.value.detail.startswith(f"there is no directory {given!r} that an adapter may be loaded from")


def test_a_hub_id_needs_a_setting(root: Path) -> None:
    sources = AdapterSources((root,), from_hub=True)
    assert sources.require("org/name") == "org/name"
    for odd in ("../name", "org/name/more", "/etc", "org"):
        with pytest.raises(HTTPException):
            sources.require(odd)


def test_a_directory_outside_and_none_are_told_alike(guarded: Served, root: Path) -> None:
    said = []
    for source in (root.parent / "outside", root / "missing"):
        answer = guarded.http.post("/adapters", json={"name": "x", "src": str(source)})
        said.append((answer.status_code, answer.json()["error"]["message"].replace(str(source), "")))
    assert said[0] == said[1]


def test_a_page_of_another_host_changes_nothing(guarded: Served, root: Path) -> None:
    """A browser sends such a request without asking first."""
    query = {"name": "poet", "src": str(root / "poet")}
    for method, path in (("POST", "/adapters"), ("DELETE", "/adapters/poet")):
        answer = guarded.http.request(method, path, params=query, headers={"Origin": "http://evil"})
        assert answer.status_code == 403
        assert "no change of adapters for pages of 'http://evil'" in answer.json()["error"]["message"]
    own = {"Origin": guarded.url}
    assert guarded.http.post("/adapters", params=query, headers=own).status_code == 200
    assert guarded.http.get("/adapters", headers={"Origin": "http://evil"}).status_code == 200


def test_more_than_the_most_are_507(guarded: Served, root: Path) -> None:
    """Until one is unloaded."""
    statuses = [
        guarded.http.post("/adapters", json={"name": name, "src": str(root / name)}).status_code
        for name in ("poet", "other")
    ]
    assert statuses == [200, 507]
    assert guarded.http.delete("/adapters/poet").status_code == 200
    assert guarded.http.post("/adapters", json={"name": "other", "src": str(root / "other")}).status_code == 200


@pytest.mark.parametrize(
    ("code_from", "allowed"),
    [
        ("refuse", ()),
        ("ignore", ()),
        ("model", ("{root}/poet",)),
        ("local", ("{root}/poet", "/elsewhere/poet")),
        ("hub", ("{root}/poet", "/elsewhere/poet", "org/name")),
    ],
)
def test_code_runs_from_where_the_operator_says(root: Path, code_from: Any, allowed: tuple[str, ...]) -> None:
    sources = AdapterSources((root, Path("/elsewhere")), (root,), from_hub=True, code_from=code_from)
    for source in ("{root}/poet", "/elsewhere/poet", "org/name"):
        policy = sources.code_policy(source.format(root=root))
        assert (policy == TRUSTED) is (source in allowed)
        assert policy.ignores is (code_from == "ignore")
        assert f"HANDRAIL_ADAPTERS_CODE={code_from}" in policy.refusal or source in allowed or source == "org/name"
    hub = sources.code_policy("org/name").refusal
    assert ("set HANDRAIL_ADAPTERS_CODE=hub" in hub) is (code_from in ("model", "local"))
