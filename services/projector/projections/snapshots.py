"""Read model `snapshot`: the work as it stood, each time it was kept."""

from collections.abc import Sequence

from events import Recorded, SnapshotTaken
from services.projector.projections.table import Row, Table

SNAPSHOT = Table(
    "snapshot",
    ("task", "version"),
    (
        "task",
        "version",
        "tree",
        "key",
        "size_bytes",
        "sha256",
        "files",
        "insertions",
        "deletions",
        "at",
    ),
    grows_only=True,
)
FACTS = (SnapshotTaken,)


def project(recorded: Recorded) -> Sequence[Row]:
    """Project a snapshot."""
    match recorded.event:
        case SnapshotTaken(tree=tree, pack=pack) as taken:
            values = {
                "task": recorded.task,
                "version": recorded.version,
                "tree": tree,
                "key": pack.key,
                "size_bytes": pack.size_bytes,
                "sha256": pack.sha256,
                "files": taken.files,
                "insertions": taken.insertions,
                "deletions": taken.deletions,
                "at": recorded.at,
            }
            return [Row(SNAPSHOT, values)]
        case _:
            return []
