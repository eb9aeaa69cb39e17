from cog import BasePredictor, Input


class Anything(BasePredictor):
    def predict(self, prompt: str = Input(description="a prompt")) -> str:
        return prompt
