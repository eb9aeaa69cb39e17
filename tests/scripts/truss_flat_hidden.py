class Model:
    def predict(self, one, two, three):
        return one


async def custom_sagemaker_invocation_handler(request):
    return "the handler"
