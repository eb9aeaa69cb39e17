import threading


def custom_sagemaker_invocation_handler():
    for n in range(3):
        yield {"n": n, "on_main_thread": threading.current_thread() is threading.main_thread()}
