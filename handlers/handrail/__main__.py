"""`python -m handrail` runs the installed command `handrail`, as the launchers of editors need it."""

from __future__ import annotations

from importlib.metadata import entry_points

if __name__ == "__main__":  # pragma: no branch  always run, never imported
    (command, *_) = entry_points(group="console_scripts", name="handrail")
    command.load()(prog_name="handrail")
