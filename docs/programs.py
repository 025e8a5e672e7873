"""Programs of the project, with the settings that each reads from its environment."""

import textwrap
from collections.abc import Iterator
from typing import Final

import click

from clients.cli.command_group import UNSEEN_VARIABLES, errand
from infra.documents.configuration import Program, environment_table
from infra.documents.markdown import markdown_table
from infra.local.settings import PASSED_ON
from infra.local.settings import Settings as LocalStackSettings
from infra.log.jetstream.__main__ import Settings as StreamSettings
from infra.machines_api.settings import Settings as MachinesApiSettings
from infra.operator.analytics.destination import Storage
from infra.operator.context import LogAddress
from infra.operator.installation import ServerSettings
from infra.simulators.anthropic.main import Settings as RehearsalModelSettings
from infra.simulators.github.settings import Settings as ForgeSettings
from services.gateway.settings import BrokerProcessSettings
from services.gateway.settings import Settings as GatewaySettings
from services.projector.settings import Settings as ProjectorSettings
from services.scheduler.settings import Settings as SchedulerSettings
from services.worker.settings import Settings as WorkerSettings

PROGRAMS: Final = (
    Program("gateway", (GatewaySettings,)),
    Program("broker", (BrokerProcessSettings,)),
    Program("scheduler", (SchedulerSettings,)),
    Program("worker", (WorkerSettings,)),
    Program("projector", (ProjectorSettings,)),
    Program("operator commands", (Storage, LogAddress, ServerSettings)),
    Program("stream set-up", (StreamSettings,)),
    Program("make run", (LocalStackSettings,)),
    Program("local Machines API", (MachinesApiSettings,)),
    Program("local forge", (ForgeSettings,)),
    Program("rehearsal model", (RehearsalModelSettings,)),
)
_INTRODUCTION: Final = """\
# Configuration reference
Made from the code by `make docs`; the text of a variable stands beside its field in the code.

Each program reads its settings once, from its environment. A variable that is empty counts as not
set. One that is required and missing, or malformed, ends the program with a message that names it.
The scheduler sets the variables of a worker, `make run` those of everything it starts. Commands of
an operator are `errand archive`, `costs`, `deadletters`, `erase`, `export`, `forward`, `projector`
and `restore`; stream set-up is `python -m infra.log.jetstream`.

"""
_PASSED_ON: Final = (
    "`make run` hands these on to every program it starts, where they are set: {names}."
)
_LINE_WIDTH: Final = 100


def configuration_page() -> str:
    """Return docs/reference/configuration.md. Raises Undocumented."""
    command = markdown_table(("variable", "option", "meaning"), sorted(_command_variables()))
    names = ", ".join(f"`{name}`" for name in PASSED_ON)
    passed_on = textwrap.fill(_PASSED_ON.format(names=names), _LINE_WIDTH)
    return f"{_INTRODUCTION}{environment_table(PROGRAMS)}\n{passed_on}\n\n## errand\n{command}"


def _command_variables() -> Iterator[tuple[str, str, str]]:
    for option in errand.params:
        if isinstance(option, click.Option) and isinstance(option.envvar, str):
            yield f"`{option.envvar}`", f"`{option.opts[0]}`", option.help or ""
    for name, meaning in UNSEEN_VARIABLES.items():
        yield f"`{name}`", "", meaning
