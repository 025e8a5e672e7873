"""Context of a worker: all that its steps reach outside the process."""

from typing import NamedTuple

from infra.runtime.clock import Clock
from services.worker.agent.text.redaction import Redactor
from services.worker.effects.environment.preparation import Environment
from services.worker.effects.images import Images
from services.worker.effects.installed_programs import InstalledPrograms
from services.worker.effects.live_output import LiveOutput
from services.worker.ports import Blobs, Egress, Forge, Model, Sandbox, Workspace
from services.worker.workspace.instruction_files import InstructionFiles


class WorkerContext(NamedTuple):
    """All that a worker reaches."""

    model: Model
    sandbox: Sandbox
    workspace: Workspace
    blobs: Blobs
    forge: Forge
    instruction_files: InstructionFiles
    live: LiveOutput
    images: Images
    clock: Clock
    environment: Environment
    redactor: Redactor = Redactor()
    egress: Egress | None = None
    programs: InstalledPrograms | None = None
