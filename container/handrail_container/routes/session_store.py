"""Sticky sessions on disk: a folder for each session, a file for each value. Several processes may share the folder.

    <path>/<session's id>/.session     when it was opened and when it ends
    <path>/<session's id>/<key>.json   a value set by a handler; `=<hash>.json` if its key is too long for a name
    <path>/.new-…  <path>/.gone-…      folders that a crash has left between two steps

Folders and files are renamed into place once complete; folders are renamed away before they are removed.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from starlette.exceptions import HTTPException

from handrail_container.process.exits import SettingsError
from handrail_container.routes.session_expiries import Expiries
from handrail_container.routes.session_keys import file_name
from handrail_container.settings.fields import Settings

#: SageMaker's form of a session id; no path matches it.
_ID = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9])*")
_LONGEST_ID = 256
_ABOUT = ".session"
_NEW, _GONE = ".new-", ".gone-"
_SHARED_MEMORY = Path("/dev/shm")
_FOLDER = "sagemaker_sessions"
#: The errors of a full disk or quota.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: Seconds after which an unfinished folder counts as left by a crash.
_ABANDONED_S = 60.0

logger = logging.getLogger("handrail")

Locks = WeakValueDictionary[str, asyncio.Lock]


def unknown(session_id: str) -> HTTPException:
    return HTTPException(400, f"Bad request: session not found: {session_id}")


class About(NamedTuple):
    """Times of a session, in seconds since 1970."""

    created: float
    expires: float


class Session:
    """A client's session, which handlers find at `request.state.session`.

    Values are anything that JSON can hold. Each is replaced as a whole: a reader sees the old one or the new one. To
    read a value and set it again, hold `lock` (`async with`); otherwise the last of two requests wins.
    """

    def __init__(self, path: Path, about: About, locks: Locks) -> None:
        self.id = path.name
        #: The session's folder, where handlers may keep files; removed when the session ends.
        self.path = path
        self.created = datetime.fromtimestamp(about.created, UTC)
        self.expires = datetime.fromtimestamp(about.expires, UTC)
        self._locks = locks

    @property
    def lock(self) -> asyncio.Lock:
        """One lock for all requests of this session."""
        return self._locks.setdefault(self.id, asyncio.Lock())

    def get(self, key: str, default: Any = None) -> Any:
        return _read(self._file(key), default)

    def set(self, key: str, value: Any) -> None:
        """Store a value. Raises TypeError if it is not JSON; HTTPException if the session has been closed (400) or
        cannot be written (500, or 507 on a full disk)."""
        encoded = json.dumps(value).encode()
        with _writing(self.path):
            _replace(self._file(key), encoded)

    def delete(self, key: str) -> None:
        """Delete a value, if present. Raises HTTPException."""
        with _writing(self.path):
            self._file(key).unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self.path / file_name(key)


class Sessions:
    """All sessions below `root`. The methods block while they read or write a few small files; the first `open` reads
    the whole folder, for sessions from before."""

    def __init__(self, root: Path, lifetime_s: int, most: int) -> None:
        self._root = root
        self._lifetime_s = lifetime_s
        self._most = most
        self._locks: Locks = WeakValueDictionary()
        self._expiries: Expiries | None = None
        self._reading = Lock()

    def open(self) -> Session:
        """Open a session. Raises HTTPException if it cannot be written (500, 507), or if there are too many (503)."""
        expiries = self._read_once()
        self._sweep(expiries)
        now = int(time.time())
        about = About(now, now + self._lifetime_s)
        made = self._root / f"{_NEW}{uuid.uuid4()}"
        path = self._root / str(uuid.uuid4())
        if not expiries.add(path.name, about.expires, self._most):
            raise HTTPException(
                503,
                f"the server keeps {self._most} sessions and no more (HANDRAIL_MAX_SESSIONS): close one, or try again "
                "when one has expired",
            )
        is_made = False
        try:
            with _writing(self._root):
                self._root.mkdir(0o700, parents=True, exist_ok=True)
                made.mkdir(0o700)
                _replace(made / _ABOUT, json.dumps(about._asdict()).encode())
                made.rename(path)
            is_made = True
        finally:
            shutil.rmtree(made, ignore_errors=True)
            if not is_made:
                expiries.discard(path.name)
        return Session(path, about, self._locks)

    def find(self, session_id: str) -> Session:
        """The session of an id. Raises HTTPException (400) if it is unknown or has expired."""
        path = self._root / session_id
        if not _is_id(session_id) or (about := _about(path)) is None:
            self._forget(session_id)  # another process may have closed it
            raise unknown(session_id)
        if about.expires <= time.time():
            self._expire(path)
            raise unknown(session_id)
        return Session(path, about, self._locks)

    def close(self, session_id: str) -> None:
        """Close a session and remove its files. Raises HTTPException (400) if it is unknown or has expired."""
        self._remove(self.find(session_id).path)

    def _read_once(self) -> Expiries:
        """The index of expiry times, read from the folder at the first call and kept in memory from then on."""
        with self._reading:
            if self._expiries is None:
                self._expiries = self._read_folder()
            return self._expiries

    def _read_folder(self) -> Expiries:
        expiries = Expiries()
        for path in self._root.iterdir() if self._root.is_dir() else ():
            if path.name.startswith((_NEW, _GONE)):
                expiries.add(path.name, _abandoned_at(path))
            elif _is_id(path.name) and (about := _about(path)) is not None:
                expiries.add(path.name, about.expires)
        return expiries

    def _sweep(self, expiries: Expiries) -> None:
        """Remove expired sessions and leftovers of crashes, a few at a time. The session's file decides when it
        expires."""
        now = time.time()
        for name in expiries.due(now):
            path = self._root / name
            if name.startswith((_NEW, _GONE)):
                shutil.rmtree(path, ignore_errors=True)
            elif (about := _about(path)) is None:
                continue
            elif about.expires <= now:
                self._expire(path)
            else:
                expiries.add(name, about.expires)

    def _forget(self, name: str) -> None:
        if self._expiries is not None:
            self._expiries.discard(name)

    def _expire(self, path: Path) -> None:
        with suppress(HTTPException):  # another request removed it, or removal fails: unknown either way
            self._remove(path)

    def _remove(self, path: Path) -> None:
        """Remove a session's folder. Of two concurrent calls, one succeeds. Raises HTTPException."""
        gone = self._root / f"{_GONE}{uuid.uuid4()}"
        with _writing(path):
            path.rename(gone)
        self._forget(path.name)
        shutil.rmtree(gone, ignore_errors=True)


def find_sessions(settings: Settings) -> Sessions | None:
    """The sessions of the settings, None if they are off. Makes no folder yet. Raises SettingsError if none can be
    written."""
    if not settings.enable_stateful_sessions:
        return None
    given = settings.sessions_path
    places = [given] if given else [_SHARED_MEMORY / _FOLDER, Path(tempfile.gettempdir()) / _FOLDER]
    usable = next(filter(_is_usable, places), None)
    if usable is None:
        raise SettingsError(
            f"SAGEMAKER_SESSIONS_PATH is {str(places[-1])!r}, where sessions cannot be kept: name a folder that can be "
            "written, or one that can be made."
        )
    if given is None:
        _refuse_anothers(usable)
    return Sessions(usable, settings.sessions_expiration, settings.max_sessions)


def _refuse_anothers(path: Path) -> None:
    """Raises SettingsError if the folder belongs to another user: any user may make one of the default name."""
    with suppress(FileNotFoundError):
        owner = path.lstat().st_uid
        if owner != os.geteuid():
            raise SettingsError(
                f"SAGEMAKER_SESSIONS_PATH is not set, and {str(path)!r} belongs to user {owner}, who could read the "
                f"sessions; the server runs as user {os.geteuid()}. Remove that folder, or set SAGEMAKER_SESSIONS_PATH "
                "to a folder of the server's own."
            )


def _abandoned_at(path: Path) -> float:
    """The time from which an unfinished folder counts as abandoned, in seconds since 1970."""
    try:
        return path.stat().st_mtime + _ABANDONED_S
    except OSError:  # just finished by another process, or a dangling link
        return 0


def _is_usable(path: Path) -> bool:
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    return there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK)


def _is_id(text: str) -> bool:
    return len(text) <= _LONGEST_ID and _ID.fullmatch(text) is not None


def _about(path: Path) -> About | None:
    """The times of a session; None if `path` is not a session's folder."""
    given = _read(path / _ABOUT, None)
    try:
        return About(float(given["created"]), float(given["expires"]))
    except (TypeError, KeyError, ValueError):
        return None


def _read(path: Path, default: Any) -> Any:
    """The JSON value in a file; `default` if it cannot be read or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return default


def _replace(path: Path, content: bytes) -> None:
    """Write a file atomically. Raises OSError."""
    written = path.with_name(f".{uuid.uuid4()}")
    try:
        written.write_bytes(content)
        written.rename(path)
    except OSError:
        written.unlink(missing_ok=True)
        raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an OSError into an HTTPException. The client gets the system's message; only the log gets the path."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOENT and not path.exists():
            raise unknown(path.name) from error
        status = 507 if error.errno in _FULL else 500
        logger.error("a session cannot be kept in %s (SAGEMAKER_SESSIONS_PATH): %s", path, error.strerror)
        raise HTTPException(status, f"the session cannot be kept: {error.strerror}") from error
