from handrail import custom_invocation_handler


class Handler:
    @custom_invocation_handler
    def infer(self, request):
        return "whose self?"
