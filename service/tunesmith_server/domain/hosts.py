"""Which hosts an import may ask, so that it is no way into this network."""

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_WIDEST = {4: 8, 6: 7}
"""Prefix lengths, by version: a wider network would hold what nobody meant, such as metadata."""
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # NAT64: the last 32 bits are an IPv4 address


def network(text: str) -> Network | None:
    """The network that a text names, None if it names none; ValueError if it is too wide."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if found.prefixlen < _WIDEST[found.version]:
        raise ValueError(f"{text} is too wide: name networks of /{_WIDEST[found.version]} or less")
    return found


class AllowedHosts:
    """Names and networks.

    A name stands for its public addresses alone; `*.example.com` is every name below, `*` every
    name. A network stands for every host in it, whether it is public or not. ValueError for a
    network that is too wide.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        found = {entry: network(entry) for entry in entries}
        self._networks = [each for each in found.values() if each is not None]
        self._names = [entry.lower().rstrip(".") for entry, each in found.items() if each is None]

    def may_resolve(self, host: str) -> bool:
        """Whether any address of a host could be allowed."""
        return bool(self._networks) or self._is_named(host)

    def allow(self, host: str, address: str) -> bool:
        """Whether this address of this host may be asked."""
        place = _meant(ipaddress.ip_address(address.partition("%")[0]))
        if any(place in each for each in self._networks):
            return True
        return self._is_named(host) and place.is_global and not place.is_multicast

    def _is_named(self, host: str) -> bool:
        host = host.lower().rstrip(".")
        return any(
            name in ("*", host) or (name.startswith("*.") and host.endswith(name[1:]))
            for name in self._names
        )


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
