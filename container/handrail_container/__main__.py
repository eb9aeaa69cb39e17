"""`python -m handrail_container` is `handrail`, as launchers of editors want it."""

from __future__ import annotations

from handrail_container.cli import main

if __name__ == "__main__":  # pragma: no branch  it is run, never imported
    main(prog_name="handrail")
