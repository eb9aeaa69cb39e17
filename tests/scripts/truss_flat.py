class Model:
    def predict(self, request):
        return {"body": request}
