from __future__ import annotations

import socket

import pytest
from handrail_container.process.exits import ExitCode, SettingsError
from handrail_container.server.listener import admit_nobody_new, bind


def test_port_0_is_any_free_port() -> None:
    """It is open at once: clients wait in its queue until somebody answers, and whoever answers never waits."""
    with bind("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        assert listening.getsockname()[1] > 0
        assert not listening.get_inheritable()
        assert not listening.getblocking()


def test_an_address_with_colons_is_of_ipv6() -> None:
    """`--host ::1`."""
    try:
        listening = bind("::1", 0)
    except SettingsError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with listening:
        assert listening.family is socket.AF_INET6


def test_a_port_that_is_taken_is_a_settings_error() -> None:
    """It names the address and both ways to choose another."""
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as refused:
            bind("127.0.0.1", port)
    assert refused.value.exit_code is ExitCode.SETTINGS
    for word in (f"127.0.0.1:{port}", "in use", "--port", "SAGEMAKER_BIND_TO_PORT"):
        assert word in str(refused.value)


def test_a_host_that_does_not_exist_is_a_settings_error() -> None:
    """With what the system says."""
    with pytest.raises(SettingsError, match=r"cannot listen on 203\.0\.113\.1:0: "):
        bind("203.0.113.1", 0)


def test_who_has_connected_is_accepted_when_nobody_else_can() -> None:
    """The first in the queue speaks and is heard; the second is not refused before the socket is closed."""
    with bind("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()) as first:
        admit_nobody_new(listening)
        with pytest.raises(TimeoutError):
            socket.create_connection(listening.getsockname(), timeout=0.2)
        first.sendall(b"hello")
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"


def test_where_the_system_has_no_such_filter_nothing_happens() -> None:
    """As with a socket that is closed."""
    listening = bind("127.0.0.1", 0)
    listening.close()
    admit_nobody_new(listening)
