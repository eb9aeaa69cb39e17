"""Sessions on disk: what is kept, what is found, and what a crash or a full disk leaves."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail_container.process.exits import SettingsError
from handrail_container.routes.session_store import Session, Sessions, find_sessions
from handrail_container.settings.fields import Settings
from starlette.exceptions import HTTPException

LIFETIME_S = 1200
MOST = 10_000


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path / "sessions", LIFETIME_S, MOST)


def expire(session: Session) -> None:
    about = json.loads((session.path / ".session").read_text())
    (session.path / ".session").write_text(json.dumps({**about, "expires": time.time() - 1}))


def again(session: Session, lifetime_s: int = LIFETIME_S) -> Sessions:
    """As another process has them, or the next one."""
    return Sessions(session.path.parent, lifetime_s, MOST)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may have a byte more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def refused(error: pytest.ExceptionInfo[HTTPException]) -> tuple[int, str]:
    return error.value.status_code, error.value.detail


def test_values_are_kept_under_any_key(sessions: Sessions) -> None:
    """No two keys share a file, and none leaves the folder."""
    opened = sessions.open()
    keys = [
        "turns",
        "a/b",
        "a-b",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "",
        ".session",
        "é" * 20,
        "A",
        "a",
        "\ud800",
    ]
    keys += [character * length for character in ("k", "é", "\U0010ffff") for length in (21, 42, 250, 251, 100_000)]
    for number, key in enumerate(keys):
        opened.set(key, {"number": number, "text": "ü\ud800"})
    found = again(opened).find(opened.id)
    assert [found.get(key)["number"] for key in keys] == list(range(len(keys)))
    assert {path.parent for path in opened.path.parent.rglob("*") if path.is_file()} == {opened.path}
    found.delete("turns")
    found.delete("turns")
    assert opened.get("turns", "none") == "none"


def test_it_knows_when_it_was_opened_and_when_it_ends(sessions: Sessions) -> None:
    opened = sessions.open()
    assert opened.expires - opened.created == timedelta(seconds=LIFETIME_S)
    assert abs(opened.created - datetime.now(UTC)) < timedelta(minutes=1)
    found = sessions.find(opened.id)
    assert (found.created, found.expires, found.path) == (opened.created, opened.expires, opened.path)


def test_others_on_the_machine_do_not_read_it(sessions: Sessions) -> None:
    path = sessions.open().path
    assert [folder.stat().st_mode & 0o777 for folder in (path, path.parent)] == [0o700, 0o700]


@pytest.mark.parametrize("name", ["", ".", "..", "../sessions", "a/b", "-a", "a-", "a_b", "a.b", "ä", "a\n", "a\0b"])
def test_what_is_no_session_is_not_found(sessions: Sessions, name: str) -> None:
    """Ids as SageMaker writes them, and nothing that could be a path."""
    sessions.open()
    for named in (name, "a" * 257):
        with pytest.raises(HTTPException) as error:
            sessions.find(named)
        assert refused(error) == (400, f"Bad request: session not found: {named}")


def test_an_id_of_somebody_elses_making_is_as_good(sessions: Sessions) -> None:
    opened = sessions.open()
    for name in ("a", "a--b-C9"):
        opened.path.rename(opened.path.with_name(name))
        opened = sessions.find(name)
        assert opened.id == name


def test_an_expired_one_is_gone_with_its_files(sessions: Sessions) -> None:
    """From the first request after its time."""
    opened = sessions.open()
    expire(opened)
    with pytest.raises(HTTPException) as error:
        sessions.find(opened.id)
    assert refused(error) == (400, f"Bad request: session not found: {opened.id}")
    assert list(opened.path.parent.iterdir()) == []


def test_expired_ones_are_removed_when_others_are_opened(sessions: Sessions) -> None:
    """Those of the process before as well."""
    old = sessions.open()
    expire(old)
    again(old).open()
    assert not old.path.exists()


def test_a_closed_one_is_gone(sessions: Sessions) -> None:
    """Who holds it can no longer write, and it is closed once."""
    opened = sessions.open()
    opened.set("a", 1)
    sessions.close(opened.id)
    for attempt in (lambda: sessions.close(opened.id), lambda: opened.set("a", 2)):
        with pytest.raises(HTTPException) as error:
            attempt()
        assert refused(error) == (400, f"Bad request: session not found: {opened.id}")
    assert opened.get("a") is None
    assert list(opened.path.parent.iterdir()) == []


def test_of_many_who_close_it_one_does(sessions: Sessions) -> None:
    opened = sessions.open()

    def close(_: int) -> int:
        try:
            sessions.close(opened.id)
        except HTTPException as error:
            return error.status_code
        return 200

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(close, range(8))) == [200] + [400] * 7


def test_one_that_goes_while_it_is_looked_at_is_unknown(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another request closed it between two steps of this one."""
    opened = sessions.open()
    sessions.close(opened.id)
    monkeypatch.setattr(sessions, "find", lambda _: opened)
    with pytest.raises(HTTPException) as error:
        sessions.close(opened.id)
    assert refused(error) == (400, f"Bad request: session not found: {opened.id}")


def test_what_is_not_ours_is_left_alone(sessions: Sessions) -> None:
    """Files, folders without a session in them, and half-written ones: no session, and no obstacle to any."""
    opened = sessions.open()
    root = opened.path.parent
    (root / "stray").write_text("a file")
    (root / "foreign").mkdir()
    wrong = '{"created": "x", "expires": 1}'
    for name, text in {"half": '{"created": 1', "empty": "", "list": "[]", "words": wrong}.items():
        (root / name).mkdir()
        (root / name / ".session").write_text(text)
    before = sorted(path.name for path in root.iterdir())
    assert again(opened).open().id not in before
    for name in ("stray", "foreign", "half", "empty", "list", "words"):
        with pytest.raises(HTTPException):
            sessions.find(name)
        assert (root / name).exists()
    (opened.path / "turns.json").write_text('["half')
    assert opened.get("turns", []) == []


def test_what_a_crash_left_is_removed(sessions: Sessions) -> None:
    """Not what another process is at this moment making."""
    opened = sessions.open()
    root = opened.path.parent
    for name, age_s in {".new-old": 3600, ".gone-old": 3600, ".new-now": 0, ".gone-now": 0}.items():
        (root / name).mkdir()
        (root / name / ".session").write_text("{}")
        os.utime(root / name, (time.time() - age_s,) * 2)
    (root / ".gone-dangling").symlink_to("nowhere")
    again(opened).open()
    assert {path.name for path in root.iterdir() if path.name[0] == "."} == {".new-now", ".gone-now", ".gone-dangling"}


def test_a_full_disk_is_507_and_leaves_nothing(sessions: Sessions) -> None:
    """Neither half a session nor half a value; what was there is there."""
    opened = sessions.open()
    opened.set("turns", ["one"])
    before = sorted(map(str, opened.path.parent.rglob("*")))
    for attempt in (lambda: again(opened).open(), lambda: opened.set("turns", ["two"])):
        with full_disk(), pytest.raises(HTTPException) as error:
            attempt()
        status, message = refused(error)
        assert (status, message) == (507, "the session cannot be kept: File too large")
    assert sorted(map(str, opened.path.parent.rglob("*"))) == before
    assert opened.get("turns") == ["one"]


def test_what_cannot_be_written_is_500_with_the_cause(sessions: Sessions) -> None:
    """A folder where a value would be; a file where the sessions were."""
    opened = sessions.open()
    (opened.path / "k.json").mkdir()
    with pytest.raises(HTTPException) as error:
        opened.set("k", 1)
    assert (error.value.status_code, "Is a directory" in error.value.detail) == (500, True)
    (opened.path.parent / "stray").write_text("")
    with pytest.raises(HTTPException) as error:
        Sessions(opened.path.parent / "stray", LIFETIME_S, MOST).open()
    assert error.value.status_code == 500


def test_what_json_does_not_know_is_the_handlers_fault(sessions: Sessions) -> None:
    """And the value before stays."""
    opened = sessions.open()
    opened.set("a", 1)
    with pytest.raises(TypeError, match="not JSON serializable"):
        opened.set("a", {1, 2})
    assert opened.get("a") == 1


def test_a_value_is_read_whole_while_it_is_written(sessions: Sessions) -> None:
    """By many at once."""
    opened = sessions.open()
    values: list[Any] = [["x" * 5000], ["y" * 50]]
    opened.set("a", values[0])

    def read_or_write(number: int) -> Any:
        if number % 2:
            return opened.set("a", values[number % 4 // 2]) or values[0]
        return sessions.find(opened.id).get("a")

    with ThreadPoolExecutor(4) as pool:
        assert all(value in values for value in pool.map(read_or_write, range(400)))


async def test_requests_of_one_session_can_take_turns(sessions: Sessions) -> None:
    """Each has a session of its own with the same lock; another session's is another."""
    opened = sessions.open()
    opened.set("count", 0)

    async def count() -> None:
        session = sessions.find(opened.id)
        async with session.lock:
            value = session.get("count")
            await asyncio.sleep(0)
            session.set("count", value + 1)

    await asyncio.gather(*(count() for _ in range(20)))
    assert opened.get("count") == 20
    assert sessions.open().lock is not opened.lock


# Where they are kept.


def given(**variables: str) -> Settings:
    return Settings(**{"SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "1", **variables})


def test_they_are_kept_in_memory_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else in the temporary folder, and nowhere where they are not switched on. Nothing is made before the first."""
    from handrail_container.routes import session_store as module

    assert find_sessions(Settings()) is None
    monkeypatch.setattr(module, "_SHARED_MEMORY", tmp_path / "shm")
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "shm").mkdir()
    for place in (tmp_path / "shm", tmp_path):
        found = find_sessions(given())
        assert found is not None
        assert not (place / "sagemaker_sessions").exists()
        assert found.open().path.parent == place / "sagemaker_sessions"
        monkeypatch.setattr(module, "_SHARED_MEMORY", Path("/dev/null"))


def test_a_folder_that_cannot_be_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"_PATH is '.*/file/sessions', where sessions cannot be kept"):
        find_sessions(given(SAGEMAKER_SESSIONS_PATH=str(tmp_path / "file" / "sessions")))
