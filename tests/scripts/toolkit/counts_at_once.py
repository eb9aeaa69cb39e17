import threading

LOCK = threading.Lock()
NOW = MOST = 0
TOGETHER = threading.Event()


def predict_fn(data, model):
    """Waits until `data["together"]` are here, or for a moment."""
    global NOW, MOST
    with LOCK:
        NOW += 1
        MOST = max(MOST, NOW)
        if MOST >= data["together"]:
            TOGETHER.set()
    TOGETHER.wait(data["patience"])
    with LOCK:
        NOW -= 1
    return MOST
