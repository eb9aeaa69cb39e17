class Model:
    def load(self):
        self.words = 2

    def predit(self, model_input):
        return {"mine": model_input}
