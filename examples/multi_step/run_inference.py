import json
import time
from typing import Any

import httpx


def run_inference(body: str, environment: dict[str, Any]) -> str:
    headers = {"Authorization": f"Bearer {environment['SERVICE_TOKEN']}"}
    with httpx.Client(base_url=environment["SERVICE_URL"], headers=headers, timeout=5) as service:
        session = ask(service, "POST", "/sessions", {})["id"]
        ask(service, "POST", f"/sessions/{session}/messages", json.loads(body))
        while (state := ask(service, "GET", f"/sessions/{session}"))["status"] != "done":
            time.sleep(environment["POLL_S"])
    return json.dumps({"session": session, "text": state["answer"]})


def ask(service: httpx.Client, method: str, path: str, body: Any = None) -> dict[str, Any]:
    response = service.request(method, path, json=body)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer
