"""Settings of the HTTP servers: their addresses, their limits, and the pages that may call."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.runtime.settings import Misconfigured
from services.gateway.http.serving.connection_limits import ConnectionLimits
from services.gateway.stores.callers import Kind


@dataclass(frozen=True, kw_only=True, repr=False)
class ServerSettings:
    """Limits on what one client may take up of a server."""

    trusted_proxies: str = ""
    """Proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas."""
    connections: int = 20_000
    """Open connections at most."""
    connections_per_address: int = 200
    """Open connections at most from one client address."""
    head_seconds: float = 10.0
    """Time within which a client must send a request's headers."""
    body_seconds: float = 30.0
    """Time that a request's body may take, beside its size at BODY_BYTES_PER_SECOND."""
    body_bytes_per_second: int = 1024
    """Slowest rate at which a request's body may arrive."""
    write_seconds: float = 60.0
    """Time within which a client must read what is sent to it."""

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


@dataclass(frozen=True, kw_only=True, repr=False)
class BrokerHttpSettings(ServerSettings):
    """Address of the broker, which is for workers alone."""

    broker_host: str = "127.0.0.1"
    """Address to listen on, for workers."""
    broker_port: int
    """Port to listen on, for workers; 0 means any free one."""


@dataclass(frozen=True, kw_only=True, repr=False)
class HttpSettings(ServerSettings):
    """Address of the gateway, and how often one caller may ask."""

    gateway_host: str = "127.0.0.1"
    """Address to listen on."""
    gateway_port: int
    """Port to listen on; 0 means any free one."""
    public_url: str
    """URL under which people reach the gateway; links and sign-in return there."""
    operator_token: str
    """Bearer token for the operator's routes."""
    allowed_origins: str = ""
    """Web pages that may use the stream beside PUBLIC_URL, separated by commas."""
    web_app_folder: str = ""
    """Folder of the built web app; empty means `clients/web/dist` beside the program's code."""
    reads_a_minute: int = 1200
    """Reading requests of one caller."""
    commands_a_minute: int = 300
    """Changing requests of one caller."""
    anonymous_a_minute: int = 120
    """Requests from one address without a valid credential."""

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
