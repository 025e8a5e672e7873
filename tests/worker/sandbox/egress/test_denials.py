"""The report of denials is bounded, and no denial is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from events.protocol.api.egress import HostAndPort
from services.worker.sandbox.egress.denials import (
    MAX_HOSTS_PER_REPORT,
    MAX_HOSTS_REPORTED,
    QUIET_SECONDS,
    DenialCounter,
)

DENIALS = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["rules", "address"]), st.integers(0, 30)),
    max_size=80,
)


def host(number: int) -> HostAndPort:
    return HostAndPort(f"h{number}.example", 443)


@given(DENIALS)
def test_every_denial_is_counted_once_and_no_host_twice_a_minute(denials):
    counter, now, reports = DenialCounter(), 1.0, []
    for number, reason, pause in denials:
        counter.add(host(number), reason, "agent")
        now += pause
        reports += [(now, each) for each in counter.take(now)]
    while (due := counter.next_due()) is not None:
        now = max(now, due)
        reports += [(now, each) for each in counter.take(now)]
    assert sum(each.count for _, each in reports) == len(denials)
    last: dict[tuple[str, int, str], float] = {}
    for at, each in reports:
        key = (each.host, each.port, each.reason)
        assert at - last.get(key, -QUIET_SECONDS) >= QUIET_SECONDS
        last[key] = at


def test_many_hosts_at_once_are_counted_together():
    counter = DenialCounter()
    for number in range(1000):
        counter.add(host(number), "rules", "agent")
    report = counter.take(1.0)
    assert len(report) == MAX_HOSTS_PER_REPORT + 1
    assert (report[-1].host, report[-1].count) == ("", 1000 - MAX_HOSTS_PER_REPORT)


def test_the_hosts_of_one_attempt_are_bounded():
    counter, reports = DenialCounter(), []
    for number in range(2 * MAX_HOSTS_REPORTED):
        counter.add(host(number), "rules", "agent")
        reports += counter.take(float(number))
    assert len({each.host for each in reports}) <= MAX_HOSTS_REPORTED + 1
