"""Scripts of other servers' forms: none is passed over in silence, and nobody's own is taken for one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from handrail.core.errors import ForeignScript, ImportFailed
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.resolve import Program, resolve
from handrail.styles.foreign.dialects import DIALECTS

from tests.handlers.conftest import Place, Resolved, Written

DOCS = Path(__file__).parents[2] / "docs"
#: By what the script has, whose it is.
RECOGNISED = {
    "sagemaker": ("model.py:4 has `model_fn`, `input_fn`, `predict_fn`, `output_fn`", "SageMaker's inference toolkit"),
    "hugging_face": ("model.py:1 has `class EndpointHandler`", "Hugging Face's Inference Endpoints"),
    "djl_handle": ("model.py:1 has `handle`", "DJL Serving"),
    "runpod_handler": ("model.py:1 has `handler`", "RunPod"),
    "aws_lambda": ("model.py:1 has `lambda_handler`", "AWS Lambda"),
    "web_framework": ("`fastapi.FastAPI(…)`, `@app.post('/invocations')`", "a web framework"),
    "web_framework_elsewhere": ("model.py:6 has `fastapi.FastAPI(…)`", "a web framework"),
    "truss_without_predict": ("model.py:1 has `class Model`", "Truss"),
    "cog_by_name": ("model.py:1 has `class Predictor`", "Cog"),
    "torchserve_handle": ("model.py:1 has `handle`", "TorchServe"),
    "azure_ml": ("model.py:1 has `init`, `run`", "Azure Machine Learning"),
    "plain_predict": ("model.py:1 has `predict`", "custom_sagemaker_invocation_handler"),
}
#: The same of scripts whose packages are not there.
NOT_IMPORTED = {
    "djl_formatter": ("`import djl_python.input_parser.input_formatter`", "DJL Serving"),
    "runpod_guarded": ("model.py:9 has `runpod.serverless.start(…)`", "RunPod"),
    "triton": ("`class TritonPythonModel`", "NVIDIA Triton"),
    "bentoml_service": ("model.py:5 has `@bentoml.service`", "BentoML"),
    "cog_predictor": ("model.py:4 has `class Anything(BasePredictor)`", "Cog"),
    "litserve_api": ("model.py:4 has `class Api(ls.LitAPI)`", "LitServe"),
    "mlflow_model": ("model.py:4 has `class Mine(mlflow.pyfunc.PythonModel)`", "MLflow"),
    "torchserve_handler": ("model.py:4 has `class Mine(BaseHandler)`", "TorchServe"),
    "kserve_model": ("model.py:4 has `class Mine(Model)`", "KServe or MLServer"),
}


@pytest.mark.parametrize("name", RECOGNISED)
def test_a_script_of_another_server_is_refused(resolved: Resolved, name: str) -> None:
    """With the line, whose it is, what to write, and how to have the default handlers all the same."""
    program = resolved(f"foreign/{name}")
    (fault,) = program.faults
    assert isinstance(fault, ForeignScript)
    for said in (*RECOGNISED[name], "docs/compatibility/dialects.md#", "HANDRAIL_ALLOW_UNUSED=true"):
        assert said in str(fault)
    assert {resolution.fault for resolution in program.resolutions.values()} == {fault}


@pytest.mark.parametrize("name", NOT_IMPORTED)
def test_one_that_cannot_be_imported_is_recognised_too(resolved: Resolved, name: str) -> None:
    """Python's own reason comes first."""
    (fault,) = resolved(f"foreign/{name}").faults
    assert isinstance(fault, ImportFailed)
    assert isinstance(fault.__cause__, ModuleNotFoundError)
    for said in ("failed to import: ModuleNotFoundError", *NOT_IMPORTED[name]):
        assert said in str(fault)


def test_a_package_that_no_index_has_is_not_to_be_required(resolved: Resolved) -> None:
    assert "requirements.txt" not in str(resolved("foreign/djl_formatter").faults[0])


def test_several_dialects_are_all_told_of(resolved: Resolved) -> None:
    """Those that are sure; a name that may be anybody's is not, beside them."""
    told = str(resolved("foreign/three_at_once").faults[0])
    assert "model.py:1 has `model_fn`, `predict_fn`, as SageMaker" in told
    assert "model.py:13 has `class EndpointHandler`" in told
    assert "DJL" not in told


def test_the_operator_may_want_the_defaults(place: Place, model_path: Path) -> None:
    place("foreign/sagemaker")
    program = resolve(Sources(model_path, refuses_foreign=False))
    assert program.faults == ()
    assert program.resolutions[Slot.INVOCATION].handler is None
    (warning,) = program.warnings
    assert "SageMaker's inference toolkit" in warning
    assert warning.endswith("The default handlers answer")


def test_beside_a_handler_it_is_a_warning(resolved: Resolved) -> None:
    """Of what is surely another server's: a `predict` may be the handler's own helper."""
    program = resolved("foreign/beside_a_handler")
    assert program.faults == ()
    (warning,) = program.warnings
    assert "model.py:9 has `predict_fn`, as SageMaker" in warning


def test_beside_a_ping_handler_a_likely_one_is_a_warning(resolved: Resolved) -> None:
    """Nobody else's answers /invocations."""
    program = resolved("foreign/only_pings")
    assert (program.faults, ["model.py:9 has `predict`" in warning for warning in program.warnings]) == ((), [True])


def test_a_script_without_anything_known_is_a_warning(resolved: Resolved) -> None:
    """With what it has: what it imports and classes of its own that answer nothing are no other server's."""
    program = resolved("foreign/imports_predict")
    assert program.faults == ()
    (warning,) = program.warnings
    assert "model.py defines no handler: it has words, Model. The default handlers answer. Mark a function" in warning


def test_names_that_are_nearly_ours_are_told(resolved: Resolved) -> None:
    (warning,) = resolved("foreign/misnamed").warnings
    assert "Did you mean custom_sagemaker_invocation_handler for invocation_handler? " in warning
    assert "Did you mean predict for Model.predit? " in warning


@pytest.mark.parametrize("text", ["", "import json as model_fnn\n", "from handrail import Engine\nA = 1\n"])
def test_an_empty_script_is_one_without_functions(program: Written, text: str) -> None:
    found = program(text)
    assert (found.faults, ["it has no functions" in warning for warning in found.warnings]) == ((), [True])


@pytest.mark.parametrize(
    "text",
    [
        "from elsewhere import *\n",
        "import elsewhere\npredict = elsewhere.predict\n",
        "def handle(text):\n    return text\n",
        "def run(data): ...\n",
        "class Model:\n    def load(self): ...\n    def predict(self, x): ...\n",
        "class Model:\n    def preprocess(self, x): ...\n    async def chat_completions(self, x): ...\n",
        "class EndpointHandlers: ...\n",
        "calls = {'run': print}\ncalls['run']()\n",
        "def outer():\n    def predict(x): ...\n    import runpod\n    runpod.serverless.start({})\n",
    ],
)
def test_what_is_only_like_another_server_s_is_not_refused(program: Written, model_path: Path, text: str) -> None:
    (model_path / "elsewhere.py").write_text("def predict(x): ...\n")
    found = program(text)
    assert found.faults == ()
    assert [warning for warning in found.warnings if "docs/compatibility/dialects.md" in warning] == []


def test_names_that_are_imported_count_where_nobody_else_has_them(program: Written, model_path: Path) -> None:
    (model_path / "serving.py").write_text("def model_fn(d): ...\ndef predict_fn(d, m): ...\n")
    (fault,) = program("\nfrom serving import model_fn, predict_fn\n").faults
    assert "model.py:2 has `model_fn`, `predict_fn`" in str(fault)


def elsewhere(model_path: Path, place: Place, file: str, program: str) -> Program:
    (model_path / file).parent.mkdir(parents=True, exist_ok=True)
    place(f"foreign/{program}", file)
    return resolve(Sources(model_path))


PLACES = [
    ("code/inference.py", "sagemaker"),
    ("handler.py", "hugging_face"),
    ("src/handler.py", "runpod_guarded"),
    ("main.py", "web_framework_elsewhere"),
]
ALONE = [("1/model.py", "triton"), ("predict.py", "cog_predictor"), ("any_name.py", "litserve_api")]


@pytest.mark.parametrize(("file", "program"), [*PLACES, *ALONE])
def test_where_it_is_all_there_is_it_is_refused(model_path: Path, place: Place, file: str, program: str) -> None:
    """Without having been run: there is no script of ours."""
    found = elsewhere(model_path, place, file, program)
    assert found.script is None
    assert f"{model_path / file}:" in str(found.faults[0])


@pytest.mark.parametrize(("file", "program"), PLACES)
def test_beside_a_script_that_answers_it_is_a_warning(model_path: Path, place: Place, file: str, program: str) -> None:
    place("named_handlers")
    found = elsewhere(model_path, place, file, program)
    assert (found.faults, [str(model_path / file) in warning for warning in found.warnings]) == ((), [True])


@pytest.mark.parametrize(("file", "program"), [("app.py", "plain_predict"), ("serve.py", "djl_handle")])
def test_elsewhere_only_what_is_sure_counts(model_path: Path, place: Place, file: str, program: str) -> None:
    assert elsewhere(model_path, place, file, program).faults == ()


def test_the_name_of_a_script_is_sign_enough(model_path: Path, place: Place) -> None:
    (fault,) = elsewhere(model_path, place, "handler.py", "djl_handle").faults
    assert "handler.py does not run: nothing in it is known here. It has def handle" in str(fault)


def test_a_file_that_the_script_uses_is_not_passed_over(model_path: Path, place: Place, program: Written) -> None:
    """Imported, or named by a reference."""
    place("foreign/sagemaker", "inference.py")
    text = "from inference import predict_fn\ndef custom_sagemaker_invocation_handler(): return predict_fn(1, {})\n"
    assert [warning for warning in program(text).warnings if "inference.py:" in warning] == []
    found = program("def custom_sagemaker_ping_handler(): ...\n", invocation="inference.py:model_fn")
    assert [warning for warning in found.warnings if "inference.py:" in warning] == []


@pytest.mark.parametrize(
    "file", ["MLmodel", "MAR-INF/MANIFEST.json", "cog.yaml", "bentofile.yaml", "config.pbtxt", "model-settings.json"]
)
def test_a_file_that_only_one_server_has_is_its_sign(model_path: Path, file: str) -> None:
    (model_path / file).parent.mkdir(exist_ok=True)
    (model_path / file).write_text("{}")
    (fault,) = resolve(Sources(model_path)).faults
    assert f"{model_path / file} is of " in str(fault)


def test_a_file_and_its_script_are_told_once(model_path: Path, place: Place) -> None:
    (model_path / "cog.yaml").write_text("predict: predict.py:Anything\n")
    (fault,) = elsewhere(model_path, place, "predict.py", "cog_predictor").faults
    assert "predict.py:4 has `class Anything(BasePredictor)`" in str(fault)
    assert "cog.yaml" not in str(fault)


def test_settings_of_another_server_are_a_warning(model_path: Path) -> None:
    """`serving.properties` beside the script is read."""
    (model_path / "serving.properties").write_text("option.max_model_len=4096\n")
    assert resolve(Sources(model_path)).warnings == ()
    (model_path / "code").mkdir()
    (model_path / "code/serving.properties").write_text("option.max_model_len=4096\n")
    program = resolve(Sources(model_path))
    assert (program.faults, len(program.warnings)) == ((), 1)
    assert (
        "which are not read there: move it to serving.properties of the model directory, or write"
        in program.warnings[0]
    )


def test_the_script_of_sagemaker_s_toolkits_is_not_passed_over(model_path: Path, place: Place) -> None:
    """Under code/, where they have it, or beside the weights; missing; the script itself."""
    place("foreign/sagemaker", "code/serving.py")
    found = resolve(Sources(model_path, program="serving.py"))
    assert f"{model_path}/code/serving.py:4 has `model_fn`" in str(found.faults[0])
    place("no_handlers", "mine.py")
    found = resolve(Sources(model_path, program="mine.py"))
    assert "Write CUSTOM_SCRIPT_FILENAME=mine.py" in str(found.faults[0])
    assert resolve(Sources(model_path, "mine.py", program="mine.py")).faults == ()
    (warning,) = resolve(Sources(model_path, program="gone.py")).warnings
    assert "SAGEMAKER_PROGRAM is 'gone.py', and there is no such file" in warning
    place("named_handlers")
    assert "SAGEMAKER_PROGRAM is 'gone.py'" in resolve(Sources(model_path, program="gone.py")).warnings[0]
    outside = model_path.parent / "outside.py"
    outside.write_text("")
    told = resolve(Sources(model_path, program=str(outside))).warnings[0]
    assert f"Write CUSTOM_SCRIPT_FILENAME={outside}" in told


def test_a_script_that_would_never_end_its_import_is_not_run(resolved: Resolved, model_path: Path) -> None:
    (fault,) = resolved("foreign/starts_a_server").faults
    assert isinstance(fault, ForeignScript)
    assert str(fault).startswith(f"{model_path}/model.py:10 starts a server of its own when it is imported")
    assert "Besides" not in str(fault)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import uvicorn\nserver = uvicorn.Server(uvicorn.Config('a:b'))\nserver.run()\n", 3),
        ("import asyncio\nimport uvicorn\nasyncio.run(uvicorn.Server(None).serve())\n", 3),
        ("from flask import Flask\napp = Flask('mine')\napp.run(port=8080)\n", 3),
        ("def main():\n    import uvicorn\n    uvicorn.run('a:b')\n\n\nmain()\n", 3),
        ("import litserve as ls\napi: ls.LitServer = ls.LitServer(None)\napi.run()\n", 3),
    ],
)
def test_each_way_to_start_a_server_is_seen(program: Written, text: str, line: int) -> None:
    (fault,) = program(text).faults
    assert f"model.py:{line} starts a server of its own when it is imported" in str(fault)
    guarded = text.splitlines()
    guarded[-1] = f"if __name__ == '__main__':\n    {guarded[-1]}"
    assert "starts a server" not in str(program("\n".join(guarded)).faults)


def test_a_class_model_whose_methods_nothing_calls_is_refused(program: Written) -> None:
    (fault,) = program("class Model:\n    def generate(self, prompt): ...\n").faults
    assert "model.py:1 has `class Model`, as Truss has it" in str(fault)


def test_one_that_is_another_server_s_besides_is_told_both(program: Written) -> None:
    (fault,) = program("import runpod\n\n\ndef work(job): ...\n\n\nrunpod.serverless.start({'handler': work})\n").faults
    assert ":7 starts a server of its own when it is imported, `runpod.serverless.start(…)`" in str(fault)
    assert "Besides, " in str(fault)
    assert 'does with `job["input"]`, which is the body (docs/compatibility/dialects.md#runpod)' in str(fault)


@pytest.mark.parametrize("content", [b"def f(:\n", b"\0", b"#" * 1_100_000, b"(" * 100_000, b"# coding: none\n"])
def test_what_cannot_be_read_is_told_where_its_name_is_that_of_a_script(model_path: Path, content: bytes) -> None:
    """Another file is nobody's."""
    (model_path / "helpers.py").write_bytes(content)
    assert resolve(Sources(model_path)).faults == ()
    (model_path / "handler.py").write_bytes(content)
    (fault,) = resolve(Sources(model_path)).faults
    assert f"{model_path / 'handler.py'} cannot be read as Python: " in str(fault)


def test_nothing_foreign_is_imported(model_path: Path, place: Place) -> None:
    (model_path / "handler.py").write_text("class EndpointHandler: ...\nraise SystemExit('run')\n")
    assert isinstance(resolve(Sources(model_path)).faults[0], ForeignScript)
    assert "handler" not in sys.modules


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_the_documentation_has_each(dialect: object) -> None:
    anchor = getattr(dialect, "anchor", "")
    lines = (DOCS / "compatibility" / "dialects.md").read_text().splitlines()
    headings = [line for line in lines if line.startswith("## ")]
    assert anchor in [heading.removeprefix("## ").lower().replace(" ", "-") for heading in headings]
