"""What the definition talks to: a service that answers a message some time after it was submitted."""

import itertools
import sys
import time
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI, Header, HTTPException

TOKEN = "opensesame"
THINKS_S = 0.2


@dataclass
class Session:
    text: str = ""
    done_at: float = float("inf")


app = FastAPI()
sessions: dict[str, Session] = {}
numbers = itertools.count(1)


def check(authorization: str) -> None:
    if authorization != f"Bearer {TOKEN}":
        raise HTTPException(401, "the token is wrong")


@app.post("/sessions")
def create(authorization: str = Header("")) -> dict[str, str]:
    check(authorization)
    name = f"session-{next(numbers)}"
    sessions[name] = Session()
    return {"id": name}


@app.post("/sessions/{name}/messages", status_code=202)
def submit(name: str, message: dict[str, str], authorization: str = Header("")) -> dict[str, str]:
    check(authorization)
    sessions[name] = Session(message["text"], time.monotonic() + THINKS_S)
    return {"status": "accepted"}


@app.get("/sessions/{name}")
def poll(name: str, authorization: str = Header("")) -> dict[str, str]:
    check(authorization)
    session = sessions[name]
    if time.monotonic() < session.done_at:
        return {"status": "working"}
    return {"status": "done", "answer": f"You asked: {session.text}"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int((sys.argv[1:] or ["8090"])[0]), log_level="warning")
