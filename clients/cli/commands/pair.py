"""`errand pair`: sign in to a gateway with a code, or make a code for another device."""

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

from clients.cli.context import Person, person_of
from clients.cli.gateway.client import JSON
from clients.cli.gateway.sign_in import redeem

_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)


@click.command()
@click.argument("url", default="", metavar="[URL]")
@click.argument("code", default="", metavar="[CODE]")
@click.option("--new", "is_new", is_flag=True, help="Make a code, and show it for another device.")
@person_of
def pair(person: Person, url: str, code: str, *, is_new: bool) -> int:
    """Sign in to the gateway at URL with a pairing CODE; --new makes a code for a phone."""
    if is_new:
        if url or code:
            raise click.UsageError("--new takes neither URL nor CODE.")
        return _show_new(person)
    if not code:  # a link to the page carries the code after its #
        url, _, code = url.partition("#")
    for name, value in (("URL", url), ("CODE", code)):
        if not value:
            raise click.UsageError(f"Missing argument '{name}'. --new makes a code instead.")
    url = _checked(url)
    person.sessions.keep(url, asyncio.run(redeem(url, code, os.uname().nodename)))
    person.console.print(Text(f"Signed in to {url}."))
    return 0


def _checked(url: str) -> str:
    """Return a gateway's address, without what a link to its page has after it."""
    if not _SCHEME.match(url):
        raise click.BadParameter(
            f"“{url}” has no http:// or https://. Give the gateway's whole address, such as "
            f"http://{url or 'HOST:PORT'}",
            param_hint="URL",
        )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise click.BadParameter(f"“{url}” is no address: {error}.", param_hint="URL") from None
    if not parts.hostname:
        raise click.BadParameter(f"“{url}” names no host.", param_hint="URL")
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/pair').rstrip('/')}"


def _show_new(person: Person) -> int:
    async def work() -> tuple[str, JSON]:
        async with await person.sign_in() as gateway:
            return gateway.url, await gateway.post("/v1/pairings", {})

    url, made = asyncio.run(work())
    link = str(made.get("url") or url)
    drawing = io.StringIO()
    segno.make(link, micro=False).terminal(out=drawing, compact=True)
    minutes = _minutes(str(made["expires_at"]))
    if person.console.encoding.lower().startswith("utf"):
        click.echo(drawing.getvalue())
    person.console.print(Text(f"Address       {link.partition('/pair')[0]}"))
    person.console.print(Text(f"Pairing code  {made['code']}  (valid once, for {minutes} minutes)"))
    person.console.print(Text(f"Link          {link}"))
    return 0


def _minutes(expires_at: str) -> int:
    left_seconds = datetime.fromisoformat(expires_at).timestamp() - time.time_ns() / 1e9
    return max(0, round(left_seconds / 60))
