"""Models, configurations and files that are named after an endpoint: what `deploy` made for it, now or earlier."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from handrail_container.deploy.aws import Aws
from handrail_container.deploy.errors import AwsError
from handrail_container.deploy.plan import SUFFIX
from handrail_container.deploy.store import delete_folder

#: A version's folder: what else a bucket has is left alone.
_VERSION = re.compile(r"s3://([^/]+)/(.+/[0-9a-f]{12}/)")


class Leftovers:
    """Of the endpoint `name`, except those named in `keep`."""

    def __init__(self, aws: Aws, name: str, say: Callable[[str], None], keep: Collection[str] = ()) -> None:
        self._aws = aws
        self._say = say
        self._name = name
        self._keep = keep
        self._ours = re.compile(rf"{re.escape(name)}-[0-9a-f]{{{SUFFIX - 1}}}")

    def delete(self) -> int:
        """How many models and configurations there were; their files go with them."""
        configs = self._named("ListEndpointConfigs", "EndpointConfigs", "EndpointConfigName")
        for config in configs:
            self._delete("DeleteEndpointConfig", EndpointConfigName=config)
        models = self._named("ListModels", "Models", "ModelName")
        kept = {self._folder(model) for model in self._keep if model in self._all_models()}
        for model in models:
            folder = self._folder(model)
            self._delete("DeleteModel", ModelName=model)
            if folder and folder not in kept:
                self._delete_files(*folder)
        return len(configs) + len(models)

    def _all_models(self) -> list[str]:
        listed = self._aws.items("sagemaker", "ListModels", "Models", NameContains=f"{self._name}-")
        return [entry["ModelName"] for entry in listed]

    def _named(self, operation: str, key: str, field: str) -> list[str]:
        listed = self._aws.items("sagemaker", operation, key, NameContains=f"{self._name}-")
        names = [entry[field] for entry in listed]
        return [name for name in names if self._ours.fullmatch(name) and name not in self._keep]

    def _folder(self, model: str) -> tuple[str, str] | None:
        """The bucket and the prefix of its files, where they are a version of ours."""
        container = self._aws.call("sagemaker", "DescribeModel", ModelName=model)["PrimaryContainer"]
        uri = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", "")
        found = _VERSION.fullmatch(uri)
        return (found[1], found[2]) if found else None

    def _delete(self, operation: str, **parameters: str) -> None:
        self._aws.call("sagemaker", operation, **parameters)
        self._say(f"deleted: {operation.removeprefix('Delete')} {next(iter(parameters.values()))}")

    def _delete_files(self, bucket: str, prefix: str) -> None:
        try:
            count = delete_folder(self._aws, bucket, prefix)
        except AwsError as error:
            self._say(f"NOT deleted: s3://{bucket}/{prefix}: {error}")
        else:
            self._say(f"deleted: {count} files in s3://{bucket}/{prefix}")
