"""moto's server on a port of 127.0.0.1, for an unmodified boto3; what it lacks, and faults that a test asks for."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.emulated import REGION, client

ROLE = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/serving"
_TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}}]}
_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
Answer = tuple[int, str, str]


class Aws:
    """`calls` are the operations that were asked for; `faults` are answers in place of moto's, by operation."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request hides what a test says
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=MotoRequestHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.calls: list[str] = []
        self.faults: dict[str, Answer] = {}
        self._clients: dict[str, Any] = {}
        #: What becomes of an endpoint once it is made or updated.
        self.fate: Callable[[Any], None] = lambda endpoint: None

    @property
    def sagemaker(self) -> Any:
        return get_backend("sagemaker")[DEFAULT_ACCOUNT_ID][REGION]

    def endpoint(self, name: str) -> Any:
        return self.sagemaker.endpoints[name]

    def client(self, service: str) -> Any:
        """The same each time: boto3 takes a tenth of a second to make one."""
        if service not in self._clients:
            self._clients[service] = client(service, self.url)
        return self._clients[service]

    def environment(self) -> dict[str, str]:
        """What makes boto3 come here."""
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        files = {"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
        once = {"AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1"}
        return {"AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION, **keys, **files, **once}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        operation = self._operation(environ)
        self.calls.append(operation)
        if operation in self.faults:
            return self._fail(*self.faults[operation], environ, start_response)
        if operation == "UpdateEndpoint":
            return self._update(environ, start_response)
        answer = list(self._moto(environ, start_response))
        if operation == "CreateEndpoint":
            self.fate(list(self.sagemaker.endpoints.values())[-1])
        return answer

    def _operation(self, environ: dict[str, Any]) -> str:
        """The name of an operation in JSON; of S3's the method, `COPY` for a copy; else the service."""
        if target := environ.get("HTTP_X_AMZ_TARGET"):
            return str(target.rpartition(".")[2])
        found = _SERVICE.search(environ.get("HTTP_AUTHORIZATION", ""))
        service = found[1] if found else ""
        if service == "s3":
            return "COPY" if "HTTP_X_AMZ_COPY_SOURCE" in environ else str(environ["REQUEST_METHOD"])
        return service

    def _fail(self, status: int, code: str, message: str, environ: Any, start_response: Any) -> list[bytes]:
        is_json = "HTTP_X_AMZ_TARGET" in environ
        xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        body = json.dumps({"__type": code, "message": message}) if is_json else xml
        start_response(f"{status} X", [("Content-Type", "application/json" if is_json else "text/xml")])
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return [body.encode()]

    def _update(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """moto has no UpdateEndpoint."""
        asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.updates.append(asked)
        endpoint = self.endpoint(asked["EndpointName"])
        assert asked["EndpointConfigName"] in self.sagemaker.endpoint_configs
        endpoint.endpoint_config_name = asked["EndpointConfigName"]
        endpoint.endpoint_status = "InService"
        self.fate(endpoint)
        start_response("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
        return [json.dumps({"EndpointArn": endpoint.arn}).encode()]

    @contextmanager
    def running(self) -> Iterator[Aws]:
        """With a bucket and a role."""
        thread = Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            self.reset()
            yield self
        finally:
            for client in self._clients.values():
                client.close()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def reset(self) -> None:
        """As new: a bucket `files`, a role `serving`, nothing else."""
        self.calls, self.faults, self.updates = [], {}, []
        for service in ("s3", "sagemaker", "iam", "applicationautoscaling", "logs", "kms", "ec2"):
            get_backend(service).reset()
        self.client("s3").create_bucket(Bucket="files")
        self.client("iam").create_role(RoleName="serving", AssumeRolePolicyDocument=json.dumps(_TRUST))
        self.calls.clear()
        self.fate = lambda endpoint: None

    def stored(self) -> list[str]:
        """What is in the bucket."""
        return [entry["Key"] for entry in self.client("s3").list_objects_v2(Bucket="files").get("Contents", [])]

    def made(self) -> dict[str, list[str]]:
        """What there is of models, configurations and endpoints."""
        backend = self.sagemaker
        return {
            "models": list(backend._models),
            "configs": list(backend.endpoint_configs),
            "endpoints": list(backend.endpoints),
        }
