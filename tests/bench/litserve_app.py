"""The answer of the others as a LitAPI: python litserve_app.py PORT, in an environment that has LitServe."""

from __future__ import annotations

import sys
from typing import Any

import litserve


class Api(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        """There is no model."""

    def predict(self, request: Any) -> dict[str, bool]:
        return {"ok": True}


if __name__ == "__main__":
    server = litserve.LitServer(Api(api_path="/invocations"), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
