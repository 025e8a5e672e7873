"""The token bucket limits how much a device may ask in how little time."""

from services.gateway.stream.rules.token_bucket import TokenBucket


def test_so_many_at_once_and_then_as_time_goes_by() -> None:
    allowance = TokenBucket(at_once=3, a_second=2.0, now=100.0)

    assert [allowance.spend(100.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.spend(100.6), allowance.spend(100.6)] == [True, False]
    assert [allowance.spend(200.0) for _ in range(4)] == [True, True, True, False]
