"""Settings of the push services; all are optional."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, repr=False)
class PushSettings:
    """A kind whose settings are empty is not offered to devices."""

    vapid_private_key: str = ""
    """Web Push: private key, base64url of 32 bytes; without it browsers are not offered push."""
    vapid_contact: str = ""
    """Web Push: contact of the operator, `mailto:` or `https:`, of a public host."""
    web_push_hosts: str = (
        "fcm.googleapis.com updates.push.services.mozilla.com *.push.apple.com *.notify.windows.com"
    )
    """Web Push: services that may be called (`name`, `*.name`, `name:port`), by spaces."""
    apns_url: str = ""
    """APNs: URL of the service; without it iOS devices are not offered push."""
    apns_key: str = ""
    """APNs: path of the .p8 file."""
    apns_key_id: str = ""
    """APNs: id of the key."""
    apns_team_id: str = ""
    """APNs: id of the team."""
    apns_topic: str = ""
    """APNs: bundle id of the app."""
    fcm_url: str = ""
    """FCM: URL of the service; without it Android devices are not offered push."""
    fcm_service_account: str = ""
    """FCM: path of the JSON key file."""
    push_ca_file: str = ""
    """File of authorities trusted for push services, in place of the usual ones."""
