class Model:
    tries = 0

    def load(self):
        Model.tries += 1
        raise RuntimeError(f"no weights, try {Model.tries}")

    def predict(self, model_input):
        return model_input
