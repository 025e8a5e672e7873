"""Ports are free when chosen, kept where possible, and never the same twice."""

import socket
from pathlib import Path

import pytest

from infra.stack import ports


def test_every_name_gets_a_port_of_its_own() -> None:
    chosen = ports.choose(("a", "b", "c"), {})
    assert len(set(chosen.values())) == 3


def test_a_wished_port_is_taken_when_free_and_left_when_not() -> None:
    wished = ports.choose(("a",), {})
    assert ports.choose(("a",), wished) == wished
    with socket.create_server(("127.0.0.1", wished["a"])):
        assert ports.choose(("a",), wished) != wished


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
