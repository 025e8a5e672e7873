"""The examples of docs/reference/protocol.md are what the server takes and says."""

import json
import re
from typing import Any

import msgspec
import pytest

from clients.cli.protocol.reconnect_policy import close_action
from events.protocol import frames
from tests.kit.paths import ROOT

PAGE = (ROOT / "docs" / "reference" / "protocol.md").read_text()
SAID, TOLD = (block.splitlines() for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
TELLS = {kind.__struct_config__.tag: kind for kind in frames.ToDevice.__subclasses__()}
CODES = re.findall(r"^\| (\d{4}) \| .* \| (.*) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", SAID)
def test_what_a_device_says_is_taken(line: str) -> None:
    said = frames.decode(line)

    known = {field.encode_name for field in msgspec.structs.fields(said)}
    assert set(json.loads(line)) <= known | {"t"}


def test_everything_a_device_may_say_is_shown() -> None:
    assert {json.loads(line)["t"] for line in SAID} == {
        kind.__struct_config__.tag for kind in frames.FromDevice.__subclasses__()
    }


@pytest.mark.parametrize("line", TOLD)
def test_what_a_device_is_told_is_what_the_server_says(line: str) -> None:
    item: dict[str, Any] = json.loads(line)
    if item.get("t") in TELLS:
        told = msgspec.json.decode(line, type=TELLS[item["t"]])
        assert json.loads(frames.encode(told)) == item
    else:
        assert "t" not in item or item["t"] == "eph"


def test_everything_a_device_is_told_is_shown() -> None:
    assert {json.loads(line).get("t") for line in TOLD} == {*TELLS, "eph", None}


@pytest.mark.parametrize(("code", "duty"), CODES)
def test_a_client_judges_each_close_code_as_the_page_says(code: str, duty: str) -> None:
    verdict = close_action(int(code))

    if verdict == "stop":
        assert re.search("stop|update|watch fewer", duty)
    elif verdict == "signed_out":
        assert duty == "sign in again"
    else:
        assert re.search("come back|begin again", duty)
