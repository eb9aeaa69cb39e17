"""The only module that imports boto3 and botocore: calls by their AWS names, and checks by botocore's models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from handrail_container.process import extras
from handrail_container.process.exits import SettingsError
from handrail_container.sagemaker.deploy.errors import AwsError


class AwsCall(NamedTuple):
    """One call, with botocore's names of the service and the operation."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


class Aws:
    """A boto3 session. Raises SettingsError if boto3 or the profile is missing."""

    def __init__(self, region: str | None, profile: str | None) -> None:
        boto3 = _boto3()
        self._failures = import_module("botocore.exceptions")
        self._xform_name = import_module("botocore").xform_name
        try:
            self._session = boto3.Session(region_name=region, profile_name=profile)
        except self._failures.ProfileNotFound as error:
            raise SettingsError(f"profile: {error}") from None
        self._clients: dict[str, Any] = {}

    @property
    def region(self) -> str:
        return str(self._session.region_name)

    def call(self, service: str, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Make a call and return its answer. Raises AwsError."""
        method = self._xform_name(operation)
        answer: Mapping[str, Any] = self._try(operation, lambda: getattr(self._client(service), method)(**parameters))
        return answer

    def make(self, call: AwsCall) -> Mapping[str, Any]:
        """Make a call given as data. Raises AwsError."""
        return self.call(call.service, call.operation, **call.parameters)

    def items(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Mapping[str, Any]]:
        """The items under `key` of all pages. Raises AwsError."""
        method = self._xform_name(operation)
        pages = self._try(operation, lambda: list(self._client(service).get_paginator(method).paginate(**parameters)))
        for page in pages:
            yield from page.get(key, [])

    def upload(self, path: Path, bucket: str, key: str, extra: Mapping[str, Any], seen: Callable[[int], None]) -> None:
        """Upload a file, in parts if it is large; `seen` is called with the bytes of each part."""
        client = self._client("s3")
        self._try("PutObject", lambda: client.upload_file(str(path), bucket, key, ExtraArgs=dict(extra), Callback=seen))

    def copy(self, source: str, bucket: str, key: str, extra: Mapping[str, Any], seen: Callable[[int], None]) -> None:
        """Copy within the bucket, without a download."""
        client = self._client("s3")
        place = {"Bucket": bucket, "Key": source}
        arguments = {**extra, "MetadataDirective": "REPLACE"}  # a copy in parts would lose the metadata
        self._try("CopyObject", lambda: client.copy(place, bucket, key, ExtraArgs=arguments, Callback=seen))

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._try(service, lambda: self._session.client(service))
        return self._clients[service]

    def _try(self, operation: str, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except self._failures.ClientError as error:
            told = error.response.get("Error", {})
            raise AwsError(operation, str(told.get("Code")), str(told.get("Message"))) from None
        except (self._failures.BotoCoreError, import_module("boto3.exceptions").Boto3Error) as error:
            raise AwsError(operation, type(error).__name__, str(error)) from None


class Models:
    """Botocore's service models: they check a call's parameters without a request."""

    def __init__(self) -> None:
        _boto3()
        self._session = import_module("botocore.session").get_session()
        self._validator = import_module("botocore.validate").ParamValidator()

    def shape(self, call: AwsCall) -> Any:
        """The shape of the operation's input."""
        return self._session.get_service_model(call.service).operation_model(call.operation).input_shape

    def regions(self) -> list[str]:
        """The regions that have SageMaker, in all partitions."""
        partitions = self._session.get_available_partitions()
        return [name for one in partitions for name in self._session.get_available_regions("sagemaker", one)]

    def faults(self, call: AwsCall) -> str:
        """Botocore's report on invalid parameters; empty if there are none."""
        return str(self._validator.validate(dict(call.parameters), self.shape(call)).generate_report())


def _boto3() -> Any:
    try:
        return import_module("boto3")
    except ImportError:
        raise SettingsError(f"deploy needs boto3: {extras.command('aws')}") from None
