"""The text that `make run` prints: the address for the phone, and what the stack consists of."""

import io
from datetime import datetime

import segno

from infra.local.settings import Settings
from infra.local.stack import Pairing, Stack


def banner(stack: Stack, pairing: Pairing, *, now: datetime) -> str:
    """Compose the text: address, QR code, pairing code, model, sandbox, forge, logs."""
    rows = {
        "Gateway": stack.address.public_url,
        "Broker": f"{stack.broker_url}  (for workers; holds the keys)",
        "Pairing code": f"{pairing.code}  ({validity(pairing, now)}; another: `errand pair --new`)",
        "Model": model_in_use(stack.settings),
        "Sandbox": stack.sandbox,
        "Forge": f"{stack.forge.url}  (local; {_other_forges(stack.settings)})",
        "Logs": str(stack.servers.home.logs),
    }
    width = max(map(len, rows))
    table = "\n".join(f"  {name:<{width}}  {value}" for name, value in rows.items())
    return f"{qr_code(pairing.url)}\n{table}\n\n  {_reach(stack)}\n  Ctrl-C stops everything.\n"


def validity(pairing: Pairing, now: datetime) -> str:
    """Return for how long a code is good."""
    minutes = round((datetime.fromisoformat(pairing.expires_at) - now).total_seconds() / 60)
    return f"valid once, for {minutes} minutes"


def qr_code(url: str) -> str:
    """Draw a URL as a QR code for a terminal."""
    drawing = io.StringIO()
    segno.make(url, micro=False).terminal(out=drawing, compact=True)
    return drawing.getvalue()


def model_in_use(settings: Settings) -> str:
    """Return which model answers, and plainly when it is the rehearsal model."""
    if settings.is_rehearsal:
        return (
            "the rehearsal model, which knows only the sample tasks; set ANTHROPIC_API_KEY for"
            " the real one"
        )
    return f"{settings.model_name} at {settings.anthropic_base_url or 'the Anthropic API'}"


def _other_forges(settings: Settings) -> str:
    allowed = [
        name
        for name, token in (
            ("github.com", settings.github_token),
            ("gitlab.com", settings.gitlab_token),
        )
        if token
    ]
    return (
        f"also {' and '.join(allowed)}"
        if allowed
        else "set GITHUB_TOKEN before `make run` to allow github.com"
    )


def _reach(stack: Stack) -> str:
    if stack.address.host == "127.0.0.1":
        return (
            "Only this machine can reach the gateway; `make run HOST=0.0.0.0` lets a phone on your"
            " network reach it."
        )
    return (
        f"The gateway listens on {stack.address.host}: whoever shares this network can reach it."
        " Nothing else listens beyond this machine."
    )
