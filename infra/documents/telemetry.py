"""Reference of log events, metrics and spans, found in the source by its syntax tree."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from infra.documents.markdown import markdown_table

_LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception"})
_METRIC_KINDS: Final = frozenset({"Counter", "Gauge", "Histogram", "Summary"})
_LOGGER_MAKERS: Final = frozenset({"logger", "get_logger"})
_SPAN_MAKERS: Final = {"span": 0, "span_from": 1}
"""Functions that open a span, with the place of its name among the arguments."""


class UnknownKey(Exception):
    """A log event or a span has no name that can be read from the source."""


class LogEvent(NamedTuple):
    """One call that logs."""

    key: str
    level: str
    fields: tuple[str, ...]
    module: str


class Metric(NamedTuple):
    """One metric, as it is made."""

    name: str
    kind: str
    labels: tuple[str, ...]
    description: str
    module: str


class Span(NamedTuple):
    """One place that opens a span."""

    name: str
    attributes: tuple[str, ...]
    module: str


class Telemetry(NamedTuple):
    """Everything that some source reports about itself."""

    log_events: tuple[LogEvent, ...]
    metrics: tuple[Metric, ...]
    spans: tuple[Span, ...]


def find_telemetry(root: Path, packages: Iterable[str]) -> Telemetry:
    """Find the telemetry of all modules of packages. Raises UnknownKey."""
    paths = [path for package in packages for path in sorted((root / package).rglob("*.py"))]
    found = [_in_module(path.read_text(), _module(path, root)) for path in paths]
    return Telemetry(
        tuple(sorted(each for one in found for each in one.log_events)),
        tuple(sorted(each for one in found for each in one.metrics)),
        tuple(sorted(each for one in found for each in one.spans)),
    )


def telemetry_tables(telemetry: Telemetry) -> str:
    """Return the tables of log events, metrics and spans as Markdown."""
    return "\n".join(
        (
            f"## Log events\n{_log_table(telemetry.log_events)}",
            f"## Metrics\n{_metric_table(telemetry.metrics)}",
            f"## Spans\n{_span_table(telemetry.spans)}",
        )
    )


def _in_module(source: str, module: str) -> Telemetry:
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    loggers = set(_logger_names(tree))
    kinds = _metric_names(tree)
    return Telemetry(
        tuple(event for call in calls for event in _log_events(call, loggers, module)),
        tuple(metric for call in calls for metric in _metrics(call, kinds, module)),
        tuple(span for call in calls for span in _spans(call, module)),
    )


def _logger_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=made)):
                if _last_name(made) in _LOGGER_MAKERS:
                    yield name
            case _:
                pass


def _metric_names(tree: ast.Module) -> dict[str, str]:
    """Return the names by which a module knows the classes of metrics."""
    return {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom | ast.Import)
        for alias in node.names
        if alias.name in _METRIC_KINDS
    } | {kind: kind for kind in _METRIC_KINDS}


def _log_events(call: ast.Call, loggers: set[str], module: str) -> Iterator[LogEvent]:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr=level) if (
            name in loggers and level in _LEVELS
        ):
            fields = tuple(word.arg or "…" for word in call.keywords if word.arg != "exc_info")
            for key in _texts(call.args[0], module):
                yield LogEvent(key, level, fields, module)


def _metrics(call: ast.Call, kinds: dict[str, str], module: str) -> Iterator[Metric]:
    match call.args:
        case [ast.Constant(value=str(name)), ast.Constant(value=str(description)), *others]:
            kind = kinds.get(_last_name(call.func))
            if kind is not None:
                labels = _texts(others[0], module) if others else ()
                yield Metric(name, kind.lower(), tuple(labels), description.rstrip("."), module)
        case _:
            pass


def _spans(call: ast.Call, module: str) -> Iterator[Span]:
    match call.func:
        case ast.Name(id=maker) if maker in _SPAN_MAKERS:
            attributes = tuple(word.arg for word in call.keywords if word.arg)
            for name in _texts(call.args[_SPAN_MAKERS[maker]], module):
                yield Span(name, attributes, module)


def _texts(node: ast.expr, module: str) -> Sequence[str]:
    """Return the texts that an expression may be. Raises UnknownKey."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(_part(part) for part in parts)]
        case ast.IfExp(body=one, orelse=other):
            return [*_texts(one, module), *_texts(other, module)]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [text for element in elements for text in _texts(element, module)]
        case _:
            raise UnknownKey(
                f"{module}:{node.lineno} logs or traces under a name that is computed. Write it in "
                "the call, so that a person finds it there."
            )


def _part(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=value):
            return f"<{ast.unparse(value)}>"
        case _:
            return "…"


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _module(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts)


def _log_table(events: Iterable[LogEvent]) -> str:
    """Return one row per key; its levels, fields and modules are those of all its calls."""
    by_key: defaultdict[str, list[LogEvent]] = defaultdict(list)
    for event in events:
        by_key[event.key].append(event)
    rows = [
        (
            f"`{key}`",
            _listed(event.level for event in found),
            _listed(f"`{field}`" for event in found for field in event.fields),
            _listed(f"`{event.module}`" for event in found),
        )
        for key, found in by_key.items()
    ]
    return markdown_table(("key", "level", "fields", "module"), rows)


def _metric_table(metrics: Iterable[Metric]) -> str:
    rows = [
        (f"`{m.name}`", m.kind, _listed(f"`{x}`" for x in m.labels), m.description, f"`{m.module}`")
        for m in metrics
    ]
    return markdown_table(("metric", "kind", "labels", "meaning", "module"), rows)


def _span_table(spans: Iterable[Span]) -> str:
    rows = [
        (f"`{s.name}`", _listed(f"`{x}`" for x in s.attributes), f"`{s.module}`") for s in spans
    ]
    return markdown_table(("span", "attributes", "module"), rows)


def _listed(words: Iterable[str]) -> str:
    """Join words, each once, in the order in which they come."""
    return ", ".join(dict.fromkeys(words))
