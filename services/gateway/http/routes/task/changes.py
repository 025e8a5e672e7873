"""The changes of a task's work, running or not, as of any version: the files, then each patch."""

from typing import Annotated, Final

from litestar import get
from litestar.params import FromPath, QueryParameter

from events.protocol.api.changes import WorkChange, WorkChanges, WorkPatch
from events.protocol.stored_changes import FileChange
from infra.git.forge_files import is_forge_file
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, CurrentPrincipal
from services.gateway.problems import not_found
from services.gateway.queries.work_changes import WorkAt
from services.gateway.tasks.access import Principal, history_for
from services.gateway.tasks.file_category import file_category

At = Annotated[
    int | None,
    QueryParameter(ge=1, le=2**53 - 1, description="A version. Left out: as the work is now."),
]
Path = Annotated[str, QueryParameter(min_length=1, description="A `path` of the list.")]
_SUBMODULE: Final = "160000"


@get(
    "/v1/tasks/{task:str}/changes",
    tags=["tasks"],
    summary="List the changes of a task's work",
    opt={"answers": (409,)},
)
async def list_changes(
    context: Context, principal: CurrentPrincipal, task: FromPath[str], at: At = None
) -> WorkChanges:
    """List the files that the work has changed, as of the newest snapshot at or before `at`.

    A snapshot is taken after each turn that changed something, so it goes for tasks that run, that
    wait and that have ended. 404 `changes_not_stored` for a snapshot of an older worker.
    """
    work = await _work(context, principal, task, at)
    files = [_shown(each) for each in work.changes.files]
    snapshot = work.snapshot
    return WorkChanges(
        version=snapshot.version if snapshot else 0,
        taken_at=snapshot.at if snapshot else None,
        base=work.base,
        tree=snapshot.taken.tree if snapshot else "",
        calls_since=work.calls_since,
        files=len(files) + work.changes.files_left_out,
        insertions=sum(each.insertions for each in files),
        deletions=sum(each.deletions for each in files),
        files_left_out=work.changes.files_left_out,
        left_out=snapshot.taken.left_out if snapshot else (),
        data=files,
    )


@get(
    "/v1/tasks/{task:str}/changes/patch",
    tags=["tasks"],
    summary="Get the patch of one changed file",
    opt={"answers": (409,)},
)
async def get_patch(
    context: Context,
    principal: CurrentPrincipal,
    task: FromPath[str],
    *,
    path: Path,
    at: At = None,
) -> WorkPatch:
    """Return one file's patch as of the newest snapshot at or before `at`."""
    work = await _work(context, principal, task, at)
    for each in work.changes.files:
        if each.path == path and work.snapshot:
            return WorkPatch(version=work.snapshot.version, file=_shown(each), patch=each.patch)
    raise not_found("changed file")


async def _work(context: GatewayContext, principal: Principal, task: str, at: int | None) -> WorkAt:
    history = history_for(principal, task)
    if not await context.accounts.people.allowed(principal, history.task):
        raise not_found()
    return await context.tasks.changes.at(history, at)


def _shown(file: FileChange) -> WorkChange:
    is_submodule = _SUBMODULE in (file.old_mode, file.new_mode)
    return WorkChange(
        path=file.path,
        previous_path=file.previous_path,
        change=file.change,
        insertions=file.insertions,
        deletions=file.deletions,
        is_binary=file.is_binary,
        old_mode=file.old_mode,
        new_mode=file.new_mode,
        category=file_category(file.path),
        is_guarded=is_submodule or is_forge_file(file.path) or is_forge_file(file.previous_path),
        patch_bytes=len(file.patch.encode()),
        is_truncated=file.is_truncated,
    )


ROUTES = [list_changes, get_patch]
