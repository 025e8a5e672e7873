"""`make docs`: write docs/asyncapi.json, docs/schemas/, the references and the web app's types.

Refuses, and says what to do, when the shape of a stored event changed without a new version.
"""

import sys
from pathlib import Path

from docs.programs import configuration_page
from docs.web_types import WEB_MODEL, web_types
from infra.documents import Documents, Schemas, document, event_schemas, log_part, write
from infra.documents.asyncapi import REFS
from infra.documents.files import SHAPES, Refused
from infra.documents.telemetry import find_telemetry, telemetry_tables
from services.gateway.stream.asyncapi import stream_part
from services.worker.asyncapi import worker_part

FOLDER = Path(__file__).parent
PACKAGES = ("events", "infra", "services", "clients")
_TELEMETRY = """\
# Telemetry reference
Made from the code by `make docs`. Log lines are JSON objects on standard error; `message` holds the
key, beside the fields stand `level`, `timestamp`, `service`, `module` and, within a request or an
attempt, its ids and `trace`. Prometheus adds `_total` to the name of a counter.

"""


def documents() -> Documents:
    """Make every document, by its path below docs/."""
    schemas = Schemas(REFS)
    parts = [log_part(schemas), worker_part(schemas), stream_part(schemas)]
    shapes = {f"{SHAPES}/{name}": made for name, made in event_schemas().items()}
    return {
        "asyncapi.json": document(schemas, parts),
        "reference/configuration.md": configuration_page(),
        "reference/telemetry.md": telemetry_page(),
    } | shapes


def telemetry_page() -> str:
    """Return docs/reference/telemetry.md. Raises UnknownKey."""
    return _TELEMETRY + telemetry_tables(find_telemetry(FOLDER.parent, PACKAGES))


def main() -> None:
    """Write what differs, and say so."""
    try:
        written = [f"docs/{path}" for path in write(FOLDER, documents())]
        written += [
            f"clients/web/src/model/generated/{path}" for path in write(WEB_MODEL, web_types())
        ]
    except Refused as refusal:
        sys.exit(str(refusal))
    for path in written:
        print(path)
    if not written:
        print("The documents say what the code says.")


if __name__ == "__main__":
    main()
