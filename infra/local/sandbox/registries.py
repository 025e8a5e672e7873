"""Hosts of the package registries, as this machine's own package managers are configured.

No registry is named here: pip, npm, go and cargo are asked, and where an index keeps its files
elsewhere, the index is asked for that. Operators add hosts with EGRESS_REGISTRIES.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from events.protocol.api.egress import HostAndPort, parse_host

_SECONDS: Final = 5.0
_URL: Final = re.compile(r"https?://[^\s'\",|)\]<>]+")
_LINK: Final = re.compile(r"""href=["']([^"'#]+)""")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_VARIABLES: Final = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"),
    *("UV_EXTRA_INDEX_URL", "NPM_CONFIG_REGISTRY", "npm_config_registry", "YARN_REGISTRY"),
    *("GOPROXY", "GOSUMDB", "CARGO_REGISTRIES_CRATES_IO_INDEX"),
)
_QUESTIONS: Final = (
    ("pip", "config", "list"),
    ("npm", "config", "get", "registry"),
    ("go", "env", "GOPROXY", "GOSUMDB"),
)
_PIP_HELP: Final = ("pip", "install", "--help")
_CARGO_FILES: Final = (".cargo/config.toml", ".cargo/config")

Run = Callable[[tuple[str, ...]], str]
Fetch = Callable[[str], str]


def urls_in(text: str) -> list[str]:
    """Return the http and https URLs in a text, in order, without user names and passwords."""
    found = []
    for match in _URL.findall(text):
        try:
            parts = urlsplit(match)
            location = parts.netloc.rpartition("@")[2]
        except ValueError:
            continue
        if location:
            found.append(parts._replace(netloc=location).geturl())
    return found


def sumdb_url(text: str) -> list[str]:
    """Return the URL of Go's checksum database, which its setting names without a scheme."""
    lines = text.strip().splitlines()
    names = lines[-1].split() if len(lines) > 1 else []
    return [f"https://{names[0].split('+')[0]}"] if names and "." in names[0] else []


def default_index(pip_help: str) -> list[str]:
    """Return pip's own default index, which `pip install --help` names."""
    return urls_in(" ".join(re.findall(r"\(default:?\s+(https?://\S+?)\)", pip_help)))


def host_of(url: str) -> str:
    """Return a URL's host as the rules of egress read it; empty when it has none."""
    try:
        parts = urlsplit(url)
        host = parse_host(parts.netloc.rpartition("@")[2])
    except ValueError:
        return ""
    return str(HostAndPort(host.host, host.port or _DEFAULT_PORTS.get(parts.scheme, 443)))


def file_urls(page_url: str, page: str) -> list[str]:
    """Return where an index keeps its files: links of a page, or URLs of a JSON document."""
    links = [urljoin(page_url, link) for link in _LINK.findall(page)[:5]]
    if links:
        return links
    try:
        document = json.loads(page)
    except ValueError:
        return []
    if not isinstance(document, dict):
        return []
    named = [document.get("dl"), (document.get("dist") or {}).get("tarball")]
    return [each for each in named if isinstance(each, str)]


def find_registries(
    environment: Mapping[str, str], *, run: Run | None = None, fetch: Fetch | None = None
) -> tuple[str, ...]:
    """Return the hosts, as `host:port`, sorted. A package manager that is not there names none."""
    ask = run or _runner(environment)
    variables = urls_in("\n".join(environment.get(name, "") for name in _VARIABLES))
    questions = (*_QUESTIONS, _PIP_HELP)
    with ThreadPoolExecutor(len(questions)) as pool:
        *answers, pip_help = pool.map(ask, questions)
    pip, npm, go = answers
    home = Path(environment.get("HOME", "/nonexistent"))
    cargo = [url for name in _CARGO_FILES for url in urls_in(_text_of(home / name))]
    python = urls_in(pip) or default_index(pip_help)
    npms = urls_in(npm)
    indexes = [f"{url.rstrip('/')}/pip/" for url in python]
    indexes += [f"{url.rstrip('/')}/npm/latest" for url in npms]
    files = _where_files_are(indexes, fetch or _fetch)
    urls = [*variables, *python, *npms, *urls_in(go), *sumdb_url(go), *cargo, *files]
    return _hosts(urls)


def _where_files_are(indexes: Iterable[str], fetch: Fetch) -> list[str]:
    return [url for index in indexes for url in file_urls(index, fetch(index))]


def _hosts(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({host for url in urls if (host := host_of(url))}))


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _runner(environment: Mapping[str, str]) -> Run:
    def run(command: tuple[str, ...]) -> str:
        try:
            ended = subprocess.run(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return ended.stdout

    return run


def _fetch(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=_SECONDS, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL):
        return ""
    return answer.text if answer.is_success else ""
