def ping():
    return True


def infer():
    return __name__
