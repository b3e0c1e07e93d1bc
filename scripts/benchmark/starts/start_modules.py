"""The modules that each start loads over the bare process, measured and as they are recorded.

Ours are recorded once for all Pythons; those of the standard library and of the packages in the
layer for each build, since they differ. To be held: what is seen when the request comes is part
of what is recorded, and what is loaded once the process is idle is exactly that.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from pathlib import Path

from layer_build import tree

from benchmark.sandbox.lambda_api import EXTENSION_NEXT, REGISTER, RUNTIME_NEXT
from benchmark.sandbox.subjects import Sandbox
from benchmark.starts import budget_file, modules
from benchmark.starts.modules import Modules, ours

STARTS = ("init_hello", "init_boto", "forwarder_register", "forwarder_next")
_ROOT = Path(__file__).resolve().parents[3]
_PACKAGE = _ROOT / modules.PACKAGE


def recorded(start: str) -> frozenset[str]:
    """The modules of ours that `start`, one of `STARTS`, loads according to budgets.json."""
    return frozenset(budget_file.read()["modules"][start])


def loaded(start: str, opt: Path | None = None) -> frozenset[str]:
    """The modules of ours that `start` has loaded when its process is idle; see `measured`."""
    return ours(measured(start, opt).settled)


def seen(start: str, opt: Path | None = None) -> frozenset[str]:
    """The modules of ours that `start` had loaded when its request came; see `measured`."""
    return ours(measured(start, opt).seen)


@functools.cache
def measured(start: str, opt: Path | None = None) -> Modules:
    """All modules that `start` loads and the bare process does not.

    `opt` is an unpacked layer; without it the working tree is laid out as one, without the packages
    that a layer bundles: those of the running Python are loaded in their place.

    Raises:
        KeyError: `start` is not one of `STARTS`.
        TimeoutError: a process did not come so far.
    """
    with tempfile.TemporaryDirectory(prefix="modules-") as name:
        scratch = Path(name)
        if opt is None:
            opt = scratch / "opt"
            tree.add_package(opt / "python", _PACKAGE)
            tree.add_entry_points(opt, _PACKAGE, _ROOT / "layer/extensions/serverless-instrument")
        sandbox = Sandbox(scratch, opt)
        bare_for, ours_for, target = {
            "init_hello": (sandbox.bare_runtime, sandbox.our_runtime, RUNTIME_NEXT),
            "init_boto": (sandbox.bare_aws_runtime, sandbox.our_aws_runtime, RUNTIME_NEXT),
            "forwarder_register": (sandbox.bare_extension, sandbox.forwarder_directly, REGISTER),
            "forwarder_next": (sandbox.bare_extension, sandbox.forwarder_directly, EXTENSION_NEXT),
        }[start]
        bare = modules.loaded(bare_for, target, scratch)
        with sandbox.listening() if target == RUNTIME_NEXT else contextlib.nullcontext():
            return modules.loaded(ours_for, target, scratch).over(bare)
