"""A worker asks the gateway only about events that the gateway does not refuse to judge."""

import pytest

from events import event_subject
from infra.log.event_mac import header_block
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.log.jetstream.worker.verification import VerifiedWriters
from tests.kit.build.event_logs import new_history

MAC = f"1.gateway.1.{'A' * 43}"


def delivered(sequence, body):
    return DeliveredMessage(event_subject(new_history()), body, sequence, 1, 0, header_block(MAC))


@pytest.mark.parametrize(
    "version", ["0", "-1", "2147483648", "1e400", "9" * 400, "true", "null", '"1"', "[" * 9_999]
)
async def test_one_message_that_cannot_be_judged_does_not_stop_the_others(version):
    asked = []

    async def verify(events):
        asked.extend((event.sequence, event.version) for event in events)
        return [True for _ in events]

    odd = delivered(7, b'{"version":%s}' % version.encode())
    await VerifiedWriters(verify).learn([odd, delivered(8, b'{"version":3}'), delivered(9, b"{}")])

    assert asked == [(8, 3)]
