import os
import threading

threading.Timer(0.2, os._exit, [6]).start()


def run_inference(body, environment):
    return body
