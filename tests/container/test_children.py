from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import subprocess, sys
from multiprocessing import resource_tracker
import psutil
from handrail_container.process import children
resource_tracker.ensure_running()
below = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True); input()"
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
child = subprocess.Popen([sys.executable, "-c", below], **pipes)
grandchild = psutil.Process(int(child.stdout.readline()))
children.kill()
assert child.wait(30) == -9
grandchild.wait(30)
assert psutil.Process(resource_tracker._resource_tracker._pid).is_running()
children.exit_with(7)
"""


def test_what_runs_below_is_killed_but_for_what_tidies_up() -> None:
    """Children and theirs; shared memory that they leave is freed by Python's own tracker."""
    ended = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (7, "")
