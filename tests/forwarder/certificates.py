"""Certificates of an authority of our own."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

OPENSSL = shutil.which("openssl")


class Pair(NamedTuple):
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of our own in `directory`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        # Python 3.13 and later want what RFC 5280 asks for.
        extensions = ("-addext", "keyUsage=critical,keyCertSign")
        self.pair = self._make("authority", "-x509", *extensions)

    def issue(self, name: str, *, host: str) -> Pair:
        """A certificate of ours for `host`."""
        signer = ("-CA", str(self.pair.certificate), "-CAkey", str(self.pair.key))
        extensions = ("-addext", f"subjectAltName=DNS:{host}", "-addext")
        return self._make(name, "-x509", *signer, *extensions, "basicConstraints=CA:FALSE")

    def _make(self, name: str, *options: str) -> Pair:
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        command = [str(OPENSSL), "req", *options, "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        command += ["-keyout", str(pair.key), "-out", str(pair.certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return pair


def context_of(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context
