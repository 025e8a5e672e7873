"""Settings of the local stack, read from the environment."""

from collections.abc import Mapping

import msgspec

from infra.runtime.sandbox_choice import DEFAULT_IMAGE, SandboxKind

PASSED_ON = (
    "PATH",
    "HOME",
    "TMPDIR",
    "TZ",
    "LANG",
    "LC_ALL",
    "XDG_RUNTIME_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "DOCKER_HOST",
    "LOG_LEVEL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    # what tunes a service, as its own settings name it
    "MODELS_OFFERED",
    "TASK_BUDGET_USD",
    "ACCOUNT_DAY_BUDGET_USD",
    "HEARTBEAT_SILENCE_SECONDS",
    "WORKER_PATIENCE_SECONDS",
    "OUTAGE_SECONDS",
    "HISTORY_BYTES_PER_TASK",
    "HISTORY_INVALID_MESSAGES_PER_TASK",
    "RETRY_BACKOFF_SECONDS",
    "MAX_ATTEMPTS",
    "TASKS_PER_ACCOUNT",
    "TASKS_AT_ONCE",
    "SANDBOX_IMAGE",
    "WEB_PUSH_HOSTS",
    "PUSH_CA_FILE",
    "APNS_URL",
    "APNS_KEY",
    "APNS_KEY_ID",
    "APNS_TEAM_ID",
    "APNS_TOPIC",
    "FCM_URL",
    "FCM_SERVICE_ACCOUNT",
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`. Without a key and a base URL the rehearsal model answers."""

    anthropic_api_key: str = ""
    """Key for the model; without it and ANTHROPIC_BASE_URL the rehearsal model answers."""
    anthropic_base_url: str = ""
    """Server that speaks the Messages API, in place of the provider's own."""
    anthropic_admin_key: str = ""
    """Admin key of the provider, for its usage report."""
    model_name: str = "claude-sonnet-5-5"
    github_token: str = ""
    """Token that allows repositories on github.com."""
    gitlab_token: str = ""
    """Token that allows repositories on gitlab.com."""
    docker_host: str = ""
    """Address of the Docker engine, in place of the usual socket."""
    sandbox: SandboxKind = "auto"
    """Sandbox for commands; `auto` is Docker where an engine has the image, else bubblewrap."""
    sandbox_image: str = DEFAULT_IMAGE
    """Image of the Docker sandbox."""
    egress_registries: str = ""
    github_client_id: str = ""
    github_client_secret: str = ""
    stand_in_faults: bool = False
    """Lets tests inject faults into forge, machines and model."""

    def __repr__(self) -> str:
        return f"Settings(model_name={self.model_name!r}, …)"

    @property
    def is_rehearsal(self) -> bool:
        """Return whether the rehearsal model answers, for want of another."""
        return not (self.anthropic_api_key or self.anthropic_base_url)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Pick what every program needs of the person's environment; none of it is a secret."""
    return {name: environment[name] for name in PASSED_ON if name in environment}
