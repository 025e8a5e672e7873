"""The services and their stand-ins, as programs: each a process of its own, as in production.

Here the generated keys become the environment that production sets by other means. Nothing is
started, and nothing read but which toolchains this machine has.
"""

import sys
from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from infra.local.home import Home
from infra.local.keys import SECRETS_KEY, Keys
from infra.local.process.child import Program
from infra.local.sandbox.toolchains import find_toolchains
from infra.local.servers import probes
from infra.local.servers.provisioning import Servers
from infra.local.settings import Settings

PORTS = (
    *("gateway", "broker", "scheduler-metrics", "projector-metrics"),
    *("forge", "machines", "model"),
)
WORKERS_APP = "errand-workers"

_STAND_INS: Final = {
    "forge": "infra.simulators.github",
    "machines": "infra.machines_api",
    "model": "infra.simulators.anthropic",
}
_SERVICES: Final = {
    "projector": "services.projector",
    "scheduler": "services.scheduler",
    "broker": "services.gateway.broker",
    "gateway": "services.gateway",
}
_NAMES: Final = {module: name for name, module in (*_STAND_INS.items(), *_SERVICES.items())}

_LOOPBACK = "127.0.0.1"
_OAUTH_CLIENT = "errand-local"
_GRACE_SECONDS = "2"
_VAPID_CONTACT = "mailto:errand@example.com"
_ANTHROPIC = "https://api.anthropic.com"
_GITHUB = ("github", "https://github.com", "https://api.github.com")
_GITLAB = ("gitlab", "https://gitlab.com", "https://gitlab.com/api/v4")


class Forge(msgspec.Struct, frozen=True, kw_only=True):
    """A place where repositories live, as the broker is configured with it."""

    kind: str
    url: str
    api_url: str
    token: str

    def without_credential(self) -> dict[str, str]:
        """Return it as the gateway is configured with it."""
        return {"kind": self.kind, "url": self.url, "api_url": self.api_url}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Address on which the gateway listens, and the URL by which people reach it."""

    host: str
    port: int
    public_url: str

    @property
    def local_url(self) -> str:
        """The URL by which this machine reaches it, whatever it listens on."""
        host = _LOOPBACK if self.host == "0.0.0.0" else self.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"


def broker_url(ports: Mapping[str, int]) -> str:
    """Return the URL by which workers reach the broker, on this machine alone."""
    return f"http://{_LOOPBACK}:{ports['broker']}"


def local_forge(keys: Keys, ports: Mapping[str, int]) -> Forge:
    """Return the forge of the stack itself."""
    url = f"http://{_LOOPBACK}:{ports['forge']}"
    return Forge(kind="github", url=url, api_url=f"{url}/api/v3", token=keys.forge_token)


def forges(local: Forge, settings: Settings) -> list[Forge]:
    """Return every forge that may be used: the local one, and those there is a token for."""
    tokens = ((_GITHUB, settings.github_token), (_GITLAB, settings.gitlab_token))
    others = [
        Forge(kind=kind, url=url, api_url=api_url, token=token)
        for (kind, url, api_url), token in tokens
        if token
    ]
    return [local, *others]


def stand_ins(
    home: Home, keys: Keys, ports: Mapping[str, int], *, settings: Settings
) -> list[Program]:
    """Run what the stack has in place of the world outside: forge, machines, and the model."""
    secrets = {
        "forge": {
            "FORGE_TOKEN": keys.forge_token,
            "OAUTH_CLIENT_ID": _OAUTH_CLIENT,
            "OAUTH_CLIENT_SECRET": keys.oauth_secret,
            "OAUTH_CALLBACK_URL": f"http://{_LOOPBACK}/sign-in/github/callback",
        },
        "machines": {
            "FLY_API_TOKEN": keys.machines_token,
            "DRIVER": "process",
            "TOOLCHAIN_PATHS": _toolchains(home),
            "DOCKER_HOST": settings.docker_host,
        },
        "model": {
            "MODEL_API_KEY": keys.model_key,
            "MODEL_ADMIN_KEY": keys.model_admin_key,
        },
    }
    if not settings.is_rehearsal:
        del secrets["model"]
    return [
        _program(
            home,
            _STAND_INS[name],
            {
                **secret,
                "HOST": _LOOPBACK,
                "PORT": str(ports[name]),
                "DIRECTORY": str(home.directory / name),
                "FAULTS": str(int(settings.stand_in_faults)),
            },
            health=f"http://{_LOOPBACK}:{ports[name]}/health",
        )
        for name, secret in secrets.items()
    ]


def services(up: Servers, address: Address, settings: Settings) -> list[Program]:
    """Run the control plane: projector, scheduler, broker, gateway."""
    metrics = {
        name: f"http://{_LOOPBACK}:{up.ports[f'{name}-metrics']}/metrics"
        for name in ("projector", "scheduler")
    }
    return [
        _program(up.home, "services.projector", _projector(up), health=metrics["projector"]),
        _program(
            up.home,
            "services.scheduler",
            _scheduler(up, settings),
            health=metrics["scheduler"],
        ),
        _program(
            up.home,
            "services.gateway.broker",
            _broker(up, settings),
            health=f"{broker_url(up.ports)}/health/ready",
        ),
        _program(
            up.home,
            "services.gateway",
            _gateway(up, address, settings),
            health=f"{address.local_url}/health/ready",
        ),
    ]


def _projector(up: Servers) -> dict[str, str]:
    return {
        "NATS_URL": up.nats_url,
        "NATS_CREDENTIALS": str(up.credentials("projector")),
        **_event_keys(up),
        "POSTGRES_URL": up.service_postgres_url,
        "REDIS_URL": up.redis_url,
        "METRICS_PORT": str(up.ports["projector-metrics"]),
    }


def _scheduler(up: Servers, settings: Settings) -> dict[str, str]:
    return {
        "NATS_URL": up.nats_url,
        "NATS_CREDENTIALS": str(up.credentials("scheduler")),
        **_event_keys(up),
        "FLY_API_BASE_URL": f"http://{_LOOPBACK}:{up.ports['machines']}/v1",
        "FLY_API_TOKEN": up.keys.machines_token,
        "FLY_APP": WORKERS_APP,
        "FLY_REGIONS": "local",
        "WORKER_IMAGE": "errand-worker:local",
        "WORKER_SANDBOX": settings.sandbox,
        "TOOLCHAIN_PATHS": _toolchains(up.home),
        "EGRESS_REGISTRIES": settings.egress_registries,
        "MACHINE_CPU_KIND": "shared",
        "MACHINE_CPUS": "1",
        "MACHINE_MEMORY_MB": "1024",
        "GATEWAY_URL": broker_url(up.ports),  # workers reach the broker and nothing else
        "CLAIM_SECRET": up.keys.claim_secret,
        "METRICS_PORT": str(up.ports["scheduler-metrics"]),
    }


def _both(up: Servers, settings: Settings) -> dict[str, str]:
    """Return what gateway and broker are both told."""
    return {
        "NATS_URL": up.nats_url,
        "NATS_CREDENTIALS": str(up.credentials("gateway")),
        **_event_keys(up),
        "POSTGRES_URL": up.service_postgres_url,
        "S3_ENDPOINT_URL": up.storage.endpoint,
        "S3_REGION": up.storage.region,
        "S3_BUCKET": up.storage.bucket,
        "S3_ACCESS_KEY_ID": up.storage.key,
        "S3_SECRET_ACCESS_KEY": up.storage.secret,
        "CLAIM_SECRET": up.keys.claim_secret,
        "CONNECTIONS_PER_ADDRESS": "0",  # here everybody comes from one address
        "MODEL_KIND": "rehearsal" if settings.is_rehearsal else "anthropic",
    }


def _broker(up: Servers, settings: Settings) -> dict[str, str]:
    allowed = forges(local_forge(up.keys, up.ports), settings)
    return {
        **_both(up, settings),
        "BROKER_HOST": _LOOPBACK,
        "BROKER_PORT": str(up.ports["broker"]),
        "NATS_WORKER_URL": up.nats_url,
        "NATS_WORKERS_ACCOUNT": up.workers_account,
        "NATS_WORKERS_SIGNING_KEY": str(up.workers_signing_key),
        "FORGES": msgspec.json.encode(allowed).decode(),
        "SECRETS_KEY_FILE": str(up.home.secrets / SECRETS_KEY),
        **_model(up, settings),
    }


def _gateway(up: Servers, address: Address, settings: Settings) -> dict[str, str]:
    allowed = forges(local_forge(up.keys, up.ports), settings)
    return {
        **_both(up, settings),
        "GATEWAY_HOST": address.host,
        "GATEWAY_PORT": str(address.port),
        "PUBLIC_URL": address.public_url,
        "REDIS_URL": up.redis_url,
        "OPERATOR_TOKEN": up.keys.operator_token,
        # Benchmarks are in a hurry.
        "READS_A_MINUTE": "600000",
        "COMMANDS_A_MINUTE": "600000",
        "ANONYMOUS_A_MINUTE": "60000",
        "LOG_CAPACITY_BYTES": str(up.log_capacity_bytes),
        "VAPID_PRIVATE_KEY": up.keys.vapid_key,
        "VAPID_CONTACT": _VAPID_CONTACT,
        "ACCOUNT_SECRETS": up.keys.account_secret,
        "KEY_ENVIRONMENT": "local",
        "ALLOWED_ORIGINS": address.local_url,
        **_github(settings),
        "FORGES": msgspec.json.encode([forge.without_credential() for forge in allowed]).decode(),
        "MODEL_NAME": settings.model_name,
    }


def _event_keys(up: Servers) -> dict[str, str]:
    """Prove who wrote an event; for the control plane alone, never for a worker."""
    return {
        "EVENT_KEYS": up.keys.event_keys,
        "EVENTS_UNSIGNED_UP_TO": str(up.keys.events_unsigned_up_to),
    }


def _github(settings: Settings) -> dict[str, str]:
    """Return the settings for signing in with GitHub; empty where no OAuth app is set."""
    if not settings.github_client_id:
        return {}
    return {
        "GITHUB_CLIENT_ID": settings.github_client_id,
        "GITHUB_CLIENT_SECRET": settings.github_client_secret,
    }


def _model(up: Servers, settings: Settings) -> dict[str, str]:
    if settings.is_rehearsal:
        return {
            "MODEL_BASE_URL": f"http://{_LOOPBACK}:{up.ports['model']}",
            "MODEL_API_KEY": up.keys.model_key,
            "MODEL_ADMIN_KEY": up.keys.model_admin_key,
        }
    return {
        "MODEL_BASE_URL": settings.anthropic_base_url or _ANTHROPIC,
        "MODEL_API_KEY": settings.anthropic_api_key,
        "MODEL_ADMIN_KEY": settings.anthropic_admin_key,
    }


def _program(home: Home, module: str, environment: Mapping[str, str], *, health: str) -> Program:
    grace = {"GRACE_SECONDS": _GRACE_SECONDS, "PYTHONUNBUFFERED": "1"}
    return Program(
        name=_NAMES[module],
        command=(sys.executable, "-m", module),
        environment={**home.environment, **grace, **environment},
        directory=home.directory,
        healthy=partial(probes.http, health),
    )


def _toolchains(home: Home) -> str:
    """Return the toolchains of this machine that its sandboxes show."""
    return ":".join(map(str, find_toolchains(home.environment)))
