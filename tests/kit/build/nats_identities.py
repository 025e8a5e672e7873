"""NATS users that only tests have, and workers' users minted as the gateway mints them."""

import os
from datetime import datetime
from pathlib import Path

from infra.local.home import Home
from infra.local.keys import Keys, write_private
from infra.log import nats_users
from infra.log.nats_permissions import Permissions, WorkerGrant
from infra.runtime.clock import utc_now


def admin(home: Home, keys: Keys) -> Path:
    """Path of a .creds file in CORE that may do anything."""
    file = home.secrets / "admin.creds"
    if not file.exists():
        account = keys.nats_account
        text = nats_users.credentials(
            nats_users.Signer(nats_users.public_key(account), account),
            "admin",
            Permissions((">",), (">",)),
            user_seed=nats_users.seed("user", os.urandom(32)),
            now=utc_now(),
        )
        write_private(file, text.encode())
    return file


def worker(keys: Keys, grant: WorkerGrant, *, expires: datetime) -> str:
    """Credentials text of the user of one attempt."""
    return nats_users.worker_user(
        nats_users.Signer(nats_users.public_key(keys.nats_workers), keys.nats_workers_signing),
        grant,
        user_seed=nats_users.seed("user", os.urandom(32)),
        now=utc_now(),
        expires=expires,
    )
