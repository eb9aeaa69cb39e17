"""The Dockerfile's two targets, what they install, how `scripts/build` asks a builder, what the image tier needs."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def stage(name: str) -> str:
    """A stage without its first line."""
    return re.split(rf"(?m)^FROM .* AS {name}$", DOCKERFILE)[1].partition("\nFROM ")[0]


def pins(name: str) -> set[str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {line for line in lines if "==" in line}


def names(requirements: list[str]) -> set[str]:
    return {Requirement(line).name for line in requirements}


def test_the_gpu_image_is_the_default() -> None:
    """The last stage is what is built where no target is named; BASE_IMAGE changes what either stands on."""
    bases = re.findall(r"(?m)^FROM (\S+) AS (\S+)$", DOCKERFILE)
    assert bases[1:] == [("${BASE_IMAGE:-python:3.11-slim}", "cpu"), ("${BASE_IMAGE:-vllm/vllm-openai:v0.33.0}", "gpu")]
    assert PROJECT["optional-dependencies"]["gpu"] == ["vllm==0.33.*"]


def test_both_targets_are_run_alike() -> None:
    """Labels, health check, port and program."""
    cpu, gpu = ("WORKDIR" + stage(name).partition("\nWORKDIR")[2].rstrip() for name in ("cpu", "gpu"))
    assert cpu.replace(" (CPU)", "") == gpu
    assert gpu.endswith('\nENTRYPOINT ["handrail"]\nCMD ["serve"]')


def test_the_cpu_image_installs_what_the_tests_ran_and_no_tool() -> None:
    """Of `cpu.txt`, what serving needs, vLLM's part apart from the rest."""
    image, vllm = pins("image.txt"), pins("image-vllm.txt")
    assert image | vllm <= pins("cpu.txt")
    assert image & vllm == set()
    extras = PROJECT["optional-dependencies"]
    installed = names([*image, *vllm])
    assert names([*PROJECT["dependencies"], *extras["aws"], *extras["otel"]]) <= names([*image])
    assert names(extras["cpu"]) | {"torch"} <= names([*vllm])
    assert installed & names([*extras["dev"], *extras["ray"]]) == {
        "cryptography",
        "numpy",
        "openai",
        "pillow",
    }  # of vLLM, too


@pytest.fixture
def builders(tmp_path: Path) -> Path:
    """A folder for PATH with a docker whose daemon is not there, and a buildah that says what it is asked."""
    for name, text in (("docker", "exit 1"), ("buildah", "printf '%s\\n' \"$@\"")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("bash", "sed", "git", "dirname"):
        found = subprocess.check_output(["sh", "-c", f"command -v {name}"], text=True).strip()
        (tmp_path / name).symlink_to(found)
    return tmp_path


def build(builders: Path, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(builders), "HOME": os.environ.get("HOME", "/"), **given}
    return subprocess.run([ROOT / "scripts" / "build", *arguments], env=environment, capture_output=True, text=True)


def test_build_takes_the_first_builder_that_works(builders: Path) -> None:
    """A client without its daemon does not; what is not ours goes to the builder."""
    said = build(builders, "--cpu", "--tag", "mine:1", "--build-arg", "WITH_VLLM=false").stdout
    assert said.startswith("Building mine:1 (target cpu) with buildah\nbuild\n--target\ncpu\n--tag\nmine:1\n")
    assert f"\nVERSION={PROJECT['version']}\n" in said
    assert said.endswith("\n--format\ndocker\n--layers\n--build-arg\nWITH_VLLM=false\n.\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--tag", "X/handrail", "--cpu"),
        ("--cpu", "--tag=X/handrail"),
        ("--build-arg", "A=b c", "--cpu", "--tag", "X/handrail"),
        ("--tag", "X/handrail", "--build-arg", "A=b c", "--cpu"),
    ],
)
def test_the_order_of_build_s_words_does_not_matter(builders: Path, words: tuple[str, ...]) -> None:
    """A tag is taken as it is; what is the builder's stays in one piece."""
    said = build(builders, *words).stdout
    assert "\n--target\ncpu\n--tag\nX/handrail\n" in said
    assert said.count("--tag") == 1
    assert said.endswith("\n--layers\n--build-arg\nA=b c\n.\n" if "A=b c" in words else "\n--layers\n.\n")


def test_build_has_names_of_its_own(builders: Path) -> None:
    """And pip's configuration only where the environment has one."""
    assert "\n--target\ngpu\n--tag\nhandrail\n" in build(builders).stdout
    said = build(builders, "--cpu", PIP_CONFIG_FILE="/etc/pip.conf").stdout
    assert "\n--target\ncpu\n--tag\nhandrail:cpu\n" in said
    assert "\n--secret\nid=pip.conf,src=/etc/pip.conf\n" in said


@pytest.mark.parametrize(
    ("builder", "code", "says"),
    [
        ("", 1, "Needs docker (with its daemon running), podman or buildah"),
        ("docker", 1, "Needs docker"),
        ("kaniko", 2, "BUILDER=kaniko is none of docker, podman, buildah"),
    ],
)
def test_build_says_what_it_needs(builders: Path, builder: str, code: int, says: str) -> None:
    """Where none works, where the one that was asked for does not, and where it is unknown."""
    (builders / "buildah").unlink()
    done = build(builders, BUILDER=builder)
    assert (done.returncode, done.stderr) == (code, f"{says}\n")


@pytest.mark.parametrize(
    ("system", "user", "says"),
    [
        ("Darwin", "0", "the image tier needs Linux; this is Darwin"),
        ("Linux", "1000", "the image tier needs root, to make the container's namespaces and mounts"),
    ],
)
def test_setup_image_says_why_it_cannot(builders: Path, system: str, user: str, says: str) -> None:
    """In a sentence that `scripts/test` prints where it skips the tier."""
    for name, answer in (("uname", system), ("id", user)):
        (builders / name).write_text(f"#!/bin/sh\necho {answer}\n")
        (builders / name).chmod(0o755)
    done = subprocess.run(
        [ROOT / "scripts" / "setup-image"], env={"PATH": str(builders)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, f"{says}\n")
