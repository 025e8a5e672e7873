"""The rules of egress: which host is meant, which address is out of reach, what is allowed."""

import ipaddress
import string
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from events.protocol.api.egress import EgressRules, HostAndPort, parse_host
from services.worker.sandbox.egress.addresses import refusal
from services.worker.sandbox.egress.rules import HostRules

LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PORTS = st.integers(1, 65535)
IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)
IPV6 = st.integers(0, 2**128 - 1).map(IPv6Address)


def wide(text: str) -> str:
    """Return a text in the full-width forms that a browser reads as ASCII."""
    return "".join(chr(ord(each) + 0xFEE0) for each in text)


@given(NAMES, PORTS, st.randoms(use_true_random=False))
def test_every_spelling_of_a_name_is_one_host(name, port, random):
    spelled = "".join(random.choice((c.upper(), c)) for c in name) + random.choice(("", "."))
    assert parse_host(f"{spelled}:{port}") == HostAndPort(name, port)
    assert parse_host(spelled) == HostAndPort(name, 0)


@given(NAMES, PORTS)
def test_what_is_read_is_written_and_read_the_same(name, port):
    target = parse_host(f"{name}:{port}")
    assert parse_host(str(target)) == target


@given(IPV6, PORTS)
def test_an_ipv6_address_is_one_host_however_it_is_written(address, port):
    target = HostAndPort(str(address), port)
    assert parse_host(f"[{address.exploded}]:{port}") == target
    assert parse_host(f"[{address.compressed.upper()}]:{port}") == target
    assert parse_host(str(target)) == target


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_what_is_read_is_a_plain_name_or_the_text_is_refused(text):
    try:
        host, port = parse_host(text)
    except ValueError:
        return
    assert set(host) <= set(string.ascii_lowercase + string.digits + ".-_:")
    assert 0 <= port <= 65535
    if not host.replace(".", "").isdigit():
        return
    assert str(IPv4Address(host)) == host


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2130706433",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "127.1",
            "127.0.1",
            "1",
            "017700000001",
        ),
        *("127.0.0.1.", "10.0.0.0x1", "a.0x", "300.1.1.1", "1.2.3.4.5", "127.0.0.01"),
        *(f"{wide('127')}.1", "\u2460\u2461\u2466.1", "127\u30021"),
        *("", ".", "..", "a..b", ".a", "-a.example", "a-.example", "a b", "a\tb", "a\r\nb", "a\0b"),
        *(
            "user@example.com",
            "user:pass@example.com",
            "http://example.com",
            "example.com/",
            "a?b",
            "a#b",
        ),
        *("a\\b", "a%2eb", "example.com:", "example.com:0", "example.com:65536", "example.com:٤٤٣"),
        *(
            "example.com:+443",
            "example.com: 443",
            "example.com:443:443",
            "::1",
            "[::1",
            "[]",
            "[fe80::1%eth0]",
        ),
        *(
            "[::1]x",
            "[127.0.0.1]",
            "a" * 64 + ".example",
            "a." * 130 + "a",
            "ex ample.com",
            "*.example.com",
        ),
    ],
)
def test_what_other_programs_might_read_otherwise_is_no_host(text):
    if text == "127.0.0.1.":
        assert parse_host(text) == HostAndPort("127.0.0.1", 0)
        return
    with pytest.raises(ValueError, match=r"."):
        parse_host(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example.", "xn--bcher-kva.example"),
        (f"{wide('example')}.com", "example.com"),
        ("example\u3002com", "example.com"),
        (wide("127.0.0.1"), "127.0.0.1"),
        ("straße.example", "xn--strae-oqa.example"),
    ],
)
def test_a_name_of_another_script_is_its_ascii_form(text, host):
    assert parse_host(text).host == host


REFUSED = [
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255"),
    *(
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.0.0.192",
    ),
    *("198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
    *(
        "::",
        "::1",
        "fc00::1",
        "fdaa::3",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::7f00:1",
    ),
    *(
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
    ),
    *("64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "100::1"),
]


@pytest.mark.parametrize("text", REFUSED)
def test_private_and_local_addresses_are_refused(text):
    assert refusal(ip_address(text))


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
)
def test_public_addresses_are_not(text):
    assert refusal(ip_address(text)) == ""


@given(IPV4)
def test_an_ipv4_address_is_judged_alike_in_every_ipv6_notation(address):
    kind = refusal(address)
    assert refusal(IPv6Address(f"::ffff:{address}")) == kind
    assert refusal(IPv6Address(int(IPv6Address("64:ff9b::")) | int(address))) == kind


@given(IPV4)
def test_no_address_that_python_knows_as_local_is_allowed(address):
    if (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
    ):
        assert refusal(address)
    if any(
        address in ipaddress.ip_network(n)
        for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    ):
        assert refusal(address)


@given(IPV6)
def test_only_global_ipv6_addresses_are_allowed(address):
    if not refusal(address):
        assert (
            address in ipaddress.ip_network("2000::/3")
            or address.ipv4_mapped
            or (address in ipaddress.ip_network("64:ff9b::/96"))
        )


@given(NAMES, NAMES, PORTS)
def test_only_the_very_host_is_allowed(allowed, other, port):
    assume(allowed != other)
    rules = HostRules(EgressRules(allow=(allowed,)))
    assert rules.allows(HostAndPort(allowed, 443))
    assert rules.allows(HostAndPort(allowed, 80))
    assert rules.allows(HostAndPort(allowed, port)) == (port in (80, 443))
    assert not rules.allows(HostAndPort(other, 443))
    assert not rules.allows(HostAndPort(f"x.{allowed}", 443))


@given(NAMES, PORTS, PORTS)
def test_an_entry_with_a_port_allows_that_port(name, port, other):
    rules = HostRules(EgressRules(allow=(f"{name.upper()}.:{port}",)))
    assert rules.allows(HostAndPort(name, other)) == (port == other)


@given(NAMES)
def test_registries_are_allowed_under_their_policy_alone(name):
    target = HostAndPort(name, 443)
    policies = {
        policy: HostRules(EgressRules(policy=policy), [name]).allows(target)
        for policy in ("off", "registries")
    }
    assert policies == {"off": False, "registries": True}


def test_open_means_every_host_and_no_mail():
    rules = HostRules(EgressRules(policy="open"))
    assert rules.allows(HostAndPort("any.example", 8443))
    assert not rules.allows(HostAndPort("any.example", 25))


def test_an_entry_that_is_no_host_allows_nothing():
    rules = HostRules(EgressRules(allow=("https://example.com", "2130706433", "*")))
    assert not rules.allows(HostAndPort("example.com", 443))
    assert not rules.allows(HostAndPort("127.0.0.1", 443))
