"""The image built and run without Docker: `buildah` builds and mounts it, and `unshare` makes a container of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.servers import Served, eventually

ROOT = Path(__file__).parents[2]
BASE = "localhost/handrail-python:3.11"
_TOOLS = {**os.environ, "BUILDAH_ISOLATION": "chroot"}

_NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL", "--propagation", "private")
#: What a container runtime does before it starts the program, which is process 1 then.
_ENTER = """
set -e
root="$1" model="$2" user="$3" root_options="$4"
shift 4
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs tmpfs "$root/tmp"
if [ -n "$model" ]; then
    mount --bind "$model" "$root/opt/ml/model"
    mount -o remount,bind,ro "$root/opt/ml/model"
fi
mount -o "remount,bind,$root_options" "$root"
exec chroot --userspec="$user:$user" --groups= "$root" env -i "$@"
"""
_WITH_ITS_OWN_NETWORK = "ip link set lo up\n" + _ENTER


def buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], env=_TOOLS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"buildah {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Image:
    """One that is built, with its files at `root`."""

    name: str
    root: Path
    config: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes, as `docker images` has it, what it stands on included."""
        return int(subprocess.check_output(["du", "-xs", "--block-size=1", self.root]).split()[0])

    def environment(self, given: Mapping[str, str]) -> list[str]:
        return [*self.config["Env"], *(f"{name}={value}" for name, value in given.items())]


def build(name: str, pip: Path, **arguments: str) -> str:
    """Build the CPU image by `scripts/build`, on `BASE` and with this machine's pip settings; what was said."""
    settings, folders = _pip_settings()
    pip.write_text(settings)
    given = [
        word for key, value in {"BASE_IMAGE": BASE, **arguments}.items() for word in ("--build-arg", f"{key}={value}")
    ]
    volumes = [word for folder in sorted(folders) for word in ("--volume", f"{folder}:{folder}:ro")]
    done = subprocess.run(
        [ROOT / "scripts" / "build", "--cpu", "--tag", name, *given, *volumes],
        env={**_TOOLS, "BUILDER": "buildah", "PIP_CONFIG_FILE": str(pip)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def _pip_settings() -> tuple[str, set[Path]]:
    """A pip.conf as this machine's pip has it, and the folders that it names."""
    listed = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True)
    options: dict[str, str] = {}
    for line in listed.splitlines():  # global.index-url='…', :env:.cert='…'; the environment's come last, and win
        name, _, value = line.partition("=")
        options[name.rpartition(".")[2]] = value.strip("'").replace(r"\n", " ")
    words = [word for value in options.values() for word in value.split()]
    lines = ["[global]", *(f"{name} = {value}" for name, value in options.items())]
    return "\n".join(lines) + "\n", {folder for word in words for folder in _folders(word)}


def _folders(word: str) -> list[Path]:
    """What has to be there for a word of pip's settings to mean something: an index may point beside itself."""
    path = Path(word.removeprefix("file://"))
    if not path.is_absolute() or not path.exists():
        return []
    return [path.parent if path.is_file() or word.startswith("file:") else path]


def mount(name: str) -> tuple[str, Image]:
    """The container that holds the image's files, for `buildah rm`, and the image."""
    container = buildah("from", "--pull-never", name)
    config = json.loads(buildah("inspect", "--type", "image", name))["Docker"]["config"]
    return container, Image(name, Path(buildah("mount", container)), config)


@dataclass(frozen=True)
class Options:
    """What one would tell `docker run`: the rest are its defaults."""

    model: Path | None = None
    user: int = 0
    read_only: bool = True
    own_network: bool = False


def command(image: Image, options: Options, arguments: Iterable[str], given: Mapping[str, str]) -> list[str]:
    """`docker run` with these options, arguments and environment; no arguments: the image's own."""
    network = ["--net"] if options.own_network else []
    return [
        *("unshare", *_NAMESPACES, *network, "bash", "-c"),
        *(_WITH_ITS_OWN_NETWORK if options.own_network else _ENTER, "enter"),
        *(str(image.root), str(options.model or ""), str(options.user), "ro" if options.read_only else "rw"),
        *("-C", image.config["WorkingDir"], *image.environment(given), *image.config["Entrypoint"]),
        *(arguments or image.config["Cmd"]),
    ]


def run(image: Image, options: Options, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """A container that ends by itself."""
    return subprocess.run(
        command(image, options, arguments, given), capture_output=True, text=True, timeout=120, check=False
    )


class Container(Served):
    """One that serves: on a port of this machine that its environment names, or on 8080 of its own network."""

    def __init__(self, image: Image, options: Options, log: Path, **given: str) -> None:
        self.image, self.options, self.given = image, options, given
        super().__init__(options.model or Path(), log)

    def command(self, folder: Path, arguments: Sequence[str | Path], given: Mapping[str, str]) -> list[str | Path]:
        if not self.options.own_network:
            self.given["SAGEMAKER_BIND_TO_PORT"] = str(self.port)
        return [*command(self.image, self.options, (), self.given)]

    @property
    def first(self) -> psutil.Process:
        """Its process 1, as seen from here."""
        unshare = psutil.Process(self.process.pid)
        eventually(unshare.children, "process 1 to be there")
        (first,) = unshare.children()
        return first

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """To process 1, as a container runtime does."""
        if self.process.poll() is None:
            self.first.send_signal(number)

    def inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`docker exec`."""
        entered = ["nsenter", f"--target={self.first.pid}", "--mount", "--pid", "--net", "--root"]
        given = self.image.environment(self.given)
        return subprocess.run(
            [*entered, "env", "-i", "-C", self.image.config["WorkingDir"], *given, *words],
            capture_output=True,
            text=True,
            check=False,
        )
