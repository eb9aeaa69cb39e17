"""A Model of three steps, the one of which that the body names raises."""


class Model:
    def preprocess(self, told):
        if told == "preprocess":
            raise ValueError("raised in preprocess")
        return told

    async def predict(self, told):
        if told == "predict":
            raise ValueError("raised in predict")
        return self.preprocess("preprocess") if told == "predict by preprocess" else told

    def postprocess(self, told):
        if told == "postprocess":
            raise ValueError("raised in postprocess")
        if told == "stream":
            return self.stream()
        return float("nan") if told == "nan" else told

    def stream(self):
        raise ValueError("raised in the stream")
        yield
