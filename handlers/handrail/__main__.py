"""`python -m handrail` is the command `handrail` that is installed, as launchers of editors want it."""

from __future__ import annotations

from importlib.metadata import entry_points

if __name__ == "__main__":  # pragma: no branch  it is run, never imported
    (command, *_) = entry_points(group="console_scripts", name="handrail")
    command.load()(prog_name="handrail")
