"""A process for the engine that is started before vLLM asks for one, and imports what it will need meanwhile.

This process imports vLLM, reads its flags and makes its configuration; only then does vLLM start the engine's process,
which imports all of it again. The two imports are most of a start, and here they run beside each other. Nothing is
forked: it is the process that vLLM would have spawned, only earlier.
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
from handrail_container.process.garbage import collected_later

log = logging.getLogger("handrail")

#: What vLLM calls the process of its engine, where there is one engine.
_NAME = "EngineCore"
#: Native libraries read these once, as they are loaded. vLLM reads its own when it needs them: by default, it forks.
_READ_AT_IMPORT = ("OMP_", "GOMP_", "KMP_", "MKL_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_", "LD_PRELOAD")
#: Except that vLLM itself sets the number of threads for a process it spawns, and for one it forks asks torch for it.
_THREADS, _THREADS_ARE_VLLMS = "OMP_NUM_THREADS", "OMP_NUM_THREADS_SET_BY_VLLM"


class Spare(SpawnProcess):
    """Started when it is made. `start`, which is vLLM's to call, tells it what to run."""

    def __init__(self) -> None:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        super().__init__(target=_import_and_wait, args=(receiver,), name=_NAME)
        self._began_with = _native(os.environ)
        super().start()
        receiver.close()
        self._sender = sender  # only now: whatever it has as it starts, the process gets, and would never see it closed
        self._work = b""

    def take(self, target: Any, kwargs: Mapping[str, Any]) -> bool:
        """Whether it can run this in the place of a process that would be started now, and will."""
        if not self.is_alive():
            log.info("the engine's process is started anew: the one that was ready has ended (%s)", self.exitcode)
            return False
        changed = sorted(dict(self._began_with.items() ^ _native(os.environ).items()))
        if changed:
            log.info("the engine's process is started anew: %s changed since one was ready", ", ".join(changed))
            return False
        try:
            self._work = bytes(ForkingPickler.dumps((target, kwargs)))
        except (pickle.PicklingError, RuntimeError, TypeError, AttributeError) as error:  # only for one that begins
            log.info("the engine's process is started anew: %s", error)
            return False
        return True

    def start(self) -> None:
        with contextlib.suppress(OSError):  # it has ended meanwhile, which is noticed as with every other
            self._sender.send(dict(os.environ))
            self._sender.send_bytes(self._work)
        self._sender.close()
        self._work = b""


class _Context(SpawnContext):
    """vLLM's way to start processes, of which the first is already there."""

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
    """None where none can be started: vLLM, which tries the same, will say why. `flags` are `SM_VLLM_*` variables."""
    environment.prepare()
    try:
        with processes.variables(cpu_environment.variables(flags)):
            return Spare()
    except OSError:
        return None


@contextlib.contextmanager
def instead(spare: Spare | None, config: Any) -> Iterator[None]:
    """Within, the engine's process is `spare` where vLLM would spawn one like it. What was not taken is ended."""
    if spare is None:
        yield
        return
    ours, module = _Context(spare), _asked_for_context()
    if module is None or config.parallel_config.numa_bind:  # then another program is started, which binds it first
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
    """The module that asks vLLM how to start the engine's process; None where this vLLM has no such place."""
    try:
        module = importlib.import_module(NAMES["get_mp_context"].modules[-1])
    except ModuleNotFoundError:
        return None
    return module if hasattr(module, "get_mp_context") else None


def _import() -> None:
    """What cannot be imported here is left to vLLM, which knows what to say of it."""
    with contextlib.suppress(Exception):
        for module in PRELOADED:
            importlib.import_module(module)
        importlib.import_module(WORKERS["cpu" if vllm("current_platform").is_cpu() else "gpu"])
        vllm("set_process_title")(_NAME)  # which it cannot any more, once the variables have changed


def _native(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(_READ_AT_IMPORT)}


def _import_and_wait(receiver: Connection) -> None:
    """What the process does until vLLM has something for it, and then that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, which the server hears too, and ends this
    child.end_with_parent()
    began_with = set(os.environ)
    logging.disable(logging.CRITICAL)  # the server imports the same, and says it
    with collected_later():
        _import()
    logging.disable(logging.NOTSET)
    try:
        variables = receiver.recv()
    except EOFError:  # the server has ended, or vLLM has started another
        return
    for name in began_with - set(variables):
        os.environ.pop(name, None)
    os.environ.update(variables)
    child.configure_logging()
    if os.environ.get(_THREADS_ARE_VLLMS):
        importlib.import_module("torch").set_num_threads(int(os.environ[_THREADS]))
    if not environment.compiles():  # torch has read the variable as it was imported
        dynamo: Any = importlib.import_module("torch._dynamo.config")
        dynamo.disable = True
    target, kwargs = pickle.loads(receiver.recv_bytes())
    receiver.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    target(**kwargs)
