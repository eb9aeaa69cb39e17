"""Spawns the engine's process before vLLM does, so that it imports vLLM in parallel with the server.

The server imports vLLM, parses its flags and makes its configuration; only then does vLLM spawn the engine's process,
which imports everything again. The two imports are most of the startup time. Nothing is forked: this is the process
that vLLM would have spawned, only earlier.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any

from handrail_container.engine.vllm import child, cpu_environment, environment, processes
from handrail_container.engine.vllm.names import NAMES, PRELOADED, WORKERS, vllm
from handrail_container.process.garbage import collection_paused

log = logging.getLogger("handrail")

#: vLLM's name for the process of its engine, if there is one engine.
_NAME = "EngineCore"
#: Native libraries read these once, when they are loaded. vLLM reads its own variables later, so those may change.
_READ_AT_IMPORT = ("OMP_", "GOMP_", "KMP_", "MKL_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_", "LD_PRELOAD")
#: The exception: vLLM itself sets the number of threads for a process that it spawns, so torch is told of it here.
_THREADS, _THREADS_ARE_VLLMS = "OMP_NUM_THREADS", "OMP_NUM_THREADS_SET_BY_VLLM"


class Spare(SpawnProcess):
    """The spare process, started when the object is made. vLLM calls `start`, which sends it the work to run."""

    def __init__(self) -> None:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        super().__init__(target=_import_and_wait, args=(receiver,), name=_NAME)
        self._began_with = _native(os.environ)
        super().start()
        receiver.close()
        self._sender = sender  # after start(): else it is pickled into the child, which would then never see EOF
        self._work = b""

    def take(self, target: Any, kwargs: Mapping[str, Any]) -> bool:
        """Store the work if this process can run it in place of a new one. Returns whether it can."""
        if not self.is_alive():
            log.info("the engine's process is started anew: the one that was ready has ended (%s)", self.exitcode)
            return False
        changed = sorted(dict(self._began_with.items() ^ _native(os.environ).items()))
        if changed:
            log.info("the engine's process is started anew: %s changed since one was ready", ", ".join(changed))
            return False
        try:
            self._work = bytes(ForkingPickler.dumps((target, kwargs)))
        except (pickle.PicklingError, RuntimeError, TypeError, AttributeError) as error:  # picklable only by a spawn
            log.info("the engine's process is started anew: %s", error)
            return False
        return True

    def start(self) -> None:
        with contextlib.suppress(OSError):  # it has ended meanwhile: vLLM notices that as with any other process
            self._sender.send(dict(os.environ))
            self._sender.send_bytes(self._work)
        self._sender.close()
        self._work = b""


class _Context(SpawnContext):
    """A multiprocessing context whose first process is the spare one."""

    def __init__(self, spare: Spare) -> None:
        self._spare: Spare | None = spare

    def Process(self, **given: Any) -> SpawnProcess:  # type: ignore[override]
        spare, rest = self._spare, {**given}
        target, kwargs, name = (rest.pop(each, None) for each in ("target", "kwargs", "name"))
        if spare is not None and not rest and name == spare.name and spare.take(target, kwargs or {}):
            self._spare = None
            return spare
        return SpawnProcess(**given)

    def end_unless_taken(self) -> None:
        if self._spare is not None:
            self._spare.kill()


def start(flags: Mapping[str, str]) -> Spare | None:
    """The spare process; None if none can be started, which vLLM will report. `flags` are `SM_VLLM_*` variables."""
    environment.prepare()
    try:
        with processes.variables(cpu_environment.variables(flags)):
            return Spare()
    except OSError:
        return None


@contextlib.contextmanager
def using_spare(spare: Spare | None, config: Any) -> Iterator[None]:
    """Within, vLLM gets `spare` when it would spawn an identical process. An unused spare is killed at the end."""
    if spare is None:
        yield
        return
    ours, module = _Context(spare), _asked_for_context()
    if module is None or config.parallel_config.numa_bind:  # numa_bind starts the process through another program
        ours.end_unless_taken()
        yield
        return
    theirs = module.get_mp_context
    module.get_mp_context = lambda: ours if type(context := theirs()) is SpawnContext else context
    try:
        yield
    finally:
        module.get_mp_context = theirs
        ours.end_unless_taken()


def _asked_for_context() -> Any:
    """The vLLM module that chooses how to start the engine's process; None if this version has none."""
    try:
        module = importlib.import_module(NAMES["get_mp_context"].modules[-1])
    except ModuleNotFoundError:
        return None
    return module if hasattr(module, "get_mp_context") else None


def _import() -> None:
    """Import vLLM's modules early. A failed import is left to vLLM, which reports it."""
    with contextlib.suppress(Exception):
        for module in PRELOADED:
            importlib.import_module(module)
        importlib.import_module(WORKERS["cpu" if vllm("current_platform").is_cpu() else "gpu"])
        vllm("set_process_title")(_NAME)  # not possible once os.environ has changed


def _native(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(_READ_AT_IMPORT)}


def _import_and_wait(receiver: Connection) -> None:
    """The program of the spare process: import, wait for the variables and the work, and run the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches the server too, which ends this process
    child.end_with_parent()
    began_with = set(os.environ)
    logging.disable(logging.CRITICAL)  # the server imports the same modules and logs the same lines
    with collection_paused():
        _import()
    logging.disable(logging.NOTSET)
    try:
        variables = receiver.recv()
    except EOFError:  # the server has ended, or vLLM has started another process
        return
    for name in began_with - set(variables):
        os.environ.pop(name, None)
    os.environ.update(variables)
    child.configure_logging()
    if os.environ.get(_THREADS_ARE_VLLMS):
        importlib.import_module("torch").set_num_threads(int(os.environ[_THREADS]))
    if not environment.compiles():  # torch has read the variable already, on import
        dynamo: Any = importlib.import_module("torch._dynamo.config")
        dynamo.disable = True
    target, kwargs = pickle.loads(receiver.recv_bytes())
    receiver.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    target(**kwargs)
