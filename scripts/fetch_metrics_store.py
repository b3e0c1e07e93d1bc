"""Fetch VictoriaMetrics, the metrics store of the end-to-end tests.

No wheel carries a store that takes OTLP, so it comes out of a Debian package, which is unpacked and
not installed. Stable releases of Debian have versions that drop deltas; unstable's keeps them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE, PACKAGE = "sid", "victoria-metrics"
_PROGRAM = f"usr/bin/{PACKAGE}"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TIMEOUT_S = 300


class StoreError(Exception):
    """The store cannot be had; the message says why."""


def fetch(cache: Path) -> Path:
    """Path of the program: below `cache`, downloaded if need be, else the one on PATH.

    Raises:
        StoreError: there is none on PATH, and apt cannot be had or has none.
    """
    target = cache / f"{PACKAGE}-{SUITE}" / PACKAGE
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            os.replace(_unpacked(Path(scratch)), target)
    except StoreError:
        on_path = shutil.which(PACKAGE)
        if on_path is None:
            raise
        return Path(on_path)
    return target


def _unpacked(scratch: Path) -> Path:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise StoreError(f"it comes as a Debian package, and there is no apt here nor a {PACKAGE}")
    if not _KEYRING.exists():
        raise StoreError(f"it comes from Debian's archive, whose keys are not in {_KEYRING}")
    print(f"==> fetching {PACKAGE} from Debian's {SUITE}", file=sys.stderr, flush=True)
    options = _apart(scratch)
    _run([*options, "update"], scratch)
    _run([*options, "download", f"{PACKAGE}/{SUITE}"], scratch)
    (package,) = scratch.glob("*.deb")
    _run(["dpkg-deb", "--extract", package.name, "unpacked"], scratch)
    program = scratch / "unpacked" / _PROGRAM
    # It may need a newer C library than this machine has.
    _run([str(program), "-version"], scratch)
    return program


def _apart(scratch: Path) -> list[str]:
    """The command ``apt-get`` with a state of its own: the machine's is left as it is.

    https://manpages.debian.org/bookworm/apt/apt.conf.5.en.html
    """
    sources = scratch / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYRING}] {_archive(scratch)} {SUITE} main\n")
    for name in ("lists/partial", "archives/partial"):
        (scratch / name).mkdir(parents=True)
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": scratch / "lists",
        "Dir::Cache": scratch,
        # As root it would drop to a user who may not write here.
        "APT::Sandbox::User": "root",
        "Acquire::http::Timeout": 20,
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    return ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items())]


def _archive(scratch: Path) -> str:
    """The mirror of Debian that this machine uses."""
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    for site in _run(command, scratch).splitlines():
        if site.rstrip("/").endswith("/debian"):
            return site
    raise StoreError("it comes from Debian's archive, and apt here uses none")


def _run(command: list[str], directory: Path) -> str:
    """What `command` prints."""
    try:
        completed = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or error.stdout.strip() or "no message").splitlines()[-1]
        raise StoreError(f"{command[0]} failed ({last})") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(str(error)) from None
    return completed.stdout
