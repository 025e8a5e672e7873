"""`environment`: a task whose set-up is in the cache, against one that needs none.

Timed is from the submission to the first tool call; `ratio` is that of the medians. The set-up adds
200 MiB in 2,000 files; `restore_mb_per_s` is those bytes by the seconds of `environment.prepared`.
"""

from statistics import median

from events import EnvironmentPrepared, Recorded, ToolStarted
from tests.bench.kit.measure import on_a_stack, say
from tests.kit.run.phone import Phone, repository
from tests.kit.servers.stack import RealStack

TASKS = 3
FILES, FILE_BYTES = 2000, 100 * 1024
PROMPT = "rehearse 1 tool calls"
# Half of each file is noise: about what installed packages compress to.
SETUP = f"""mkdir packages && cd packages
for n in $(seq {FILES}); do
  {{ head -c {FILE_BYTES // 2} /dev/urandom; head -c {FILE_BYTES // 2} /dev/zero; }} > "$n"
done"""


async def run() -> dict[str, object]:
    return await on_a_stack(_measure)


async def _measure(stack: RealStack, phone: Phone) -> dict[str, object]:
    plain = [_seconds(await _task(stack, phone)) for _ in range(TASKS)]
    made = await repository(stack, "slugify")
    environment = {"setup": SETUP, "egress": "off"}
    first = await _task(stack, phone, made.url, environment)
    assert not _prepared(first).cached
    cached = [await _task(stack, phone, made.url, environment) for _ in range(TASKS)]
    assert all(_prepared(each).cached for each in cached)
    seconds = [_seconds(each) for each in cached]
    restores = [_prepared(each).seconds for each in cached]
    say(f"without {plain}, with {seconds}, of which restored in {restores}")
    say(f"the first: {_prepared(first).seconds} s to set up and store")
    return {
        "plain_seconds": round(median(plain), 3),
        "cached_seconds": round(median(seconds), 3),
        "ratio": round(median(seconds) / median(plain), 3),
        "restore_mb_per_s": round(FILES * FILE_BYTES / 1e6 / median(restores), 1),
        "must_reach_ratio": 1.5,
        "must_reach_restore_mb_per_s": 200,
    }


async def _task(
    stack: RealStack, phone: Phone, url: str = "", environment: dict[str, str] | None = None
) -> list[Recorded]:
    url = url or (await repository(stack, "slugify")).url
    more = {"environment": environment} if environment else {}
    task = await phone.submit(PROMPT, url, **more)
    return await phone.until_end(task["id"])


def _seconds(history: list[Recorded]) -> float:
    begun = next(each.at for each in history if isinstance(each.event, ToolStarted))
    return (begun - history[0].at).total_seconds()


def _prepared(history: list[Recorded]) -> EnvironmentPrepared:
    return next(each.event for each in history if isinstance(each.event, EnvironmentPrepared))
