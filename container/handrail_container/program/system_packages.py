"""Finds a Truss's `system_packages` that this container lacks. The container cannot install them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from handrail.styles.truss.config import TrussConfig

#: The list of installed packages of Debian's package manager.
STATUS = Path("/var/lib/dpkg/status")


def missing(config: TrussConfig, status: Path = STATUS) -> list[str]:
    """The packages that are not installed, as written in the file; all of them on a system without dpkg."""
    given = config.value("system_packages")
    names = [str(name).strip() for name in given if name] if isinstance(given, list) else []
    if not names:
        return []
    there = set(_installed(status))
    return [name for name in names if _bare(name) not in there]


def sentence(config: TrussConfig, status: Path = STATUS) -> str:
    """A sentence on the missing packages, and how to add them; empty if none is missing."""
    lacking = missing(config, status)
    if not lacking:
        return ""
    return (
        f"{config.where('system_packages')} system_packages: {', '.join(lacking)} cannot be installed here, for the "
        f"image is built already. Build one FROM handrail with them: `RUN apt-get update && apt-get install -y "
        f"--no-install-recommends {shlex.join(lacking)}`"
    )


def _bare(name: str) -> str:
    """The bare name of a package: `ffmpeg` for `ffmpeg:amd64=7:5.1`."""
    return name.partition("=")[0].partition(":")[0]


def _installed(status: Path) -> Iterator[str]:
    """The names of installed packages, and of the packages that they provide."""
    try:
        text = status.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not a Debian system
        return
    for paragraph in text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in paragraph.splitlines() if not line.startswith(" "))
        if fields.get("Status", "").endswith(" installed"):
            yield fields.get("Package", "")
            yield from (one.split()[0] for one in fields.get("Provides", "").split(",") if one.strip())
