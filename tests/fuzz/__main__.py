"""Coverage-guided fuzzing with atheris: ``scripts/fuzz [TARGET] [--runs N]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("frames", "telemetry", "response", "emf", "statsd")
# Above Python's own and the parsers'; what grows with every input passes it soon.
_RSS_LIMIT_MB = 400
_LONGEST_INPUT_S = 5


def main() -> int:
    """Fuzz one target, or each in a process of its own; 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=NAMES, help="default: all of them")
    parser.add_argument("--runs", type=int, default=1_000_000, metavar="N", help="inputs of each")
    arguments = parser.parse_args()
    if arguments.target:
        return _fuzz(arguments.target, arguments.runs)
    for name in NAMES:
        sys.stderr.write(f"fuzz: {name}, {arguments.runs} inputs\n")
        command = [sys.executable, "-m", "tests.fuzz", name, "--runs", str(arguments.runs)]
        if code := subprocess.run(command, check=False).returncode:
            return code
    return 0


def _fuzz(name: str, runs: int) -> int:
    import atheris  # of the fuzzer's own environment: scripts/fuzz

    with atheris.instrument_imports(include=["serverless_instrument"]):
        from tests.fuzz.targets import TARGETS
    target, seeds = TARGETS[name]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [
            f"-runs={runs}",
            "-max_len=4096",
            f"-rss_limit_mb={_RSS_LIMIT_MB}",
            f"-timeout={_LONGEST_INPUT_S}",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, corpus], target)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
