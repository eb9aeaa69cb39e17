"""The stand-in for AWS's package: scripts written for it run unmodified, and nothing else notices."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from handrail import custom_invocation_handler, custom_ping_handler
from handrail.aws.compat import PACKAGE, SUPPORTED, install
from handrail.core import marks


def metadata_of_the_real_one() -> bool:
    return any(metadata.distributions(name="model-hosting-container-standards"))


@pytest.fixture(autouse=True)
def _installed() -> None:
    install()


def test_the_imports_of_the_documents_work() -> None:
    """Every form in which the seeds and the AWS documentation import it."""
    import model_hosting_container_standards
    import model_hosting_container_standards.sagemaker as sagemaker_standards
    from model_hosting_container_standards import sagemaker
    from model_hosting_container_standards.logging_config import get_logger, logger
    from model_hosting_container_standards.sagemaker import custom_ping_handler as ping

    assert sagemaker is sagemaker_standards is model_hosting_container_standards.sagemaker
    assert ping is custom_ping_handler
    assert sagemaker_standards.custom_invocation_handler is custom_invocation_handler
    assert logger is get_logger()
    assert get_logger("mine") is logging.getLogger("mine")


@pytest.mark.parametrize("path", SUPPORTED)
def test_every_supported_name_can_be_imported(path: str) -> None:
    """The table is what the modules hold."""
    module = importlib.import_module(f"{PACKAGE}.{path}".rstrip("."))
    assert SUPPORTED[path].items() <= vars(module).items()


def test_the_root_logger_is_left_alone() -> None:
    """The real package forces it to ERROR when it is imported."""
    root = logging.getLogger()
    before = (root.level, [(handler, handler.level) for handler in root.handlers])
    importlib.import_module(f"{PACKAGE}.logging_config").logger.debug("quietly")
    assert (root.level, [(handler, handler.level) for handler in root.handlers]) == before


def test_it_stands_in_for_the_installed_package() -> None:
    """vLLM installs the real one; ours has the name for the life of the process, and installing twice is once."""
    before = {name: module for name, module in sys.modules.items() if name.startswith(PACKAGE)}
    finders = list(sys.meta_path)
    install()
    assert {name: module for name, module in sys.modules.items() if name.startswith(PACKAGE)} == before
    assert sys.meta_path == finders
    assert set(before) == {f"{PACKAGE}.{path}".rstrip(".") for path in SUPPORTED}


def _from_import() -> None:
    from model_hosting_container_standards.sagemaker import no_such_name  # noqa: F401


def _import_module() -> None:
    import model_hosting_container_standards.sagemaker.no_such_name  # noqa: F401


def _find_spec() -> None:
    importlib.util.find_spec(f"{PACKAGE}.sagemaker.no_such_name")


@pytest.mark.parametrize("ask", [_from_import, _import_module, _find_spec])
def test_importing_what_is_not_supported_says_what_is(ask: Callable[[], None]) -> None:
    """An ImportError that names the module, the name, and the names there are."""
    with pytest.raises(
        ImportError, match=r"model_hosting_container_standards\.sagemaker has no 'no_such_name'"
    ) as error:
        ask()
    listed = str(error.value).partition("It supports: ")[2].removesuffix(".").split(", ")
    assert listed == sorted([*SUPPORTED["sagemaker"], "config"])
    assert error.value.name == f"{PACKAGE}.sagemaker"


def test_using_what_is_not_supported_says_what_is() -> None:
    """An attribute that is not there is an AttributeError, so that `hasattr` can be asked."""
    sagemaker = importlib.import_module(f"{PACKAGE}.sagemaker")
    assert not hasattr(sagemaker, "no_such_name")
    with pytest.raises(AttributeError, match=r"It supports: RouteConfig, .*custom_ping_handler, "):
        _ = sagemaker.no_such_name
    with pytest.raises(
        AttributeError, match=r"standards has no 'no_such_name'\. It supports: common, logging_config, sagemaker\."
    ):
        _ = importlib.import_module(PACKAGE).no_such_name


def test_pickle_may_look_through_all_modules() -> None:
    """It asks every module for the name of a function that does not say where it is from."""
    function = lambda: None  # noqa: E731
    function.__qualname__, function.__module__ = "found_in_no_module", None  # type: ignore[assignment]
    with pytest.raises(pickle.PicklingError, match="found_in_no_module"):
        pickle.dumps(function)


def test_other_imports_are_not_touched() -> None:
    """A module that is nowhere is still just not found."""
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        importlib.import_module("no_such_package")
    assert importlib.util.find_spec("no_such_package") is None


@pytest.mark.parametrize("is_installed", [True, False])
def test_it_makes_no_difference_whether_the_real_package_is_there(
    is_installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not even looked at: its import would raise, and set the root logger's level."""
    if is_installed:
        (tmp_path / PACKAGE).mkdir()
        (tmp_path / PACKAGE / "__init__.py").write_text("raise RuntimeError('the real package')")
        monkeypatch.syspath_prepend(tmp_path)
    for path in SUPPORTED:
        assert "Handrail" in str(importlib.import_module(f"{PACKAGE}.{path}".rstrip(".")).__doc__)


@pytest.mark.skipif(not metadata_of_the_real_one(), reason="model-hosting-container-standards is not installed")
def test_what_it_supports_the_real_package_has() -> None:
    """In an interpreter that the stand-in is not installed in: no name of ours is an invention."""
    names = {path: list(held) for path, held in SUPPORTED.items()}
    code = (
        "import importlib, json, sys\n"
        "for path, names in json.loads(sys.argv[2]).items():\n"
        "    module = importlib.import_module(f'{sys.argv[1]}.{path}'.rstrip('.'))\n"
        "    missing = [name for name in names if not hasattr(module, name)]\n"
        "    assert not missing, (path, missing)\n"
    )
    command = [sys.executable, "-c", code, PACKAGE, json.dumps(names)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_what_handrail_does_by_other_means_is_left_alone() -> None:
    """Decorators of an engine's own functions, with and without parentheses, and with their arguments."""
    sagemaker = importlib.import_module(f"{PACKAGE}.sagemaker")

    def function() -> None: ...

    shapes = {"request_shape": {"lora_name": "body.name"}, "response_shape": {}}
    assert sagemaker.register_load_adapter_handler(**shapes)(function).__wrapped__ is function
    assert sagemaker.register_unload_adapter_handler(None)(function) is function
    assert sagemaker.bootstrap(function) is function


def test_the_other_names_do_what_a_script_may_expect_of_them() -> None:
    """A router without routes, a configuration that is kept, the names of variables, levels by name or number."""
    sagemaker = importlib.import_module(f"{PACKAGE}.sagemaker")
    config = importlib.import_module(f"{PACKAGE}.logging_config")
    assert sagemaker.create_sagemaker_router().routes == []
    assert sagemaker.RouteConfig("/load", tags=["adapters"]).method == "POST"
    fastapi = importlib.import_module(f"{PACKAGE}.common.fastapi.config")
    assert fastapi.FastAPIEnvVars.CUSTOM_PRE_PROCESS == "CUSTOM_PRE_PROCESS"
    assert [config.parse_level(level) for level in ("debug", 20, "loud")] == [10, 20, logging.ERROR]
    assert config.configure_root_logger() is None


def test_the_formatters_are_the_decorators_of_handrail() -> None:
    """At both paths from which the documents import them."""
    for path in ("common.fastapi", "common.fastapi.middleware"):
        module = importlib.import_module(f"{PACKAGE}.{path}")
        assert (module.custom_middleware, module.input_formatter, module.output_formatter) == (
            marks.custom_middleware,
            marks.input_formatter,
            marks.output_formatter,
        )
