"""What the processes of this machine hold."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from serverless_instrument.forwarder.faas_metrics import proc_sampler
from tests.cost import calls

# A child with a child of its own; each says that it is there, and waits.
_NESTED = """
import subprocess, sys
inner = [sys.executable, "-c", "print(1, flush=True); input()"]
if len(sys.argv) > 1:
    child = subprocess.Popen(inner, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
print(1, flush=True)
input()
if len(sys.argv) > 1:
    child.communicate(b"\\n")
"""


# In a process of its own: this one has threads and children of other tests.
_SAMPLED = """
import json, os, subprocess, sys
from serverless_instrument.forwarder.faas_metrics import proc_sampler
from tests.cost import calls

def told():
    sample = proc_sampler.sample(os.getpid())
    return [sample.threads, sample.descriptors, sample.resident_bytes, sample.tmp is not None]

alone = told()
nested = [sys.executable, "-c", sys.argv[1], "nested"]
child = subprocess.Popen(nested, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
together = told()
child.communicate(b"\\n")
print(json.dumps([alone, together]))
"""


def test_descendants_count() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _SAMPLED, _NESTED], capture_output=True, text=True, check=True
    )
    alone, together = json.loads(result.stdout)
    assert (alone[0], together[0]) == (1, 3)
    assert together[1] >= alone[1] + 8
    assert together[2] > alone[2] + 2_000_000
    assert alone[3]


_THREADS = """
import os, subprocess, sys, threading
from serverless_instrument.forwarder.faas_metrics import proc_sampler
from tests.cost import calls

release, started = threading.Event(), threading.Barrier(4)

def wait():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started.wait()
    release.wait()
    child.communicate(b"\\n")

threads = [threading.Thread(target=wait) for _ in range(3)]
for thread in threads:
    thread.start()
started.wait()
print(proc_sampler.sample(os.getpid()).threads)
release.set()
"""


def test_threads_that_run_are_seen_with_what_they_start() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _THREADS], capture_output=True, text=True, check=True
    )
    assert int(result.stdout) == 7


def test_a_process_that_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert proc_sampler.sample(child.pid) is None
    assert proc_sampler.limits(child.pid) == {}


def test_limits() -> None:
    found = proc_sampler.limits(os.getpid())
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft != resource.RLIM_INFINITY:
        assert found["descriptors"] == soft
    limited = subprocess.Popen(
        [
            "sh",
            "-c",
            'ulimit -S -n 300; exec "$0" -c "print(1, flush=True); input()"',
            sys.executable,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert limited.stdout is not None
    limited.stdout.readline()
    assert proc_sampler.limits(limited.pid)["descriptors"] == 300
    limited.communicate(b"\n")


def test_a_look_is_cheap() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        # 34 counted, 35 us measured; an accident is a multiple.
        assert calls(lambda: proc_sampler.sample(process.pid)) <= 70


def threads_in(stat: bytes) -> int:
    """The 20th field; https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
    return int(stat.rpartition(b")")[2].split()[17])


def test_a_kernel_that_tells_little(tmp_path: Path) -> None:
    stat = Path(f"/proc/{os.getpid()}/stat").read_bytes()
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_bytes(stat)
    (tmp_path / "7" / "limits").write_bytes(
        b"Max open files            unlimited            unlimited            files\n"
        b"Max processes\nMax processes  12345678901234567890 x\n"
    )
    found = proc_sampler.sample(7, str(tmp_path))
    assert found is not None
    assert found.threads == threads_in(stat)
    assert found.descriptors is None
    assert proc_sampler.limits(7, str(tmp_path)) == {"threads": 12345678901234567890}
    (tmp_path / "7" / "stat").write_bytes(b"7 (python) S 1 2")
    assert proc_sampler.sample(7, str(tmp_path)) is None


def test_children_that_are_their_own_end_somewhere(tmp_path: Path) -> None:
    stat = Path(f"/proc/{os.getpid()}/stat").read_bytes()
    (tmp_path / "7" / "task" / "7").mkdir(parents=True)
    (tmp_path / "7" / "stat").write_bytes(stat)
    (tmp_path / "7" / "task" / "7" / "children").write_bytes(b"7 7 ")
    found = proc_sampler.sample(7, str(tmp_path))
    assert found is not None
    assert found.threads == 64 * threads_in(stat)
