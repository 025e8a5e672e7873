"""Long outputs: what an event has of them, and the whole in the object store."""

from hashlib import sha256

from events import Blob
from services.worker.agent.text.excerpt import excerpt
from services.worker.ports import Blobs


async def store_output(blobs: Blobs, output: str) -> tuple[str, Blob | None]:
    """Return an output cut for an event, and the whole of it where it was cut.

    The output is redacted already. Raises Unreachable.
    """
    told, is_cut = excerpt(output.replace("\0", "\N{SYMBOL FOR NULL}"))
    if not is_cut:
        return told, None
    whole = output.encode(errors="replace")
    name = f"outputs/{sha256(whole).hexdigest()}.txt"  # the model chooses no name of ours
    return told, await blobs.put(name, whole)
