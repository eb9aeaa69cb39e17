"""A start-up hook that leaves an orphan behind and starts a child that stays, and a handler that says what became of
processes."""

import os
import subprocess
import sys

import psutil
from handrail import custom_invocation_handler, on_startup

_LEAVES_AN_ORPHAN = "import subprocess; print(subprocess.Popen(['sleep', '0.1'], stdout=subprocess.DEVNULL).pid)"


@on_startup
def leave(app):
    app.state.orphan = int(subprocess.check_output([sys.executable, "-c", _LEAVES_AN_ORPHAN]))
    app.state.child = subprocess.Popen(["sleep", "600"]).pid


@custom_invocation_handler
def tell(request):
    return {
        "server": os.getpid(),
        "child": request.app.state.child,
        "orphan": psutil.pid_exists(request.app.state.orphan),
        "false": subprocess.run(["false"]).returncode,
    }
