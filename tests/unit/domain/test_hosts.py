"""Which hosts an import may ask."""

import pytest
from tunesmith_server.domain.hosts import AllowedHosts

PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
    # IPv4 addresses in the clothes of IPv6
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_stands_for_its_public_addresses_alone(address: str):
    for entry in ("*", "data.example.com", "*.example.com"):
        assert not AllowedHosts([entry]).allow("data.example.com", address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_of_a_named_host_are_allowed(address: str):
    for entry in ("*", "data.example.com", "DATA.example.com.", "*.example.com"):
        assert AllowedHosts([entry]).allow("data.example.com", address)
    for entry in ("example.com", "*.data.example.com", "*.ample.com", "data.example.co"):
        assert not AllowedHosts([entry]).allow("data.example.com", address)


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("10.1.0.0/16", "10.1.2.3"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("169.254.169.254/32", "169.254.169.254"),
        ("fd00::/8", "fd00::7"),
    ],
)
def test_a_network_stands_for_every_host_in_it(entry: str, address: str):
    assert AllowedHosts([entry]).allow("any", address)
    assert not AllowedHosts([entry]).allow("any", "10.2.0.1")
    assert not AllowedHosts([entry]).allow("any", "8.8.8.8")


def test_nothing_is_allowed_that_is_not_named():
    assert not AllowedHosts([]).may_resolve("example.com")
    assert not AllowedHosts([]).allow("example.com", "8.8.8.8")
    assert not AllowedHosts(["other.com"]).may_resolve("example.com")
    assert AllowedHosts(["10.0.0.0/8"]).may_resolve("example.com")


@pytest.mark.parametrize("entry", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "fc00::/6"])
def test_a_network_that_holds_everything_is_refused(entry: str):
    with pytest.raises(ValueError, match="too wide"):
        AllowedHosts([entry])
