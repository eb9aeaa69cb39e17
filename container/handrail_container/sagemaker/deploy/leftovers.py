"""Finds and deletes the models, configurations and files that `deploy` has made for an endpoint."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from handrail_container.sagemaker.deploy.aws import Aws
from handrail_container.sagemaker.deploy.errors import AwsError
from handrail_container.sagemaker.deploy.plan import SUFFIX
from handrail_container.sagemaker.deploy.store import delete_folder

#: The address of a version's folder; anything else in a bucket is left alone.
_VERSION = re.compile(r"s3://([^/]+)/(.+/[0-9a-f]{12}/)")


class Leftovers:
    """Leftovers of the endpoint `name`, except those in `keep` (names of resources and addresses of folders)."""

    def __init__(self, aws: Aws, name: str, say: Callable[[str], None], keep: Collection[str] = ()) -> None:
        self._aws = aws
        self._say = say
        self._name = name
        self._keep = keep
        self._ours = re.compile(rf"{re.escape(name)}-[0-9a-f]{{{SUFFIX - 1}}}")

    def delete(self) -> int:
        """Delete the models, their files and the configurations. Returns the number of models and configurations."""
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
        """The address of a model's files."""
        container = self._aws.call("sagemaker", "DescribeModel", ModelName=model).get("PrimaryContainer", {})
        return str(container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", ""))

    def _delete(self, operation: str, **parameters: str) -> None:
        self._aws.call("sagemaker", operation, **parameters)
        self._say(f"deleted: {operation.removeprefix('Delete')} {next(iter(parameters.values()))}")

    def _delete_files(self, folder: str) -> None:
        """Delete a folder's files, if it is a version made by `deploy`."""
        if not (place := _VERSION.fullmatch(folder)):
            return
        try:
            count = delete_folder(self._aws, *place.groups())
        except AwsError as error:
            self._say(f"NOT deleted: {folder}: {error}")
        else:
            self._say(f"deleted: files in {folder}: {count}")
