import threading


def custom_sagemaker_invocation_handler(request):
    return {"on_main_thread": threading.current_thread() is threading.main_thread()}
