import threading
import time

from djl_python.input_parser import prediction_handler

LOCK = threading.Lock()
RUNNING = []
MOST = []


@prediction_handler
def predict(data, model):
    with LOCK:
        RUNNING.append(1)
        MOST.append(len(RUNNING))
    deadline = time.monotonic() + 30
    while max(MOST) < data["together"] and time.monotonic() < deadline:
        time.sleep(0.005)
    with LOCK:
        RUNNING.pop()
    return max(MOST)
