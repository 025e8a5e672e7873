"""The reference of telemetry: what is found in a module, and what cannot be found there."""

from pathlib import Path

import pytest

from infra.documents.telemetry import UnknownKey, find_telemetry, telemetry_tables

MODULE = """
from prometheus_client import Counter as Metric, Gauge
from infra.runtime.telemetry import logger, span, span_from

_log = logger(__name__)
_SECOND = logger("other")
_made = Metric("errand_made", "Things made.", ["kind"])


def work(other, name, headers, is_late):
    with span("work", thing=name), span_from(headers, f"step.{name}"):
        _log.info("work.begun", thing=name, exc_info=other)
    _log.error("work.late" if is_late else "work.done", why=1)
    _SECOND.info("work.begun", place=2)
    other.info("not a log event")
    Gauge("errand_open", "Open things", registry=other)
"""


def found(folder: Path, source: str):
    (folder / "shop").mkdir()
    (folder / "shop" / "desk.py").write_text(source)
    return find_telemetry(folder, ["shop"])


def test_log_events_metrics_and_spans_are_found(tmp_path: Path) -> None:
    telemetry = found(tmp_path, MODULE)

    assert {(e.key, e.level, e.fields) for e in telemetry.log_events} == {
        ("work.begun", "info", ("thing",)),
        ("work.begun", "info", ("place",)),
        ("work.late", "error", ("why",)),
        ("work.done", "error", ("why",)),
    }
    assert {(m.name, m.kind, m.labels) for m in telemetry.metrics} == {
        ("errand_made", "counter", ("kind",)),
        ("errand_open", "gauge", ()),
    }
    assert {(s.name, s.attributes) for s in telemetry.spans} == {
        ("work", ("thing",)),
        ("step.<name>", ()),
    }
    assert "| `work.begun` | info | `place`, `thing` | `shop.desk` |" in telemetry_tables(telemetry)


def test_a_key_that_is_computed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownKey, match=r"shop\.desk:4"):
        found(
            tmp_path, "from x import logger\n_log = logger('x')\ndef f(key):\n    _log.info(key)\n"
        )
