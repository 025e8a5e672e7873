"""Preparation of a task's environment: find its definition, restore or run its set-up, start it."""

import asyncio
import shlex
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from events import CallId, EnvironmentDefinition, EnvironmentPrepared, TaskSubmitted
from events.protocol.api.egress import EgressRules
from services.worker.agent.steps import PrepareEnvironment
from services.worker.agent.text.environment_report import setup_problem, start_problem
from services.worker.effects.environment.cache import EnvironmentCache
from services.worker.effects.environment.ports import RepositoryFiles
from services.worker.effects.live_output import LiveOutput
from services.worker.effects.whole_output import store_output
from services.worker.ports import Blobs, CommandResult, Egress, OnOutput, Sandbox
from services.worker.workspace import set_up_scripts
from services.worker.workspace.environment.cache_key import Toolchain, cache_key
from services.worker.workspace.environment.choice import (
    DEFINITION_PATHS,
    ChosenEnvironment,
    choose_environment,
)
from services.worker.workspace.environment.detection import texts_wanted

LIVE_BLOCK: Final = CallId("environment")
"""The name under which the output of a set-up is shown while it runs."""

_BASH: Final = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
_PATHS: Final = 'export PATH="$HOME/.local/bin:$PATH"'
_FOR_SET_UP: Final = "export CI=1"
_DESCRIBE_SECONDS: Final = 30.0


class Environment(Protocol):
    """Finds and prepares the environment of the task."""

    async def find(self, commit: str, submitted: TaskSubmitted | None) -> ChosenEnvironment | None:
        """Return the environment that holds for a base commit; None when there is none."""
        ...

    async def prepare(
        self,
        step: PrepareEnvironment,
        submitted: TaskSubmitted | None,
        allowed_hosts: Sequence[str] = (),
    ) -> EnvironmentPrepared:
        """Set it up in the sandbox; it may reach `allowed_hosts` too. What fails is in the fact.

        Raises SandboxUnavailable.
        """
        ...


class _SetUp(NamedTuple):
    """End of a set-up; `is_cached` where it was restored instead."""

    result: CommandResult = CommandResult(exit_code=0)
    is_cached: bool = False
    changed: Sequence[str] = ()
    problem: str = ""

    @property
    def is_well(self) -> bool:
        return not self.problem


class EnvironmentPreparation:
    """The environment in the worker's own sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        files: RepositoryFiles,
        blobs: Blobs,
        *,
        cache: EnvironmentCache,
        egress: Egress,
        live: LiveOutput,
    ) -> None:
        self._sandbox = sandbox
        self._files = files
        self._blobs = blobs
        self._cache = cache
        self._egress = egress
        self._live = live
        self._found: dict[str, ChosenEnvironment | None] = {}

    async def find(self, commit: str, submitted: TaskSubmitted | None) -> ChosenEnvironment | None:
        """Return the environment that holds for a base commit; None when there is none."""
        if commit not in self._found:
            paths = await self._files.paths(commit)
            wanted = [path for path in DEFINITION_PATHS if path in paths] + texts_wanted(paths)
            texts = await self._files.texts(commit, wanted)
            self._found[commit] = choose_environment(submitted, paths, texts)
        return self._found[commit]

    async def prepare(
        self,
        step: PrepareEnvironment,
        submitted: TaskSubmitted | None,
        allowed_hosts: Sequence[str] = (),
    ) -> EnvironmentPrepared:
        """Set the environment up in the sandbox: from the cache, or by running its set-up.

        Then `start` runs in the agent's shell. Raises SandboxUnavailable, Unreachable.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        chosen = await self.find(step.commit, submitted)
        if chosen is None:
            raise LookupError(f"no environment is defined at {step.commit}")
        definition, on_output = chosen.definition, self._live.output(LIVE_BLOCK)
        key = "" if chosen.problem else await self._key(definition, step)
        allowed = (*definition.allow, *allowed_hosts)
        self._egress.set_rules(EgressRules(policy=definition.egress, allow=allowed), phase="setup")
        done = await self._set_up(chosen, key, step, on_output)
        self._egress.set_rules(EgressRules(policy=definition.agent_egress, allow=allowed))
        started = await self._start(definition, on_output)
        await self._live.end()
        return await self._fact(chosen, key, done, started, seconds=clock() - began)

    async def _key(self, definition: EnvironmentDefinition, step: PrepareEnvironment) -> str:
        """Return the key in the cache; empty where nothing is cached: no set-up, or no sandbox."""
        if not definition.setup.strip() or not self._cache.is_possible:
            return ""
        described = await self._sandbox.execute(
            ("bash", "--noprofile", "--norc", "-c", set_up_scripts.DESCRIBE),
            timeout_seconds=_DESCRIBE_SECONDS,
        )
        machine, _, image = described.output.decode(errors="replace").partition("\n")
        toolchain = Toolchain(self._sandbox.name, image, machine)
        files = await self._files.paths(step.tree or step.commit)
        return cache_key(toolchain, definition, files, base=step.base)

    async def _set_up(
        self,
        chosen: ChosenEnvironment,
        key: str,
        step: PrepareEnvironment,
        on_output: OnOutput,
    ) -> _SetUp:
        definition = chosen.definition
        if chosen.problem:
            return _SetUp(problem=chosen.problem)
        if await self._cache.restore(chosen, key):
            return _SetUp(is_cached=True, changed=await self._files.finish_set_up())
        if not definition.setup.strip():
            return _SetUp()
        script = "\n".join([_PATHS, _FOR_SET_UP, *_exports(definition), definition.setup])
        result = await self._sandbox.execute(
            (*_BASH, script), timeout_seconds=definition.timeout_seconds, on_output=on_output
        )
        problem = setup_problem(
            definition,
            exit_code=result.exit_code,
            is_timed_out=result.is_timed_out,
            note="" if result.is_timed_out else result.note,
        )
        changed = await self._files.finish_set_up()
        done = _SetUp(result, changed=changed, problem=problem)
        if done.is_well and step.is_untouched:
            await self._cache.store(key, definition.cache_paths)
        return done

    async def _start(self, definition: EnvironmentDefinition, on_output: OnOutput) -> CommandResult:
        """Set the agent's shell up: its PATH and variables, and what `start` does."""
        script = "\n".join([_PATHS, *_exports(definition), definition.start])
        return await self._sandbox.shell(
            script, timeout_seconds=definition.timeout_seconds, on_output=on_output
        )

    async def _fact(
        self,
        chosen: ChosenEnvironment,
        key: str,
        done: _SetUp,
        started: CommandResult,
        *,
        seconds: float,
    ) -> EnvironmentPrepared:
        late = start_problem(started.exit_code, is_timed_out=started.is_timed_out)
        shown = started if late and done.is_well else done.result
        text = shown.output.decode(errors="replace")
        output = await asyncio.to_thread(self._live.redactor.text, text)
        told, artifact = await store_output(self._blobs, output)
        return EnvironmentPrepared(
            source=chosen.source,
            definition=chosen.definition,
            key=key,
            reason=chosen.reason,
            cached=done.is_cached,
            exit_code=shown.exit_code,
            seconds=round(seconds, 3),
            output=told,
            is_truncated=artifact is not None or shown.is_truncated,
            artifact=artifact,
            problem=" ".join(filter(None, (done.problem, late))),
            changed=tuple(done.changed),
        )


def _exports(definition: EnvironmentDefinition) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in definition.env.items()]
