"""The ledger: a row for every request, in SQLite. What is billed, what limits the rate, and what an auditor reads."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_WINDOW_S = 60
_BUSY_S = 10  # how long a writer waits for another
_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,                              -- seconds since 1970
    request_id TEXT NOT NULL,
    customer TEXT,                                 -- NULL: nobody we know
    operation TEXT NOT NULL,
    admitted INTEGER NOT NULL,
    outcome TEXT NOT NULL,                         -- 'running' still, after a crash
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    seconds REAL
);
CREATE INDEX IF NOT EXISTS ledger_of_customer ON ledger (customer, at);
"""
_INSERT = "INSERT INTO ledger (at, request_id, customer, operation, admitted, outcome) VALUES (?, ?, ?, ?, ?, ?)"
_CLOSE = "UPDATE ledger SET outcome = ?, prompt_tokens = ?, completion_tokens = ?, seconds = ? WHERE id = ?"
_NTH_LATEST = "SELECT at FROM ledger WHERE customer = ? AND admitted AND at > ? ORDER BY at DESC LIMIT 1 OFFSET ?"
_TOTALS = """
SELECT count(*) AS requests, coalesce(sum(prompt_tokens), 0) AS prompt_tokens,
       coalesce(sum(completion_tokens), 0) AS completion_tokens,
       coalesce(sum(prompt_tokens + completion_tokens), 0) AS total_tokens
FROM ledger WHERE customer = ? AND admitted
"""
_LATEST = """
SELECT at, request_id, operation, outcome, prompt_tokens, completion_tokens, seconds
FROM ledger WHERE customer = ? ORDER BY id DESC LIMIT 100
"""


@dataclass
class Entry:
    """A request in the ledger, as far as it has come."""

    request_id: str
    customer: str | None
    operation: str
    outcome: str = "running"
    usage: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.time)
    id: int = 0


class Ledger:
    """Every call opens a connection of its own and blocks, so call it in a thread; processes may share the file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def create(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as database:
            database.execute("PRAGMA journal_mode = WAL")  # readers and a writer do not wait for each other
            database.executescript(_SCHEMA)

    def admit(self, entry: Entry, requests_per_minute: int) -> float:
        """Write the request down; seconds until the customer may ask again, 0 where this one is admitted."""
        with self._connected() as database:
            database.execute("BEGIN IMMEDIATE")  # of two requests at once, the second sees the first
            entry.began = time.time()  # in the order of admission
            since = entry.began - _WINDOW_S
            row = database.execute(_NTH_LATEST, (entry.customer, since, requests_per_minute - 1)).fetchone()
            if row is not None:
                entry.outcome = "limited"
            self._insert(database, entry, admitted=row is None)
            database.execute("COMMIT")
        return 0 if row is None else row["at"] - since

    def refuse(self, entry: Entry, outcome: str) -> None:
        entry.outcome = outcome
        with self._connected() as database:
            self._insert(database, entry, admitted=False)

    def close(self, entry: Entry) -> None:
        tokens = entry.usage.get("prompt_tokens", 0), entry.usage.get("completion_tokens", 0)
        with self._connected() as database:
            database.execute(_CLOSE, (entry.outcome, *tokens, time.time() - entry.began, entry.id))

    def totals(self, customer: str) -> dict[str, Any]:
        with self._connected() as database:
            return dict(database.execute(_TOTALS, (customer,)).fetchone())

    def latest(self, customer: str) -> list[dict[str, Any]]:
        with self._connected() as database:
            return [dict(row) for row in database.execute(_LATEST, (customer,))]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Each statement is a transaction of its own, unless it says BEGIN; what is not committed is undone."""
        with closing(sqlite3.connect(self._file, timeout=_BUSY_S, isolation_level=None)) as database:
            database.row_factory = sqlite3.Row
            yield database

    def _insert(self, database: sqlite3.Connection, entry: Entry, *, admitted: bool) -> None:
        row = (entry.began, entry.request_id, entry.customer, entry.operation, admitted, entry.outcome)
        entry.id = database.execute(_INSERT, row).lastrowid or 0
