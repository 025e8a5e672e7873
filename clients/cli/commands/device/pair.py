"""Command `errand pair`: signs in to a gateway, or creates a pairing code for another device."""

import asyncio
import io
import os
import re
import time
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import click
import segno
from rich.text import Text

from clients.cli.context import CliContext, pass_cli_context
from clients.cli.gateway.sign_in import redeem
from events.protocol.api.sessions import PairingOffer, PairingRequest

_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)


@click.command()
@click.argument("url", default="", metavar="[URL]")
@click.argument("code", default="", metavar="[CODE]")
@click.option(
    "--new", "is_new", is_flag=True, help="Create a pairing code for another device and show it."
)
@pass_cli_context
def pair(context: CliContext, url: str, code: str, *, is_new: bool) -> int:
    """Sign in to the gateway at URL with a pairing CODE; --new creates a code for a phone."""
    if is_new:
        if url or code:
            raise click.UsageError("--new takes neither URL nor CODE.")
        return _show_new(context)
    if not code:  # a link to the page carries the code after its #
        url, _, code = url.partition("#")
    for name, value in (("URL", url), ("CODE", code)):
        if not value:
            raise click.UsageError(f"Missing argument '{name}'. --new creates a code instead.")
    url = _checked(url)
    context.sessions.keep(url, asyncio.run(redeem(url, code, os.uname().nodename)))
    context.console.print(Text(f"Signed in to {url}."))
    return 0


def _checked(url: str) -> str:
    """Return a gateway's base URL from its address or from the link of a pairing page."""
    if not _SCHEME.match(url):
        raise click.BadParameter(
            f"“{url}” has no http:// or https://. Give the gateway's complete URL, such as "
            f"http://{url or 'HOST:PORT'}",
            param_hint="URL",
        )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise click.BadParameter(
            f"“{url}” is not a valid URL: {error}.", param_hint="URL"
        ) from None
    if not parts.hostname:
        raise click.BadParameter(f"“{url}” has no host name.", param_hint="URL")
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/pair').rstrip('/')}"


def _show_new(context: CliContext) -> int:
    async def work() -> PairingOffer:
        async with await context.sign_in() as gateway:
            return await gateway.post("/v1/pairings", PairingRequest(), PairingOffer)

    offer = asyncio.run(work())
    link = offer.url
    drawing = io.StringIO()
    segno.make(link, micro=False).terminal(out=drawing, compact=True)
    minutes = _minutes_until(offer.expires_at)
    if context.console.encoding.lower().startswith("utf"):
        click.echo(drawing.getvalue())
    context.console.print(Text(f"Address       {link.partition('/pair')[0]}"))
    context.console.print(
        Text(f"Pairing code  {offer.code}  (can be used once, within {minutes} minutes)")
    )
    context.console.print(Text(f"Link          {link}"))
    return 0


def _minutes_until(expires_at: datetime) -> int:
    left_seconds = expires_at.timestamp() - time.time_ns() / 1e9
    return max(0, round(left_seconds / 60))
