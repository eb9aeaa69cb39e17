"""Holds the corpus against other servers: `python -m tests.wire.compare [--hypercorn PATH]` prints where they differ.

Uvicorn is the one that is installed here; nginx and hypercorn are asked where they are found, and named where not.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers import eventually, free_port, listens
from tests.wire.answers import said_to, taken_apart
from tests.wire.corpus import CASES, Case

_OURS = (
    "import asyncio, sys; from handrail_container.server.listener import Listener, bind; "
    "from tests.wire.answers import echo; "
    "asyncio.run(Listener(echo).serve(sockets=[bind('127.0.0.1', int(sys.argv[1]))]))"
)
_NGINX = """daemon off; pid {0}/pid; error_log {0}/errors; events {{}}
http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;
uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; server {{ listen 127.0.0.1:{1}; location / {{ return 200 "x"; }} }} }}"""
_QUIET_S = 3.0

Command = Callable[[int, Path], list[str]]


def _nginx(port: int, folder: Path) -> list[str]:
    (folder / "conf").write_text(_NGINX.format(folder, port))
    return ["nginx", "-c", str(folder / "conf")]


def _commands(hypercorn: str | None) -> dict[str, Command]:
    """Of the servers that are there."""
    app = "tests.wire.answers:echo"
    commands: dict[str, Command] = {
        "ours": lambda port, _: [sys.executable, "-c", _OURS, str(port)],
        "uvicorn": lambda port, _: [sys.executable, "-m", "uvicorn", "--http", "httptools", "--port", str(port), app],
    }
    if shutil.which("nginx"):
        commands["nginx"] = _nginx
    if hypercorn and shutil.which(hypercorn):
        commands["hypercorn"] = lambda port, _: [hypercorn, "--bind", f"127.0.0.1:{port}", app]
    return commands


@contextmanager
def _server(command: Command) -> Iterator[int]:
    """Its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command(port, Path(folder)), stdout=quiet, stderr=quiet)
        try:
            eventually(lambda: listens(port), f"port {port}")
            yield port
        finally:
            process.terminate()
            process.wait()


async def _all(port: int) -> list[str]:
    return await asyncio.gather(*(_statuses(port, case) for case in CASES))


async def _statuses(port: int, case: Case) -> str:
    try:
        answers = taken_apart(await said_to(port, [case.sent], _QUIET_S))
    except TimeoutError:
        return "waits"
    except ValueError:
        return "no HTTP/1.1"
    return " ".join(str(answer.status) for answer in answers) or "closed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hypercorn", default="hypercorn", help="its command, of an environment of its own")
    commands = _commands(parser.parse_args().hypercorn)
    print("not found:", ", ".join({"nginx", "hypercorn"} - commands.keys()) or "none")
    with ExitStack() as stack:
        ports = {name: stack.enter_context(_server(command)) for name, command in commands.items()}
        said = {name: asyncio.run(_all(port)) for name, port in ports.items()}
    rows = [(case, {name: said[name][place] for name in said}) for place, case in enumerate(CASES)]
    for case, found in rows:
        if len(set(found.values())) > 1:
            print(f"{case.name}: " + ", ".join(f"{name} {statuses}" for name, statuses in found.items()))
    wrong = [case.name for case, found in rows if found["ours"] != " ".join(map(str, case.statuses))]
    print(f"{len(rows)} cases; ours not as the corpus says: {', '.join(wrong) or 'none'}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
