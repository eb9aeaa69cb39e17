"""The table of recognised dialects (scripts of other servers). A row whose dialect is served names its style.

docs/compatibility/dialects.md has a section for each `anchor`.
"""

from __future__ import annotations

from dataclasses import dataclass

from handrail.styles.foreign.tells import Bases, Calls, Classes, Decorators, Functions, Imports, ServedPaths, Tell
from handrail.styles.truss.methods import ENDPOINTS

_WRITE = (
    "Write `@custom_invocation_handler` above `async def answer(body: dict, engine: Engine)`, both from handrail, and "
    "do in it what"
)
_STEPS = ("load", "preprocess", "postprocess")
#: Names that other servers give to what a Truss calls `predict`.
_ALIKE = ("__call__", "forward", "generate", "handle", "infer", "inference", "invoke", "run")


@dataclass(frozen=True)
class Dialect:
    """`name` is the server, `instead` the advice; `places` are files that are inspected besides the script.

    `files` are files that only this server has; `settings_files` hold its settings and no code. `style` serves such
    scripts, where nothing else answers and it is not left out.
    """

    name: str
    anchor: str
    instead: str
    tells: tuple[Tell, ...] = ()
    places: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    settings_files: tuple[str, ...] = ()
    style: str = ""


DIALECTS = (
    Dialect(
        "SageMaker's inference toolkit",
        "sagemaker",
        "It is served as code/inference.py, or by the name in SAGEMAKER_PROGRAM, where nothing else answers "
        "/invocations and the style inference_toolkit is not left out. "
        f"{_WRITE} input_fn, predict_fn and output_fn do, or take the other handler away",
        (
            Functions(("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")),
            Bases(
                tuple(
                    f"sagemaker_inference:{name}"
                    for name in ("DefaultHandlerService", "DefaultInferenceHandler", "Transformer")
                )
            ),
        ),
        ("code/inference.py", "inference.py"),
        style="inference_toolkit",
    ),
    Dialect(
        "Hugging Face's Inference Endpoints",
        "hugging-face",
        "At the root of the model directory it is served where nothing else answers /invocations and the style "
        f"endpoint_handler is not left out. {_WRITE} `__call__` does, or take the other handler away",
        (Classes(("EndpointHandler", "PreTrainedPipeline")),),
        ("handler.py", "code/handler.py", "pipeline.py"),
        style="endpoint_handler",
    ),
    Dialect(
        "DJL Serving",
        "djl",
        "It is served as model.py, or by the name in CUSTOM_SCRIPT_FILENAME, where it imports djl_python and has a "
        "marked function or `handle`, nothing else answers /invocations, and the style lmi is not left out. "
        f"{_WRITE} they do, or take the other handler away",
        (Imports(("djl_python",)), Functions(("handle",), sure=False, first=("inputs", "input"))),
        ("model.py", "code/model.py"),
        settings_files=("code/serving.properties",),
        style="lmi",
    ),
    Dialect(
        "RunPod",
        "runpod",
        f'{_WRITE} the handler does with `job["input"]`, which is the body',
        (Calls(("runpod:start",)), Functions(("handler",), sure=False, first=("job", "event"))),
        ("rp_handler.py", "src/rp_handler.py", "src/handler.py"),
    ),
    Dialect(
        "AWS Lambda",
        "functions",
        f"{_WRITE} lambda_handler does",
        (Functions(("lambda_handler",)),),
        ("lambda_function.py",),
    ),
    Dialect(
        "a web framework",
        "web-framework",
        "A FastAPI or Starlette application is served as it is: give it the name `app` in the script, or set "
        "CUSTOM_APP=file.py:name. Of another framework's, mark the function of /invocations with "
        "`@custom_invocation_handler` and that of /ping with `@custom_ping_handler`, both from handrail",
        (
            ServedPaths(("/invocations",)),
            Calls(
                (
                    "fastapi:FastAPI",
                    "flask:Flask",
                    "starlette:Starlette",
                    "quart:Quart",
                    "sanic:Sanic",
                    "bottle:Bottle",
                    "litestar:Litestar",
                    "bedrock_agentcore:BedrockAgentCoreApp",
                )
            ),
        ),
        ("app.py", "main.py", "server.py", "serve.py"),
    ),
    Dialect(
        "Truss",
        "truss",
        "Give `class Model` a method `predict(self, model_input)`",
        (Classes(("Model",), sure=False, methods=(*_STEPS, *_ALIKE), without=(*ENDPOINTS, "websocket")),),
    ),
    Dialect(
        "NVIDIA Triton",
        "triton",
        f"{_WRITE} `execute` does; the body is JSON, and not tensors",
        (Classes(("TritonPythonModel",)), Imports(("triton_python_backend_utils",))),
        ("1/model.py",),
        files=("config.pbtxt",),
    ),
    Dialect(
        "BentoML",
        "bentoml",
        f"{_WRITE} the function of `@bentoml.api` does",
        (Decorators(("bentoml:service",)), Calls(("bentoml:Service",))),
        ("service.py",),
        files=("bentofile.yaml",),
    ),
    Dialect(
        "Cog",
        "cog",
        f"{_WRITE} `predict` or `run` does; the body has the inputs",
        (Bases(("cog:BasePredictor", "cog:BaseRunner")), Classes(("Predictor",), sure=False, methods=("predict",))),
        ("predict.py", "run.py"),
        files=("cog.yaml",),
    ),
    Dialect(
        "LitServe",
        "litserve",
        f"{_WRITE} `decode_request`, `predict` and `encode_response` do; the engine makes batches by itself",
        (Bases(("litserve:LitAPI",)), Calls(("litserve:LitServer",))),
        ("server.py",),
    ),
    Dialect(
        "MLflow",
        "mlflow",
        f"{_WRITE} the Python model's `predict` does",
        (Bases(tuple(f"mlflow:{name}" for name in ("PythonModel", "ResponsesAgent", "ChatModel", "ChatAgent"))),),
        files=("MLmodel",),
    ),
    Dialect(
        "TorchServe",
        "torchserve",
        f"{_WRITE} the handler's preprocess, inference and postprocess do",
        (Bases(("ts:BaseHandler",)), Functions(("handle",), sure=False, first=("data",))),
        files=("MAR-INF/MANIFEST.json",),
    ),
    Dialect(
        "KServe or MLServer",
        "kserve",
        f"{_WRITE} `predict` does",
        (Bases(("kserve:Model", "mlserver:MLModel")),),
        files=("model-settings.json",),
    ),
    Dialect(
        "Ray Serve",
        "ray-serve",
        f"{_WRITE} the deployment does; `handrail serve --ray` spreads it over a cluster",
        (Decorators(("ray:deployment",)),),
    ),
    Dialect(
        "Azure Machine Learning",
        "functions",
        f"{_WRITE} `run` does; what `init` does, a function marked `@on_startup` does",
        (Functions(("init", "run"), sure=False, all=True),),
    ),
    Dialect(
        "a function of its own name",
        "functions",
        "Mark it with `@custom_invocation_handler` (from handrail), or name it custom_sagemaker_invocation_handler",
        (Functions(("predict",), sure=False),),
    ),
)

#: Calls that serve until they are stopped: a file that makes one on import is not imported.
SERVERS = Calls(("runpod:start", "uvicorn:run", "uvicorn:serve", "hypercorn:serve", "flask:run", "litserve:run"))
