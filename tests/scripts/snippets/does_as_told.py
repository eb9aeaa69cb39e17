"""The body says what to do: a word, and what belongs to it."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time

import neighbour

calls = 0


def run_inference(body: str, environment: dict, sample=None) -> str:
    global calls
    calls += 1
    word, _, rest = body.partition(" ")
    return globals()[f"do_{word}"](rest, environment, sample)


def do_echo(rest, environment, sample):
    return rest


def do_count(rest, environment, sample):
    return f"{os.getpid()} {calls}"


def do_neighbour(rest, environment, sample):
    return neighbour.NAME


def do_raise(rest, environment, sample):
    raise ValueError(rest)


def do_leave(rest, environment, sample):
    sys.exit(rest)


def do_number(rest, environment, sample):
    return 7


def do_exit(rest, environment, sample):
    os._exit(int(rest))


def do_segfault(rest, environment, sample):
    ctypes.string_at(0)


def do_kill(rest, environment, sample):
    os.kill(os.getpid(), signal.SIGKILL)


def do_sleep(rest, environment, sample):
    time.sleep(float(rest))
    return rest


def do_spin(rest, environment, sample):
    while True:
        pass


def do_spin_deaf(rest, environment, sample):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", end="")
    while True:
        pass


def do_spawn_and_spin(rest, environment, sample):
    """Two processes: one of our group, one of its own; `rest` is where their ids go."""
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    ids = [subprocess.Popen(sleep, start_new_session=own).pid for own in (False, True)]
    with open(rest, "w") as file:
        file.write(json.dumps(ids))
    while True:
        pass


def do_leave_child(rest, environment, sample):
    """A process of its own session holds what it inherits, while we end."""
    if os.fork():
        os._exit(5)
    os.setsid()
    time.sleep(3)
    os._exit(0)


def do_fork(rest, environment, sample):
    """The child returns, too."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return "parent" if child else "child"


def do_close_everything(rest, environment, sample):
    os.closerange(3, 1000)
    time.sleep(float(rest))
    return rest


def do_forge(rest, environment, sample):
    """An answer that is none, where ours would go."""
    for number in range(3, 100):
        try:
            if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                os.write(number, b"\0\0\0\2\0\0\0\0\0\0\0\0??")
        except OSError:
            pass
    return rest


def do_print(rest, environment, sample):
    print("one")
    os.write(2, b"two\n")
    subprocess.run(["sh", "-c", "echo three"], check=True)
    sys.stdout.buffer.write(b"\xff\r\n")
    sys.stdout.write("no end")
    return rest


def do_print_long(rest, environment, sample):
    sys.stdout.write("x" * int(rest))
    return rest


def do_print_lines(rest, environment, sample):
    sys.stdout.write("\n" * int(rest))
    return rest


def do_input(rest, environment, sample):
    return repr(sys.stdin.read())


def do_environment(rest, environment, sample):
    seen = json.dumps(environment, sort_keys=True)
    environment["added"] = 1
    return f"{seen} {'MODE' in os.environ}"


def do_sample(rest, environment, sample):
    return json.dumps(sample)
