"""Ports are free when chosen, kept where possible, and never the same twice."""

import socket
import sys
from pathlib import Path

import pytest

from infra.local import ports


def test_every_name_gets_a_port_of_its_own() -> None:
    with ports.chosen(("a", "b", "c"), {}) as chosen:
        assert len(set(chosen.values())) == 3


def test_a_wished_port_is_taken_when_free_and_left_when_not() -> None:
    with ports.chosen(("a",), {}) as wished:
        pass
    with ports.chosen(("a",), wished) as chosen:
        assert chosen == wished
    with (
        socket.create_server(("127.0.0.1", wished["a"])),
        ports.chosen(("a",), wished) as chosen,
    ):
        assert chosen != wished


@pytest.mark.skipif(sys.platform != "linux", reason="only there ports can be reserved")
def test_two_stacks_that_start_together_never_choose_the_same() -> None:
    with ports.chosen(("a",), {}) as first, ports.chosen(("a",), first) as second:
        assert first != second


def test_a_host_that_is_not_here_is_said_at_once() -> None:
    with pytest.raises(OSError, match="assign"), ports.chosen(("a",), {}, host="192.0.2.1"):
        pass


def test_no_port_is_one_that_the_system_gives_away() -> None:
    with ports.chosen([f"{n}" for n in range(50)], {}) as chosen:
        assert max(chosen.values()) < 32_768


def test_a_port_asked_for_by_number_is_refused_when_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ports.PortTaken, match=rf"Port {port} .*--port"):
            ports.demand(port, host="127.0.0.1")
    ports.demand(port, host="127.0.0.1")


def test_ports_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    assert ports.remembered(file) == {}
    ports.remember(file, {"a": 1})
    assert ports.remembered(file) == {"a": 1}
