class Predictor:
    def setup(self): ...

    def predict(self, prompt: str) -> str:
        return prompt
