if not __name__:

    def predict_fn(data, model):
        return "never"
