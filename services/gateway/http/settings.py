"""Settings of the HTTP server: its address, its limits, and the pages that may call it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.runtime.settings import Misconfigured
from services.gateway.http.serving.connection_limits import ConnectionLimits
from services.gateway.stores.rate_limiter import Kind


@dataclass(frozen=True, kw_only=True, repr=False)
class HttpSettings:
    """Where the gateway listens, and what one client may take up of it."""

    gateway_host: str = "127.0.0.1"
    gateway_port: int
    public_url: str
    operator_token: str
    allowed_origins: str = ""
    trusted_proxies: str = ""
    connections: int = 20_000
    connections_per_address: int = 200
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    body_bytes_per_second: int = 1024
    write_seconds: float = 60.0
    reads_a_minute: int = 1200
    commands_a_minute: int = 300
    anonymous_a_minute: int = 120

    @property
    def connection_limits(self) -> ConnectionLimits:
        """Limits on this process's connections."""
        return ConnectionLimits(
            connections=self.connections,
            connections_per_address=self.connections_per_address,
            head_seconds=self.head_seconds,
            write_seconds=self.write_seconds,
            trusted_proxies=self.trusted_proxies,
        )

    @property
    def requests_per_minute(self) -> dict[Kind, int]:
        """Limits on the requests of one caller."""
        return {
            "reads": self.reads_a_minute,
            "commands": self.commands_a_minute,
            "anonymous": self.anonymous_a_minute,
        }


def read_origins(text: str) -> tuple[str, ...]:
    """Read ALLOWED_ORIGINS, separated by commas. Raises Misconfigured when one is no origin."""
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in ("http", "https"):
            raise Misconfigured("ALLOWED_ORIGINS: an origin is like https://app.example.com.")
    return origins
