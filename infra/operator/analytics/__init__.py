"""Reading the log from outside, for analysis and for others' systems (docs/guide/consumers.md).

`follow_events` is the way in. `export`, `costs` and `forwarding` stand on it: the first is a tool,
the other two are tools and examples of what can be built. All of it uses the read-only user.
"""

from infra.log.jetstream import Selection
from infra.operator.analytics.consumer import event_log, follow_events
from infra.operator.analytics.cursor import Cursor, CursorFile

__all__ = ["Cursor", "CursorFile", "Selection", "event_log", "follow_events"]
