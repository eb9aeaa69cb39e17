"""The files of a version in the bucket; a file that is there already is not uploaded again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from handrail_container.sagemaker.deploy.aws import Aws
from handrail_container.sagemaker.deploy.files import File
from handrail_container.sagemaker.deploy.plan import DeploymentPlan, stored

_BATCH = 1000  # limit of DeleteObjects


@dataclass
class Sent:
    """Counts of files uploaded, copied from an earlier version, and kept; `keys` are the keys created."""

    uploaded: int = 0
    copied: int = 0
    kept: int = 0
    keys: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.uploaded} uploaded, {self.copied} copied from an earlier version, {self.kept} there already"


class Store:
    """The plan's folder in its bucket. Each version has its own folder, so none changes while it is served."""

    def __init__(self, aws: Aws, plan: DeploymentPlan, kms_key: str | None) -> None:
        self._aws = aws
        self._plan = plan
        self._kms_key = kms_key
        self.root = plan.prefix.rstrip("/").rpartition("/")[0] + "/"
        self.sent = Sent()

    def send(self, seen: Callable[[int], None]) -> None:
        """Upload each missing file, or copy it from an earlier version; `seen` is called with numbers of bytes."""
        there = self._there()
        for file in self._plan.files:
            source = self._source(there.get((file.name, file.size), []), file)
            key = self._plan.prefix + file.name
            if source == key:
                self.sent.kept += 1
                seen(file.size)
            else:
                self.sent.keys.append(key)
                self._put(file, key, source, seen)

    def _put(self, file: File, key: str, source: str | None, seen: Callable[[int], None]) -> None:
        extra: dict[str, Any] = stored(file, self._kms_key)
        if source is None:
            self._aws.upload(file.path, self._plan.bucket, key, extra, seen)
            self.sent.uploaded += 1
        else:
            self._aws.copy(source, self._plan.bucket, key, extra, seen)
            self.sent.copied += 1

    def _there(self) -> dict[tuple[str, int], list[str]]:
        """The keys of all versions by file name and size, this version's keys first."""
        found = defaultdict(list)
        listed = self._aws.items("s3", "ListObjectsV2", "Contents", Bucket=self._plan.bucket, Prefix=self.root)
        for entry in sorted(listed, key=lambda entry: not entry["Key"].startswith(self._plan.prefix)):
            name = entry["Key"].removeprefix(self.root).partition("/")[2]
            found[name, entry["Size"]].append(entry["Key"])
        return found

    def _source(self, keys: Iterable[str], file: File) -> str | None:
        """The first key whose object has the file's digest."""
        for key in keys:
            head = self._aws.call("s3", "HeadObject", Bucket=self._plan.bucket, Key=key)
            if head["Metadata"].get("sha256") == file.sha256:
                return key
        return None

    def take_back(self) -> bool:
        """Delete the files that `send` created. Returns whether there were any."""
        delete(self._aws, self._plan.bucket, self.sent.keys)
        return bool(self.sent.keys)


def delete_folder(aws: Aws, bucket: str, prefix: str) -> int:
    """Delete all keys below `prefix`. Returns their number."""
    keys = [entry["Key"] for entry in aws.items("s3", "ListObjectsV2", "Contents", Bucket=bucket, Prefix=prefix)]
    delete(aws, bucket, keys)
    return len(keys)


def delete(aws: Aws, bucket: str, keys: list[str]) -> None:
    for at in range(0, len(keys), _BATCH):
        objects = [{"Key": key} for key in keys[at : at + _BATCH]]
        aws.call("s3", "DeleteObjects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
