"""`make docs`: write docs/asyncapi.json and docs/schemas/ from the code.

Refuses, and says what to do, when the shape of a stored event changed without a new version.
"""

import sys
from pathlib import Path

from infra.documents import Documents, Schemas, document, event_schemas, log_part, write
from infra.documents.asyncapi import REFS
from infra.documents.files import SHAPES, Refused
from services.gateway.stream.asyncapi import stream_part
from services.worker.asyncapi import worker_part

FOLDER = Path(__file__).parent


def documents() -> Documents:
    """Make every document, by its path below docs/."""
    schemas = Schemas(REFS)
    parts = [log_part(schemas), worker_part(schemas), stream_part(schemas)]
    shapes = {f"{SHAPES}/{name}": made for name, made in event_schemas().items()}
    return {"asyncapi.json": document(schemas, parts)} | shapes


def main() -> None:
    """Write what differs, and say so."""
    try:
        written = write(FOLDER, documents())
    except Refused as refusal:
        sys.exit(str(refusal))
    for path in written:
        print(f"docs/{path}")
    if not written:
        print("docs/ says what the code says.")


if __name__ == "__main__":
    main()
