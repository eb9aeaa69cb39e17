"""The ladder: which rung answers, what it hides, and everything that stops the start."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from handrail.aws.compat import install
from handrail.core.errors import (
    Ambiguous,
    FileMissing,
    HandlerFault,
    ImportFailed,
    MalformedReference,
    NameMissing,
    ScriptMissing,
    SignatureRefused,
)
from handrail.core.ladder import DEFAULT, Rung, Sources
from handrail.core.script import unload
from handrail.core.slots import Slot, WrapperSlot
from handrail.resolve import Program, Resolution, resolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.handlers.conftest import Resolved
from tests.handlers.driver import send


def answers(program: Program, slot: Slot = Slot.INVOCATION) -> Resolution:
    assert program.faults == ()
    return program.resolutions[slot]


async def answer(resolution: Resolution, body: Any = None) -> Any:
    assert resolution.handler is not None
    return (await send(resolution.handler.app, body)).json()


@pytest.mark.parametrize(
    ("references", "rung", "text"),
    [
        ({"invocation": "model:referenced"}, Rung.ENVIRONMENT, "referenced"),
        ({}, Rung.DECORATOR, "decorated"),
        ({"invocation": ""}, Rung.DECORATOR, "decorated"),
    ],
)
async def test_the_first_rung_answers(resolved: Resolved, references: dict[str, str], rung: Rung, text: str) -> None:
    """The environment before the decorator, the decorator before the name; an empty variable is an unset one."""
    resolution = answers(resolved("every_rung", **references))
    assert resolution.winner.rung is rung
    assert await answer(resolution) == text


async def test_a_name_answers_where_nothing_is_higher(resolved: Resolved) -> None:
    """Both slots by their function names, as seed 001's third method writes them."""
    program = resolved("named_handlers")
    assert [answers(program, slot).winner.rung for slot in Slot] == [Rung.NAME, Rung.NAME, Rung.DEFAULT]
    assert await answer(answers(program, Slot.PING)) == {"status": "healthy"}


async def test_aws_decorators_answer(resolved: Resolved) -> None:
    """Seed 001's second method, with its import and its un-annotated `request`."""
    install()
    program = resolved("aws_decorators")
    assert [answers(program, slot).winner.rung for slot in Slot] == [Rung.DECORATOR, Rung.DECORATOR, Rung.DEFAULT]
    assert await answer(answers(program), {"prompt": "a"}) == {"prompt": "a"}


@pytest.mark.parametrize("program", [None, "no_handlers"])
def test_the_default_answers_what_nobody_asks_for(resolved: Resolved, program: str | None) -> None:
    """No script, or one without handlers, is no fault."""
    loaded = resolved(program)
    assert [" defines no handler: it has helper. " in warning for warning in loaded.warnings] == [True] * bool(program)
    for slot in Slot:
        resolution = answers(loaded, slot)
        assert resolution.winner.rung is Rung.DEFAULT
        assert resolution.winner.function is DEFAULT
        assert resolution.handler is None
        assert resolution.sentence() == f"{slot.path} is answered by the default handler: nothing else asks for it"


@pytest.mark.parametrize(
    ("name", "filename"),
    [("model.py", None), ("code/model.py", None), ("handlers_env_var.py", "handlers_env_var.py")],
)
def test_the_script_is_where_the_documents_put_it(resolved: Resolved, name: str, filename: str | None) -> None:
    """Under any name, CUSTOM_SCRIPT_FILENAME's included, `model:` is the script."""
    program = resolved("every_rung", name, filename, invocation="model:referenced")
    assert program.script is not None
    assert program.script.as_posix().endswith(name)
    assert answers(program).handler is not None


async def test_one_slot_may_be_filled_from_elsewhere(resolved: Resolved, place: Any) -> None:
    """A reference to another file fills its slot; that file's decorators do not fill the other."""
    place("native_decorators", "other.py")
    program = resolved("no_handlers", invocation="other.py:infer")
    assert await answer(answers(program), {"prompt": "a"}) == {"prompt": "a"}
    assert answers(program, Slot.PING).winner.rung is Rung.DEFAULT


def test_a_reference_needs_no_script(resolved: Resolved) -> None:
    """An installed module's function answers in a directory without a script."""
    program = resolved(invocation="json:loads", ping="vllm_that_moved:health")
    assert [type(fault) for fault in program.faults] == [FileMissing, SignatureRefused]


def test_a_path_that_documents_name_means_the_default(model_path: Path) -> None:
    """The server says which references are its defaults, slot by slot; nothing is imported for them."""
    value = "an_engine_of_old.api_server:health"
    aliases = {Slot.PING: frozenset({value})}
    resolution = answers(resolve(Sources(model_path, None, {Slot.PING: f" {value} "}, aliases)), Slot.PING)
    assert resolution.winner.rung is Rung.ENVIRONMENT
    assert resolution.handler is None
    assert value in resolution.sentence()
    assert resolve(Sources(model_path, None, {Slot.INVOCATION: value}, aliases)).faults


def test_a_sentence_says_who_answers_and_why(resolved: Resolved, model_path: Path) -> None:
    """The route, the function, its `file:line`, and by which name it was asked for."""
    program = resolved("every_rung")
    assert answers(program).sentence() == (
        f"/invocations is answered by decorated ({model_path}/model.py:5): decorated with @custom_invocation_handler"
    )
    program = resolved(ping="model:referenced")
    assert answers(program, Slot.PING).sentence() == (
        f"/ping is answered by referenced ({model_path}/model.py:13): CUSTOM_FASTAPI_PING_HANDLER=model:referenced"
    )


def test_what_a_higher_rung_hides_is_told(resolved: Resolved) -> None:
    """Each hidden function is named with the rung it is on, the default never."""
    program = resolved("every_rung", invocation="model:referenced")
    found = "CUSTOM_FASTAPI_INVOCATION_HANDLER=model:referenced"
    assert program.warnings == (
        f"/invocations: {found} hides decorated, decorated with @custom_invocation_handler",
        f"/invocations: {found} hides custom_sagemaker_invocation_handler, named custom_sagemaker_invocation_handler",
    )
    assert [candidate.rung for candidate in answers(program).candidates] == [1, 2, 3, 5]


def test_one_function_on_two_rungs_hides_nothing(resolved: Resolved) -> None:
    """A decorated function that also has the agreed name is one handler."""
    program = resolved("marked_and_named")
    assert program.warnings == ()
    assert answers(program).winner.rung is Rung.DECORATOR


async def test_decorated_functions_may_lie_in_siblings(resolved: Resolved) -> None:
    """The script imports them; that is enough."""
    program = resolved("marks_in_sibling")
    assert await answer(answers(program)) == "sibling infer"
    assert await answer(answers(program, Slot.PING)) == "sibling ping"


def test_a_program_resolves_again(resolved: Resolved) -> None:
    """A second time in one process finds what the first time found."""
    first = resolved("native_decorators")
    for _ in range(2):
        again = resolved()
        assert [answers(again, slot).winner.rung for slot in Slot] == [
            answers(first, slot).winner.rung for slot in Slot
        ]


@pytest.mark.parametrize(("program", "lines"), [("two_ping_decorators", (5, 10)), ("shadowed_duplicate_def", (5, 10))])
def test_two_decorated_functions_stop_the_start(
    resolved: Resolved, model_path: Path, program: str, lines: tuple[int, int]
) -> None:
    """Both `def` lines are named, of two functions of one name too, and how to choose."""
    (fault,) = resolved(program).faults
    assert isinstance(fault, Ambiguous)
    assert all(f"({model_path}/model.py:{line})" in str(fault) for line in lines)
    assert "Keep one, or choose with CUSTOM_FASTAPI_" in str(fault)


def test_a_choice_ends_an_ambiguity(resolved: Resolved) -> None:
    """As the refusal says, the variable chooses."""
    program = resolved("two_ping_decorators", ping="model:second")
    resolution = answers(program, Slot.PING)
    assert resolution.handler is not None
    assert resolution.handler.signature.name == "second"
    assert len(program.warnings) == 1
    assert "hides first" in program.warnings[0]


def test_a_near_miss_is_named(resolved: Resolved, model_path: Path) -> None:
    """The function, its line, and the name it should have; the defaults serve."""
    program = resolved("near_miss_name")
    assert answers(program).winner.rung is Rung.DEFAULT
    assert program.warnings == (
        f"custom_sagemaker_invocations_handler ({model_path}/model.py:1) is not a handler: "
        "did you mean custom_sagemaker_invocation_handler?",
    )


def test_a_decorated_near_miss_is_a_handler(resolved: Resolved) -> None:
    """Its name does not matter, and nobody is told that it is none."""
    program = resolved("near_miss_name_decorated")
    assert answers(program).winner.rung is Rung.DECORATOR
    assert program.warnings == ()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("health_check", MalformedReference),
        ("other.py:ping", FileMissing),
        ("no_such_package:ping", FileMissing),
        ("broken.py:ping", ImportFailed),
        ("model:custom_sagemaker_ping", NameMissing),
        ("math:pi", SignatureRefused),
        ("decimal:Decimal", SignatureRefused),
    ],
)
def test_a_broken_rung_never_falls_through(resolved: Resolved, place: Any, value: str, kind: type) -> None:
    """A reference that cannot be had stops the start, though the script has a handler one rung below."""
    place("raises_on_import", "broken.py")
    program = resolved("named_handlers", ping=value)
    (fault,) = program.faults
    assert type(fault) is kind
    assert program.resolutions[Slot.PING].handler is None
    assert program.resolutions[Slot.PING].fault is fault
    assert program.resolutions[Slot.INVOCATION].handler is not None


@pytest.mark.parametrize(
    ("program", "kind", "said"),
    [
        ("name_is_none", SignatureRefused, "/ping, named custom_sagemaker_ping_handler: it is None, which cannot be"),
        ("decorated_class", SignatureRefused, "Handler is a class, not a handler: name one of its methods"),
        ("decorated_method", SignatureRefused, "decorated with @custom_invocation_handler: "),
        ("syntax_error", ImportFailed, "model.py:1 failed to import: SyntaxError"),
        ("exits_on_import", ImportFailed, "model.py:3 failed to import: SystemExit: it called sys.exit"),
    ],
)
def test_a_broken_script_stops_the_start(resolved: Resolved, program: str, kind: type, said: str) -> None:
    """Whatever is wrong with what the script offers, the defaults do not serve instead."""
    (fault,) = resolved(program).faults
    assert type(fault) is kind
    assert said in str(fault)


def test_a_name_that_aws_has_and_we_do_not_is_told(resolved: Resolved) -> None:
    """The import's failure lists what the stand-in supports."""
    install()
    (fault,) = resolved("unsupported_aws_name").faults
    assert "no_such_decorator" in str(fault)
    assert "custom_ping_handler" in str(fault)


def test_one_fault_is_reported_once(resolved: Resolved) -> None:
    """A broken script that two references name as well is one fault with one traceback."""
    (fault,) = resolved("raises_on_import", ping="model:ping", invocation="model.py:infer").faults
    assert isinstance(fault, ImportFailed)
    assert fault.user_traceback


def test_all_faults_are_reported_at_once(resolved: Resolved) -> None:
    """Two slots with a mistake each are two faults."""
    program = resolved("named_handlers", ping="nonsense", invocation="model:nonsense")
    assert [type(fault) for fault in program.faults] == [MalformedReference, NameMissing]


def test_a_script_that_was_asked_for_must_exist(resolved: Resolved) -> None:
    """CUSTOM_SCRIPT_FILENAME with a typo is a fault of the setting, though `model.py` is there."""
    program = resolved("named_handlers", filename="modle.py")
    assert [type(fault) for fault in program.faults] == [ScriptMissing]
    assert program.script is None


def test_a_module_that_answers_every_name_offers_nothing_by_it(model_path: Path) -> None:
    """Rung 3 looks at what the script defines, and runs no `__getattr__` of its."""
    (model_path / "model.py").write_text("def __getattr__(name):\n    raise LookupError(name)\n")
    assert answers(resolve(Sources(model_path))).winner.rung is Rung.DEFAULT


def test_a_handler_without_a_hash_is_a_handler(resolved: Resolved) -> None:
    """An instance of a plain dataclass has none."""
    assert answers(resolved("callable_instance")).winner.rung is Rung.DECORATOR


def test_reading_the_source_again_warns_of_nothing(resolved: Resolved) -> None:
    """What Python warns of in a script it says once, when it is imported."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert answers(resolved("escape_sequence")).handler is not None
    assert [Path(warning.filename).name for warning in caught] == ["model.py"]


DECORATORS = [
    "custom_ping_handler",
    "custom_invocation_handler()",
    "input_formatter",
    "output_formatter()",
    'custom_middleware("throttle")',
    'custom_middleware("pre_post_process")',
    "on_startup",
    "on_shutdown()",
]
NAMES = ["custom_sagemaker_ping_handler", "custom_sagemaker_invocation_handler", "custom_sagemaker_pinghandler", "f"]
PARAMETERS = [
    "",
    "request",
    "a, b",
    "*args",
    "**kwargs",
    "request: 'Nothing'",
    "app",
    "x: int = 1",
    "self",
    "*, n: list",
]
DEFINITIONS = st.tuples(
    st.lists(st.sampled_from(DECORATORS), max_size=2),
    st.sampled_from(["def ", "async def ", "class "]),
    st.sampled_from(NAMES),
    st.sampled_from(PARAMETERS),
    st.sampled_from(["...", "yield 1", "return 1 +", "raise"]),
)
REFERENCES = st.sampled_from(["model:f", "model:", "model:g", "f", "os:sep", "model:f.g"])


def written(definitions: list[Any]) -> str:
    lines = ["from handrail import *"]
    for decorators, kind, name, parameters, body in definitions:
        of_class = kind == "class "
        lines += [f"@{decorator}" for decorator in decorators]
        lines += [f"{kind}{name}{'' if of_class else f'({parameters})'}:", f"    {'...' if of_class else body}"]
    return "\n".join(lines)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    definitions=st.lists(DEFINITIONS, max_size=4),
    references=st.dictionaries(st.sampled_from([*Slot, *WrapperSlot]), REFERENCES),
)
def test_any_script_gives_a_program_or_sentences(model_path: Path, definitions: list[Any], references: Any) -> None:
    """Faults are the user's and each says so in one line; nothing else ever comes out."""
    unload(model_path)
    (model_path / "model.py").write_text(written(definitions))
    found = resolve(Sources(model_path, None, references))
    for fault in found.faults:
        assert isinstance(fault, HandlerFault)
        assert str(fault)
        assert "\n" not in str(fault)
    assert found.faults or all(found.sentences())
