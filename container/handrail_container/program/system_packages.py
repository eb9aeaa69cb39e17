"""A Truss's `system_packages`: what its image has, and this container does not, which cannot install it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from handrail.styles.truss.config import TrussConfig

#: What Debian's package manager knows to be installed.
STATUS = Path("/var/lib/dpkg/status")


def missing(config: TrussConfig, status: Path = STATUS) -> list[str]:
    """Those that are not here, as they are written; all of them where there is no such package manager."""
    given = config.value("system_packages")
    names = [str(name).strip() for name in given if name] if isinstance(given, list) else []
    if not names:
        return []
    there = set(_installed(status))
    return [name for name in names if _bare(name) not in there]


def sentence(config: TrussConfig, status: Path = STATUS) -> str:
    """What is missing, and what to do; nothing where nothing is."""
    lacking = missing(config, status)
    if not lacking:
        return ""
    return (
        f"{config.where('system_packages')} system_packages: {', '.join(lacking)} cannot be installed here, for the "
        f"image is built already. Build one FROM handrail with them: `RUN apt-get update && apt-get install -y "
        f"--no-install-recommends {shlex.join(lacking)}`"
    )


def _bare(name: str) -> str:
    """`ffmpeg` of `ffmpeg:amd64=7:5.1`."""
    return name.partition("=")[0].partition(":")[0]


def _installed(status: Path) -> Iterator[str]:
    """The names of what is installed, and of what that provides."""
    try:
        text = status.read_text(encoding="utf-8", errors="replace")
    except OSError:  # another system than Debian
        return
    for paragraph in text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in paragraph.splitlines() if not line.startswith(" "))
        if fields.get("Status", "").endswith(" installed"):
            yield fields.get("Package", "")
            yield from (one.split()[0] for one in fields.get("Provides", "").split(",") if one.strip())
