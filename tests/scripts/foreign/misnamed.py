def invocation_handler(body):
    return body


class Model:
    def predit(self, model_input):
        return model_input


_private = 1
