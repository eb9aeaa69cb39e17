import bentoml


@bentoml.service(workers=1)
class Summary:
    @bentoml.api
    def summarize(self, text: str) -> str:
        return text
