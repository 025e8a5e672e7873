"""Settings of the push services; all are optional."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, repr=False)
class PushSettings:
    """A kind whose settings are empty is not offered to devices.

    Web: `vapid_private_key` (base64url of 32 bytes), `vapid_contact` (mailto: or https:), and
    `web_push_hosts`, the push services that may be called (`name`, `*.name`, `name:port`).
    APNs: `apns_url`, `apns_key` (path of the .p8 file) with its id, the team's and the app's
    bundle id. FCM: `fcm_url`, `fcm_service_account` (path of the JSON key file).
    `push_ca_file` holds the authorities trusted for all three; empty: the usual ones.
    """

    vapid_private_key: str = ""
    vapid_contact: str = ""
    web_push_hosts: str = (
        "fcm.googleapis.com updates.push.services.mozilla.com *.push.apple.com *.notify.windows.com"
    )
    apns_url: str = ""
    apns_key: str = ""
    apns_key_id: str = ""
    apns_team_id: str = ""
    apns_topic: str = ""
    fcm_url: str = ""
    fcm_service_account: str = ""
    push_ca_file: str = ""
