"""Certificates of an authority of our own, as PEM files."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple

import trustme

if TYPE_CHECKING:
    from pathlib import Path


class Pair(NamedTuple):
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of our own, whose files are in `directory`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._authority = trustme.CA()
        self.pair = self._write("authority", self._authority)

    def issue(self, name: str, *, host: str) -> Pair:
        """A certificate of ours for `host`; its files are called `name`."""
        return self._write(name, self._authority.issue_cert(host))

    def _write(self, name: str, made: trustme.CA | trustme.LeafCert) -> Pair:
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        if isinstance(made, trustme.CA):
            made.cert_pem.write_to_path(pair.certificate)
        else:
            made.cert_chain_pems[0].write_to_path(pair.certificate)
        made.private_key_pem.write_to_path(pair.key)
        return pair


def context_of(pair: Pair) -> ssl.SSLContext:
    """What a server needs to show `pair`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context
