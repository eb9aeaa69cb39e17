"""Scripts that build vLLM's engine, as people write them: in each style, at each place, in both forms of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import NamedTuple

#: What each script gives its engine, and what plain vLLM is given for comparison.
ARGUMENTS = 'model=MODEL, dtype="float32", max_model_len=256'
FLAGS = {"SM_VLLM_DTYPE": "float32", "SM_VLLM_MAX_MODEL_LEN": "256"}


class Form(NamedTuple):
    """What scripts with `LLM` and those with the asynchronous engine write at the same places."""

    name: str
    head: str
    words: Mapping[str, str]


_HEAD = """import os
{imports}

MODEL = os.environ["MODEL"]
SAMPLING = SamplingParams(max_tokens=12, temperature=0)


"""
BLOCKING = Form(
    "LLM",
    _HEAD.format(imports="\nfrom vllm import LLM, SamplingParams")
    + """def complete(engine, prompt):
    output = engine.generate([prompt], SAMPLING)[0]
    return {"token_ids": list(output.outputs[0].token_ids), "prompt": output.prompt}
""",
    {"build": f"LLM({ARGUMENTS})", "define": "def", "wait": ""},
)
ASYNCHRONOUS = Form(
    "AsyncLLMEngine",
    _HEAD.format(
        imports="import uuid\n\nfrom vllm import AsyncEngineArgs, SamplingParams\n"
        "from vllm.engine.async_llm_engine import AsyncLLMEngine"
    )
    + """async def complete(engine, prompt):
    async for output in engine.generate(prompt, SAMPLING, str(uuid.uuid4())):
        last = output
    return {"token_ids": list(last.outputs[0].token_ids), "prompt": last.prompt}
""",
    {
        "build": f"AsyncLLMEngine.from_engine_args(AsyncEngineArgs({ARGUMENTS}))",
        "define": "async def",
        "wait": "await ",
    },
)

_DECORATED = """
from handrail import custom_invocation_handler{more}
{before}

@custom_invocation_handler
$define answer(body: dict):
{inside}    return $wait complete(engine, body["prompt"])
"""
_SERVICE = """
class Service:
    def __init__(self):
        self.engine = $build

    $define complete(self, prompt):
        return $wait complete(self.engine, prompt)


service = Service()
"""
_LAZY = "    global engine\n    if engine is None:\n        engine = $build\n"
HANDLERS = {
    "module": _DECORATED.format(more="", before="\nengine = $build\n", inside=""),
    "load": "\nfrom handrail import custom_invocation_handler\n\n"
    + _SERVICE
    + """

@custom_invocation_handler
$define answer(body: dict):
    return $wait service.complete(body["prompt"])
""",
    "start": _DECORATED.format(
        more=", on_startup",
        before="\nengine = None\n\n\n@on_startup\n$define begin():\n    global engine\n    engine = $build\n",
        inside="",
    ),
    "request": _DECORATED.format(more="", before="\nengine = None\n", inside=_LAZY),
    "guard": _DECORATED.format(more="", before="\nengine = $build\n", inside="")
    + '\n\nif __name__ == "__main__":\n    import sys\n\n    print(answer({"prompt": sys.argv[1]}))\n',
}
_NAMED = """{before}

$define custom_sagemaker_invocation_handler(body: dict):
{inside}    return $wait complete(engine, body["prompt"])
"""
NAMED = {
    "module": _NAMED.format(before="\nengine = $build\n", inside=""),
    "load": _SERVICE
    + "\n\n$define custom_sagemaker_invocation_handler(body: dict):\n"
    + '    return $wait service.complete(body["prompt"])\n',
    "request": _NAMED.format(before="\nengine = None\n", inside=_LAZY),
}
_TRUSS = """{before}

class Model:
    def __init__(self, **kwargs):
        self.engine = {at_init}
{methods}
    $define predict(self, model_input):
{inside}        return $wait complete({engine}, model_input["prompt"])
"""
_SELF = {"before": "", "at_init": "None", "methods": "", "inside": "", "engine": "self.engine"}
_LAZY_SELF = "        if self.engine is None:\n            self.engine = $build\n"
TRUSS = {
    "module": _TRUSS.format_map({**_SELF, "before": "\nENGINE = $build\n", "engine": "ENGINE"}),
    "init": _TRUSS.format_map({**_SELF, "at_init": "$build"}),
    "load": _TRUSS.format_map({**_SELF, "methods": "\n    def load(self):\n        self.engine = $build\n"}),
    "request": _TRUSS.format_map({**_SELF, "inside": _LAZY_SELF}),
    "guard": _TRUSS.format_map({**_SELF, "methods": "\n    def load(self):\n        self.engine = $build\n"})
    + '\n\nif __name__ == "__main__":\n    model = Model()\n'
    + '    model.load()\n    print(model.predict({"prompt": "Hi"}))\n',
}
_TOOLKIT = """{before}

{model_fn}def input_fn(data, content_type):
    return json.loads(data)


$define predict_fn(data, model):
{inside}    return $wait complete({engine}, data["prompt"])


def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""
TOOLKIT = {
    "module": _TOOLKIT.format(
        before="\nengine = $build\n",
        model_fn="def model_fn(model_dir):\n    return engine\n\n\n",
        inside="",
        engine="model",
    ),
    "load": _TOOLKIT.format(
        before="", model_fn="def model_fn(model_dir):\n    return $build\n\n\n", inside="", engine="model"
    ),
    "start": _TOOLKIT.format(
        before="\nengine = None\n",
        model_fn="def pre_model_fn(model_dir):\n    global engine\n    engine = $build\n\n\n"
        "def model_fn(model_dir):\n    return engine\n\n\n",
        inside="",
        engine="model",
    ),
    "request": _TOOLKIT.format(
        before="\nengine = None\n",
        model_fn="def model_fn(model_dir):\n    return None\n\n\n",
        inside=_LAZY,
        engine="engine",
    ),
}
_LMI = """
from djl_python import Output
{before}

$define handle(inputs):
{inside}    return Output().add_as_json($wait complete(engine, inputs.get_as_json()["prompt"]))
"""
_EMPTY = "    if inputs.is_empty():\n        return None\n"
LMI = {
    "module": _LMI.format(before="\nengine = $build\n", inside=_EMPTY),
    "load": "\nfrom djl_python import Output\n"
    + """

class Service:
    def __init__(self):
        self.engine = None

    def initialize(self, properties):
        self.engine = $build


service = Service()


$define handle(inputs):
    if service.engine is None:
        service.initialize(inputs.get_properties())
    if inputs.is_empty():
        return None
    return Output().add_as_json($wait complete(service.engine, inputs.get_as_json()["prompt"]))
""",
    "start": _LMI.format(
        before="\nengine = None\n",
        inside="    global engine\n    if inputs.is_empty():\n        engine = $build\n        return None\n",
    ),
    "request": _LMI.format(before="\nengine = None\n", inside=_EMPTY + _LAZY),
}
_ENDPOINT = """{before}

class EndpointHandler:
    def __init__(self, path=""):
        self.engine = {at_init}

    $define __call__(self, data):
{inside}        return [$wait complete({engine}, data["inputs"])]
"""
ENDPOINT = {
    "module": _ENDPOINT.format_map({**_SELF, "before": "\nENGINE = $build\n", "engine": "ENGINE"}),
    "init": _ENDPOINT.format_map({**_SELF, "at_init": "$build"}),
    "request": _ENDPOINT.format_map({**_SELF, "inside": _LAZY_SELF}),
}
_APP = """
{imports}from fastapi import FastAPI
{before}
app = FastAPI({options})
{after}

@app.post("/generate")
$define generate(body: dict):
{inside}    return $wait complete(engine, body["prompt"])
"""
_PLAIN = {"imports": "", "before": "", "options": "", "after": "", "inside": ""}
APP = {
    "module": _APP.format_map({**_PLAIN, "before": "\nengine = $build\n"}),
    "load": _APP.format_map(
        {
            **_PLAIN,
            "before": "\nengine = None\n",
            "after": '\n\n@app.on_event("startup")\nasync def load():\n    global engine\n    engine = $build\n',
        }
    ),
    "start": _APP.format_map(
        {
            **_PLAIN,
            "imports": "from contextlib import asynccontextmanager\n\n",
            "before": "\nengine = None\n\n\n@asynccontextmanager\nasync def lifespan(app):\n    global engine\n"
            "    engine = $build\n    yield\n    del engine\n\n",
            "options": "lifespan=lifespan",
        }
    ),
    "request": _APP.format_map({**_PLAIN, "before": "\nengine = None\n", "inside": _LAZY}),
    "guard": _APP.format_map({**_PLAIN, "imports": "import uvicorn\n"})
    + '\n\nif __name__ == "__main__":\n    engine = $build\n    uvicorn.run(app, host="0.0.0.0", port=9999)\n',
}


class Style(NamedTuple):
    """How a style's scripts are written and asked."""

    ways: Mapping[str, str]
    file: str = "model.py"
    head: str = ""
    path: str = "/invocations"


STYLES = {
    "decorators": Style(HANDLERS),
    "function names": Style(NAMED),
    "truss": Style(TRUSS),
    "inference_toolkit": Style(TOOLKIT, "code/inference.py", "import json\n"),
    "lmi": Style(LMI),
    "endpoint_handler": Style(ENDPOINT, "handler.py"),
    "app": Style(APP, path="/generate"),
}
#: What does not apply: LMI asks an `async def handle` nothing at the start.
_NOT = {("lmi", "start", "AsyncLLMEngine")}
#: Every row: style, place, form. A `run_inference` definition has none: its snippet runs in processes of its own.
ROWS = [
    (style, way, form)
    for style, written in STYLES.items()
    for way in written.ways
    for form in (BLOCKING, ASYNCHRONOUS)
    if (style, way, form.name) not in _NOT
]


def write(folder: Path, style: str, way: str, form: Form, *, is_unsaid: bool = False) -> Path:
    """Write the script of a row into `folder`. `is_unsaid`: its text does not say the engine's arguments."""
    written = STYLES[style]
    text = written.head + form.head + Template(written.ways[way]).substitute(form.words)
    path = folder / written.file
    path.parent.mkdir(exist_ok=True)
    if is_unsaid:
        path.with_name("engine.json").write_text('{"dtype": "float32", "max_model_len": 256}')
        read = 'json.loads(pathlib.Path(__file__).with_name("engine.json").read_text())'
        text = "import json\nimport pathlib\n" + text.replace(ARGUMENTS, f"model=MODEL, **{read}")
    path.write_text(text)
    return folder


def asked(style: str, prompt: str) -> dict[str, str]:
    return {"inputs" if style == "endpoint_handler" else "prompt": prompt}
