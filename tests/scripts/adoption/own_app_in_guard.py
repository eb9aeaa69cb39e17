"""There is no application before the main guard makes it."""

from __future__ import annotations

import sys

from fastapi import FastAPI


def create_app(name: Undefined) -> FastAPI:
    made = FastAPI(title=name)

    @made.post("/answer")
    def answer():
        return name

    return made


def main():
    from uvicorn import run

    run(create_app(sys.argv[1]))


if __name__ == "__main__":

    def noted(x: Undefined):
        return x

    sys.exit(main())
