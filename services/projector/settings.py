"""The settings of the projector, from environment variables."""

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down."""

    nats_url: str
    nats_credentials: str
    event_keys: str
    events_unsigned_up_to: int = 0
    postgres_url: str
    redis_url: str
    grace_seconds: float = 10.0
    metrics_port: int = 0
    log_level: str = "INFO"
    otel_exporter_otlp_endpoint: str = ""
