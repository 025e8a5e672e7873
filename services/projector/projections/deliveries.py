"""Read models `pull_request` and `artifact`: what a task brought back."""

from collections.abc import Sequence

from events import ArtifactStored, PullRequestOpened, Recorded
from infra.stores.object_keys import is_own_key, served_media_type
from services.projector.projections.table import Row, Table, key_text, storable

PULL_REQUEST = Table(
    "pull_request",
    ("task", "number"),
    ("task", "number", "account", "url", "title", "opened_at"),
)
ARTIFACT = Table(
    "artifact",
    ("task", "name"),
    ("task", "name", "account", "media_type", "key", "size_bytes", "sha256", "stored_at"),
)
FACTS = (PullRequestOpened, ArtifactStored)


def project(recorded: Recorded) -> Sequence[Row]:
    """Project a pull request or a stored artifact."""
    match recorded.event:
        case PullRequestOpened(number=number, url=url, title=title):
            values = {
                "task": recorded.task,
                "number": number,
                "account": recorded.account,
                "url": url,
                "title": storable(title),
                "opened_at": recorded.at,
            }
            return [Row(PULL_REQUEST, values)]
        case ArtifactStored(name=name, media_type=media_type, blob=blob):
            values = {
                "task": recorded.task,
                "name": key_text(name),
                "account": recorded.account,
                "media_type": served_media_type(media_type),
                "key": blob.key if is_own_key(recorded.task, blob.key) else "",
                "size_bytes": blob.size_bytes,
                "sha256": blob.sha256,
                "stored_at": recorded.at,
            }
            return [Row(ARTIFACT, values)]
        case _:
            return []
