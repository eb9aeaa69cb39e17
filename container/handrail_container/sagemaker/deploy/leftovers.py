"""Models, configurations and files that are named after an endpoint: what `deploy` made for it, now or earlier."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from handrail_container.sagemaker.deploy.aws import Aws
from handrail_container.sagemaker.deploy.errors import AwsError
from handrail_container.sagemaker.deploy.plan import SUFFIX
from handrail_container.sagemaker.deploy.store import delete_folder

#: A version's folder: what else a bucket has is left alone.
_VERSION = re.compile(r"s3://([^/]+)/(.+/[0-9a-f]{12}/)")


class Leftovers:
    """Of the endpoint `name`, except the names and the addresses of folders in `keep`."""

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
        for model in models:
            folder = self._folder(model)
            self._delete("DeleteModel", ModelName=model)
            if folder not in self._keep:
                self._delete_files(folder)
        return len(configs) + len(models)

    def _named(self, operation: str, key: str, field: str) -> list[str]:
        listed = self._aws.items("sagemaker", operation, key, NameContains=f"{self._name}-")
        names = [entry[field] for entry in listed]
        return [name for name in names if self._ours.fullmatch(name) and name not in self._keep]

    def _folder(self, model: str) -> str:
        """The address of its files."""
        container = self._aws.call("sagemaker", "DescribeModel", ModelName=model).get("PrimaryContainer", {})
        return str(container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", ""))

    def _delete(self, operation: str, **parameters: str) -> None:
        self._aws.call("sagemaker", operation, **parameters)
        self._say(f"deleted: {operation.removeprefix('Delete')} {next(iter(parameters.values()))}")

    def _delete_files(self, folder: str) -> None:
        """Where it is a version of ours."""
        if not (place := _VERSION.fullmatch(folder)):
            return
        try:
            count = delete_folder(self._aws, *place.groups())
        except AwsError as error:
            self._say(f"NOT deleted: {folder}: {error}")
        else:
            self._say(f"deleted: files in {folder}: {count}")
