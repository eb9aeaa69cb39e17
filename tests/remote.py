"""A remote API for tests: a real server, over HTTP, or over TLS for whoever has it as a proxy."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Opening:
    """`host` is where the client believes to be."""

    host: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class Remote:
    """`answers` gives the reply to each request; `asked` has them all."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self.asked: list[Opening] = []
        self.answers: Callable[[Opening], Reply] = lambda asked: Reply(404, {"error": "nobody has said what to answer"})
        self.certificate, key = certificate(folder, host)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.certificate, key)
        self.variables = {
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "SSL_CERT_FILE": str(self.certificate),
            "NO_PROXY": "127.0.0.1",
        }

    def reply(self, asked: Opening) -> Reply:
        self.asked.append(asked)
        return self.answers(asked)


@contextmanager
def serving(folder: Path, host: str) -> Iterator[Remote]:
    """Whoever has its `variables` in the environment finds it at `https://HOST`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.remote = Remote(folder, host, server.server_address[1])  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.remote  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        """Be whom the client wants to reach."""
        self.send_response(200)
        self.end_headers()
        self.connection = self._remote.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)  # type: ignore[assignment]
        self.close_connection = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self._remote.reply(Opening(self.headers["Host"], self.path, dict(self.headers), body))
        data = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(data)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the server knows only the one that TLS was put around

    @property
    def _remote(self) -> Remote:
        remote: Remote = self.server.remote  # type: ignore[attr-defined]
        return remote

    def log_message(self, *_: Any) -> None:
        """Nothing: a test says what it expects."""


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """The files of a certificate for `host`, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    no_password = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))
    return files
