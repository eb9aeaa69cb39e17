"""The stand-in for AWS's package: scripts written for it run unmodified, and nothing else notices."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import pickle
import sys
from collections.abc import Callable

import pytest
from handrail import custom_invocation_handler, custom_ping_handler
from handrail.compat import PACKAGE, SUPPORTED, install


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
    before = (root.level, list(root.handlers))
    importlib.import_module(f"{PACKAGE}.logging_config").logger.debug("quietly")
    assert (root.level, root.handlers) == before


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
    assert str(error.value).endswith("It supports: custom_invocation_handler, custom_ping_handler.")
    assert error.value.name == f"{PACKAGE}.sagemaker"


def test_using_what_is_not_supported_says_what_is() -> None:
    """An attribute that is not there is an AttributeError, so that `hasattr` can be asked."""
    sagemaker = importlib.import_module(f"{PACKAGE}.sagemaker")
    assert not hasattr(sagemaker, "no_such_name")
    with pytest.raises(AttributeError, match="It supports: custom_invocation_handler, custom_ping_handler"):
        _ = sagemaker.no_such_name
    with pytest.raises(
        AttributeError, match=r"standards has no 'no_such_name'\. It supports: logging_config, sagemaker\."
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
