"""The checked-in documents, strict: what a body says beyond its document counts as an error."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from tests.kit.paths import ROOT

FOLDER = ROOT / "docs"

# RFC 3339 §5.6, in UTC as everywhere in Errand.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_formats = FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return bool(_MOMENT.fullmatch(value)) and datetime.fromisoformat(value) is not None


def strict(schema: Any) -> Any:
    """The same schema, with no room for fields that it does not name."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        made["additionalProperties"] = False
    return made


def stored_schema(tag: str, schema: int = 1) -> dict[str, Any]:
    """The document of one shape of one fact."""
    return json.loads((FOLDER / "schemas" / f"{tag}.{schema}.json").read_text())


@cache
def _stored(tag: str, schema: int) -> Draft202012Validator:
    return Draft202012Validator(strict(stored_schema(tag, schema)), format_checker=_formats)


@cache
def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document."""
    return json.loads((FOLDER / "asyncapi.json").read_text())


@cache
def _within_asyncapi(place: str) -> Draft7Validator:
    document = {**strict(asyncapi()), "$ref": place}
    return Draft7Validator(document, format_checker=_formats)


def require_stored(body: bytes) -> None:
    """Assert that a stored event is what the document of its (tag, schema) says, and no more."""
    event = json.loads(body)
    _require(_stored(event["type"], event.get("schema", 1)), event)


def require_message(message: str, said: Any, *, what: str = "payload") -> None:
    """Assert that something said is what the AsyncAPI document says of this message."""
    _require(_within_asyncapi(f"#/components/messages/{message}/{what}"), said)


def _require(validator: Any, value: Any) -> None:
    problems = list(_told(validator.iter_errors(value)))
    assert not problems, f"{problems} in {value}"


def _told(errors: Iterator[Any]) -> Iterator[str]:
    for error in errors:
        yield f"{error.json_path}: {error.message[:300]}"
