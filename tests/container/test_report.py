from __future__ import annotations

import pytest
from handrail.core.errors import HandlerFault, ImportFailed, NameMissing, ScriptMissing
from handrail_container.process.exits import EngineStartError, ExitCode, SettingsError, StartError
from handrail_container.process.report import exit_code, refusal, say

FAILED = ImportFailed("model.py:3 failed to import: ValueError: no", "Traceback (most recent call last):\n  …")


def test_the_sentence_comes_after_its_traceback() -> None:
    """The last line is read first; settings come before the script."""
    assert refusal(["PORT is 'x': no."], [FAILED, NameMissing("there is no 'f'")]).splitlines() == [
        "handrail: PORT is 'x': no.",
        "Traceback (most recent call last):",
        "  …",
        "handrail: model.py:3 failed to import: ValueError: no",
        "handrail: there is no 'f'",
    ]


@pytest.mark.parametrize(
    ("problems", "faults", "code"),
    [
        ((), [FAILED], 3),
        ((), [ScriptMissing("no file")], 2),
        ((), [FAILED, ScriptMissing("no file")], 2),
        (("a setting",), [FAILED], 2),
        (("a setting",), [], 2),
    ],
)
def test_wrong_settings_are_2_and_a_refused_script_is_3(
    problems: tuple[str, ...], faults: list[HandlerFault], code: int
) -> None:
    """Both wrong: 2."""
    assert exit_code(problems, faults) == code


def test_each_failure_to_start_has_its_status() -> None:
    """And says all its problems."""
    assert [kind("a", "b").exit_code for kind in (StartError, SettingsError, EngineStartError)] == [
        ExitCode.BUG,
        ExitCode.SETTINGS,
        ExitCode.ENGINE_START,
    ]
    assert str(EngineStartError("a", "b")) == "a\nb"


def test_it_is_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the log level is."""
    say("no")
    assert capsys.readouterr() == ("", "no\n")
