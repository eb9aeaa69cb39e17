"""Stands in for vLLM in tests of what scripts do with it: what they build is kept."""

built = []


class EngineArgs:
    def __init__(self, **words):
        self.__dict__.update(words)


AsyncEngineArgs = EngineArgs


class LLM:
    def __init__(self, model, **words):
        self.model = model
        built.append(self)


class AsyncLLMEngine:
    @classmethod
    def from_engine_args(cls, engine_args):
        engine = cls()
        engine.model = engine_args.model
        built.append(engine)
        return engine
