"""The hand-over of a container's listener, wherever temporary files are kept."""

import socket
import tempfile
from pathlib import Path

import pytest

from services.worker.sandbox.egress.listener import ListenerHandOver


def test_the_place_of_temporary_files_may_have_a_long_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    hand_over = ListenerHandOver()
    try:
        assert str(hand_over.path).startswith(str(deep))
        monkeypatch.chdir(hand_over.path.parent)  # in a container its path is short
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(hand_over.path.name)
    finally:
        hand_over.close()
