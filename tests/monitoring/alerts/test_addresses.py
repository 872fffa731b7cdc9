"""Where a webhook may go: a table of what is refused, whatever it is called and however often it changes its mind."""

import ipaddress
from typing import Any

import pytest

from apps.monitoring.alerts.addresses import BadAddress, is_outside, target_of

OUTSIDE = "93.184.215.14"


def resolve(*addresses: str) -> Any:
    return lambda host, port: list(addresses)


def test_an_address_outside_is_pinned_to_what_was_judged() -> None:
    target = target_of("https://hooks.example.com/services/T0/B0?x=1", resolve=resolve(OUTSIDE))

    assert (target.host, target.port, target.ip, target.path) == (
        "hooks.example.com",
        443,
        OUTSIDE,
        "/services/T0/B0?x=1",
    )


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.0.0.5",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.7",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
    ],
)
def test_nothing_inside_is_reached_by_whatever_name(address: str) -> None:
    assert not is_outside(ipaddress.ip_address(address))
    with pytest.raises(BadAddress):
        target_of("https://hooks.example.com/x", resolve=resolve(address))
    # One bad address among good ones: whoever answers the name decides which is taken.
    with pytest.raises(BadAddress):
        target_of("https://hooks.example.com/x", resolve=resolve(OUTSIDE, address))


@pytest.mark.parametrize("address", [OUTSIDE, "8.8.8.8", "2606:4700::6810:84e5", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_the_open_internet_is_outside(address: str) -> None:
    assert is_outside(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "http://hooks.example.com/x",
        "ftp://hooks.example.com/x",
        "file:///etc/passwd",
        "gopher://hooks.example.com/x",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://user:secret@hooks.example.com/x",
        "https://user@hooks.example.com/x",
        "https://hooks.example.com:22/x",
        "https://hooks.example.com:6379/x",
        "https://hooks.example.com:99999/x",
        "https://hooks.example.com/x#y",
        "https://hooks.example.com\\@127.0.0.1/x",
        "https://hooks.example.com/x y",
        "https://hooks.example.com/x\r\nHost: other",
        "https://höoks.example.com/x",
        "https://[::1/x",
        "https://hooks.example.com/" + "x" * 600,
    ],
)
def test_what_is_no_plain_https_address_is_refused(url: str) -> None:
    with pytest.raises(BadAddress) as caught:
        target_of(url, resolve=resolve(OUTSIDE))

    assert not url or url not in caught.value.text


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:7f00:1]", "0"])
def test_every_way_of_writing_this_machine_is_refused(host: str) -> None:
    with pytest.raises(BadAddress):
        target_of(f"https://{host}/x")


def test_a_name_that_nobody_knows_is_said_to_be_unknown() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(BadAddress, match="cannot be found"):
        target_of("https://hooks.example.com/x", resolve=unknown)


def test_an_operator_may_name_hosts_inside_but_never_where_clouds_keep_credentials(settings: Any) -> None:
    settings.ALERT_WEBHOOK_INSIDE = ["chat.intern:8443"]

    assert target_of("https://chat.intern:8443/x", resolve=resolve("10.1.2.3")).ip == "10.1.2.3"
    for refused in ("https://chat.intern/x", "https://other.intern:8443/x"):
        with pytest.raises(BadAddress):
            target_of(refused, resolve=resolve("10.1.2.3"))
    with pytest.raises(BadAddress):
        target_of("https://chat.intern:8443/x", resolve=resolve("169.254.169.254"))


def test_plain_http_is_for_named_hosts_of_the_demo_alone(settings: Any) -> None:
    settings.ALERT_WEBHOOK_INSIDE = ["127.0.0.1:9000"]
    settings.DESK_MODE = "team"
    with pytest.raises(BadAddress):
        target_of("http://127.0.0.1:9000/x")
    settings.DESK_MODE = "demo"
    assert target_of("http://127.0.0.1:9000/x").scheme == "http"
    with pytest.raises(BadAddress):
        target_of("http://127.0.0.1:9001/x")
