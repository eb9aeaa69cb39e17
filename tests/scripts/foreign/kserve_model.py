from kserve import Model, ModelServer


class Mine(Model):
    def predict(self, payload):
        return payload
