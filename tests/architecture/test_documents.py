"""The documents are what the code says, and no stored shape changes without a new version."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from docs.__main__ import documents
from docs.web_types import WEB_MODEL, web_types
from events import GatewayEvent, OperatorEvent, SchedulerEvent, TaskEvent, WorkerEvent
from events.protocol import frames
from infra.documents import stale
from services.gateway.tasks.command_declarations import COMMANDS
from tests.kit.paths import ROOT

ASYNCAPI = json.loads((ROOT / "docs" / "asyncapi.json").read_text())
OFFICIAL = Draft7Validator(json.loads((Path(__file__).parent / "asyncapi-3.0.0.json").read_text()))
README = (ROOT / "events" / "README.md").read_text()
PROTOCOL = (ROOT / "docs" / "reference" / "protocol.md").read_text()
WRITERS = {
    "gateway": GatewayEvent,
    "scheduler": SchedulerEvent,
    "worker": WorkerEvent,
    "operator": OperatorEvent,
}
TAGS = [event.__struct_config__.tag for event in get_args(TaskEvent)]


def written_by(writer: str) -> list[str]:
    union = WRITERS[writer]
    return [event.__struct_config__.tag for event in get_args(union) or (union,)]


def references(node: Any) -> Iterator[str]:
    match node:
        case dict():
            for key, value in node.items():
                if key == "$ref":
                    yield value
                else:
                    yield from references(value)
        case list():
            for item in node:
                yield from references(item)


def resolve(reference: str) -> Any:
    node: Any = ASYNCAPI
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_the_types_of_the_web_app_are_what_the_code_says():
    wrong = stale(WEB_MODEL, web_types())
    assert not wrong, "\n".join(wrong)


def test_the_documents_are_what_the_code_says():
    wrong = stale(ROOT / "docs", documents())
    assert not wrong, "\n\n".join(wrong)


def test_the_asyncapi_document_is_one_by_the_official_schema():
    wrong = [f"{e.json_path}: {e.message[:200]}" for e in OFFICIAL.iter_errors(ASYNCAPI)]
    assert not wrong


@pytest.mark.parametrize(
    "spoil",
    [
        lambda it: it.update(asyncapi="2.6.0"),
        lambda it: it["channels"]["events"].update(adress="x"),
        lambda it: it["operations"]["device.says"].update(action="publish"),
        lambda it: it["channels"]["stream"]["bindings"]["ws"].update(method="FETCH"),
        lambda it: it["components"]["messages"]["frame"].update(contentType=7),
    ],
)
def test_the_official_schema_would_find_a_mistake(spoil):
    spoilt = copy.deepcopy(ASYNCAPI)
    spoil(spoilt)
    assert not OFFICIAL.is_valid(spoilt)


def test_every_reference_leads_somewhere():
    found = set(references(ASYNCAPI))
    assert found
    for reference in found:
        assert resolve(reference) is not None, reference


def test_every_payload_is_a_json_schema():
    for name, payload in ASYNCAPI["components"]["schemas"].items():
        Draft7Validator.check_schema(payload)
        Draft202012Validator.check_schema(payload)
        assert payload.get("description"), name


def test_every_subject_of_the_log_and_the_stream_is_a_channel():
    addresses = {channel["address"] for channel in ASYNCAPI["channels"].values()}
    assert addresses == {
        "events.{account}.{task}",
        "live.{account}.{task}",
        "beat.{account}.{task}",
        "dead.{consumer}",
        "/v1/stream",
    }


def test_the_parameters_of_an_address_are_explained():
    for channel in ASYNCAPI["channels"].values():
        named = set(re.findall(r"{(\w+)}", channel["address"]))
        assert named == set(channel.get("parameters", {}))


def test_every_fact_is_a_message_of_the_log():
    assert list(ASYNCAPI["channels"]["events"]["messages"]) == TAGS


@pytest.mark.parametrize("writer", WRITERS)
def test_every_fact_has_the_one_writer_that_the_document_names(writer):
    messages = ASYNCAPI["operations"][f"{writer}.appends"]["messages"]
    assert [m["$ref"].rsplit("/", 1)[-1] for m in messages] == written_by(writer)


def test_everything_a_device_may_say_is_a_message_of_the_stream():
    said = [kind.__struct_config__.tag for kind in get_args(frames.Said)]
    assert list(ASYNCAPI["channels"]["stream"]["messages"]) == [*said, "frame"]


def test_everything_a_device_is_told_is_an_item_of_a_frame():
    told = {kind.__struct_config__.tag for kind in frames.ToDevice.__subclasses__()}
    items = ASYNCAPI["components"]["messages"]["frame"]["payload"]["items"]["anyOf"]
    tags = set()
    for item in items:
        schema = resolve(item["$ref"])
        schema = resolve(schema["$ref"]) if "$ref" in schema else schema
        mark = schema["properties"].get("t") or schema["properties"]["type"]
        tags.add(mark["const"])
    assert tags == told | {"eph"} | set(TAGS)


def test_every_command_is_an_operation_of_the_stream():
    said = ASYNCAPI["components"]["schemas"]["Cmd"]["anyOf"]
    assert [each["properties"]["op"]["const"] for each in said] == [c.op for c in COMMANDS]
    for each, command in zip(said, COMMANDS, strict=True):
        assert each["properties"]["args"]["$ref"].endswith(f"/{command.request.__name__}")


def test_the_protocol_page_names_every_command():
    [row] = re.findall(r"^\| `cmd` \|.*$", PROTOCOL, re.MULTILINE)
    assert {command.op for command in COMMANDS} <= set(re.findall(r"`(\w+)`", row))


def test_every_close_code_is_in_the_document():
    words = ASYNCAPI["channels"]["stream"]["description"]
    codes = [
        code for code in vars(frames).values() if isinstance(code, int) and 4000 <= code < 5000
    ]
    assert codes
    assert all(str(code) in words and str(code) in PROTOCOL for code in codes)


@pytest.mark.parametrize("kind", [*get_args(frames.Said), *frames.ToDevice.__subclasses__()])
def test_the_protocol_page_names_every_field_of_the_stream(kind):
    tag = kind.__struct_config__.tag
    _, said, received = re.split(
        r"^## What a device (?:says|receives)$", PROTOCOL, flags=re.MULTILINE
    )
    table = said if issubclass(kind, frames.FromDevice) else received
    [row] = re.findall(rf"^\| `{tag}` \|.*$", table, re.MULTILINE)
    for field in msgspec.structs.fields(kind):
        assert re.search(rf"\b{field.encode_name}\b", row), f"{tag}.{field.encode_name}: {row}"


@pytest.mark.parametrize("writer", WRITERS)
def test_the_catalogue_names_every_fact_under_its_writer(writer):
    rows = re.findall(r"^\| `([a-z_.]+)` \| (\w+) \| .+ \|$", README, re.MULTILINE)
    assert [tag for tag, by in rows if by == writer] == written_by(writer)


def test_the_catalogue_names_no_fact_that_there_is_not():
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", README, re.MULTILINE)
    assert sorted(rows) == sorted(TAGS)
