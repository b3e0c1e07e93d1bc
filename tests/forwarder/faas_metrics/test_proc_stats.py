"""What /proc says: of this machine, of texts as Lambda has them, and of anything at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.faas_metrics import proc_stats
from serverless_instrument.forwarder.faas_metrics.proc_stats import UsageReader
from serverless_instrument.forwarder.faas_metrics.proc_usage import Usage
from serverless_instrument.forwarder.faas_metrics.usage_metrics import Used
from tests.cost import calls

STAT = b"""\
cpu  400 100 50 9000 40 0 6 7 0 0
cpu0 300 50 30 4400 20 0 3 4 0 0
cpu1 100 50 20 4600 20 0 3 3 0 0
intr 123 4 5
ctxt 99
"""
NET_DEV = b"""\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 999  3 0 0 0 0 0 0 999 3 0 0 0 0 0 0
vinternal_1: 1000 3 0 0 0 0 0 0 200 3 0 0 0 0 0 0
vint_runtime:500 1 0 0 0 0 0 0 50 1 0 0 0 0 0 0
"""
PROCESS = (
    b"8 (python) 3.14 (x) S 1 8 8 0 -1 4194560 900 10 0 0 150 50 30 20 20 0 11 0 123 4096000 2000 "
    b"18446744073709551615 1 1 0 0 0 0 0 16781312 2 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
)


def test_texts_as_lambda_has_them() -> None:
    usage = Usage(STAT, NET_DEV, PROCESS)
    assert (usage.cpu_user_s, usage.cpu_system_s, usage.cpu_s) == (5.0, 0.5, 5.5)
    assert usage.cores == 2
    assert usage.idle_s == [44.2, 46.2]
    assert usage.total_s == [48.07, 47.96]
    assert (usage.received_bytes, usage.sent_bytes, usage.network_bytes) == (1500, 250, 1750)
    process = usage.process
    assert process is not None
    assert (process.user_s, process.system_s, process.waited_s) == (1.8, 0.7, 0.5)
    assert process.threads == 11
    assert process.resident_bytes == 2000 * 4096


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_texts_of_any_shape_are_survived(stat: bytes, net_dev: bytes, process: bytes) -> None:
    usage = Usage(b"cpu " + stat + b"\n", b"\n\neth0: " + net_dev + b"\n", b"1 (x) " + process)
    assert usage.cores == len(usage.idle_s)
    assert usage.cpu_s >= 0 or not usage.has_cpu
    assert usage.process is None or usage.process.threads is not None


def test_a_line_that_is_cut_off_does_not_count() -> None:
    usage = Usage(STAT[: STAT.index(b"cpu1") + 12], NET_DEV[:-30])
    assert (usage.cores, usage.idle_s) == (1, [44.2])
    assert (usage.received_bytes, usage.sent_bytes) == (1000, 200)


def test_what_cannot_be_read_is_not_there() -> None:
    usage = Usage(b"cpu  a b c\n", b"\n\neth0: x\n", b"")
    assert (usage.cores, usage.has_cpu, usage.has_network) == (0, False, False)
    assert usage.process is None


def own_threads() -> int:
    """Threads of this process, those that `threading` does not know among them."""
    return len(os.listdir("/proc/self/task"))


def test_this_process_and_its_children() -> None:
    reader = UsageReader()
    reader.prepare_start(os.getpid())
    first = reader.usage()
    total = sum(number * number for number in range(300_000))
    second = reader.usage()
    burn = "sum(number * number for number in range(3_000_000))"
    subprocess.run([sys.executable, "-c", burn], check=True)
    third = reader.usage()
    assert total
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.process_cpu_ns is not None
    assert second.process_cpu_ns is not None
    assert second.process_cpu_ns > first.process_cpu_ns > 0
    assert second.process is not None
    assert third.process is not None
    assert third.process.waited_s > second.process.waited_s
    assert second.process.threads == own_threads()
    assert second.process.resident_bytes > 1024 * 1024
    assert second.tmp is not None
    assert second.tmp.f_blocks > 0


def test_a_child_that_runs_is_counted_before_it_is_waited_for() -> None:
    reader = UsageReader()
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        reader.prepare_start(os.getpid())
        before, own_s = reader.usage(), time.process_time()
        reader.prepare_end(os.getpid())
        give_up_at_s = time.monotonic() + 60
        while True:
            after = reader.usage()
            assert before is not None
            assert after is not None
            assert before.process_cpu_ns is not None
            assert after.process_cpu_ns is not None
            used_s = (after.process_cpu_ns - before.process_cpu_ns) / 1e9
            if used_s > time.process_time() - own_s + 0.2:
                break
            assert time.monotonic() < give_up_at_s
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()


def test_descriptors_are_those_of_the_process() -> None:
    before = proc_stats.descriptors(os.getpid())
    pipes = [os.pipe() for _ in range(5)]
    after = proc_stats.descriptors(os.getpid())
    for pipe in pipes:
        os.close(pipe[0])
        os.close(pipe[1])
    assert before is not None
    assert after == before + 10


def test_a_process_that_is_gone_leaves_the_environment() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    reader = UsageReader()
    reader.prepare_start(child.pid)
    before = reader.usage()
    child.communicate(b"\n")
    after = reader.usage()
    assert before is not None
    assert before.process is not None
    assert after is not None
    assert (after.process, after.process_cpu_ns, after.descriptors) == (None, None, None)
    assert after.cpu_s >= before.cpu_s > 0


def test_descriptors_stay_few_whoever_is_looked_at() -> None:
    reader = UsageReader()
    before = proc_stats.descriptors(os.getpid())
    children = [
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(3)
    ]
    for _ in range(2):
        for child in children:
            reader.prepare_start(child.pid)
            assert reader.usage() is not None
    for child in children:
        child.communicate(b"\n")
    after = proc_stats.descriptors(os.getpid())
    assert before is not None
    assert after is not None
    assert after - before <= 6


def test_where_no_more_is_wanted_no_more_is_read_at_the_end() -> None:
    reader = UsageReader(enhanced=False)
    reader.prepare_start(os.getpid())
    before = reader.usage()
    reader.prepare_end(os.getpid())
    after = reader.usage()
    assert before is not None
    assert after is not None
    assert (before.has_cpu, after.has_cpu) == (True, False)
    assert (after.descriptors, after.tmp) == (None, None)
    assert after.has_network
    assert Used(before, after).cpu_s is not None
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    reader.prepare_start(gone.pid)
    before = reader.usage()
    gone.communicate(b"\n")
    after = reader.usage()
    assert before is not None
    assert after is not None
    assert Used(before, after).cpu_s is not None


def test_a_kernel_that_does_not_count_descriptors_lists_them_at_the_start(tmp_path: Path) -> None:
    pid = os.getpid()
    root = tree(tmp_path, {f"{pid}/stat": PROCESS, "stat": STAT})
    # A directory of the kernel's whose size is 0, as that of descriptors was.
    (tmp_path / str(pid) / "fd").symlink_to("/proc/self/task")
    reader = UsageReader(root)
    reader.prepare_start(pid)
    first = reader.usage()
    reader.prepare_end(pid)
    last = reader.usage()
    assert first is not None
    assert last is not None
    assert (first.descriptors, last.descriptors) == (own_threads(), None)


def test_the_process_knows_better_what_it_had_used() -> None:
    # In a process without children: those that run when it begins count, too.
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from serverless_instrument.forwarder.faas_metrics.proc_stats import UsageReader\n"
        "reader = UsageReader(); reader.prepare_start(os.getpid(), 123)\n"
        "told, read = reader.usage(), reader.usage()\n"
        "reader.prepare_end(os.getpid(), 456)\n"
        "last = reader.usage()\n"
        "print(told.process_cpu_ns, last.process_cpu_ns, read.process_cpu_ns)"
    )
    root = str(Path(proc_stats.__file__).parents[3])
    command = [sys.executable, "-I", "-S", "-c", program, root]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert said[:2] == ["123", "456"]
    assert int(said[2]) > 1_000_000


def test_reading_is_cheap() -> None:
    reader = UsageReader()
    reader.prepare_start(os.getpid())
    reader.usage()
    # 15 counted, 12 us measured; other kernels have more to read, and an accident is a multiple.
    assert calls(reader.usage) <= 30


def tree(root: Path, files: dict[str, bytes | None]) -> str:
    """A directory like /proc; None is a directory."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
    return str(root)


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    for proc in (str(tmp_path / "none"), str(tmp_path), "/dev/null"):
        reader = UsageReader(proc)
        reader.prepare_start(os.getpid())
        assert reader.usage() is None


def test_what_is_there_is_used_and_the_rest_is_unknown(tmp_path: Path) -> None:
    pid = os.getpid()
    only_process = UsageReader(tree(tmp_path / "a", {"stat": None, f"{pid}/stat": PROCESS}))
    only_process.prepare_start(pid)
    usage = only_process.usage()
    assert usage is not None
    assert (usage.has_cpu, usage.has_network, usage.descriptors) == (False, False, None)
    assert (usage.cores, usage.cpu_s, usage.network_bytes) == (0, 0.0, 0)
    assert usage.process is not None
    assert usage.process_cpu_ns is not None
    only_stat = UsageReader(tree(tmp_path / "b", {"stat": STAT, "net": b"", f"{pid}/stat": b"?"}))
    only_stat.prepare_start(pid)
    usage = only_stat.usage()
    assert usage is not None
    assert (usage.has_cpu, usage.has_network, usage.process) == (True, False, None)


def test_a_reader_is_no_child_that_counts() -> None:
    # As without the layer, where the runtime has started the forwarder.
    program = (
        "import os, sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from serverless_instrument.forwarder.faas_metrics import proc_sampler, proc_stats\n"
        "reader = proc_stats.UsageReader(); reader.prepare_start(os.getppid())\n"
        "before = reader.usage(); began = time.process_time()\n"
        "while time.process_time() - began < 0.3: pass\n"
        "after = reader.usage()\n"
        "held = proc_sampler.sample(os.getppid())\n"
        "print((after.process_cpu_ns - before.process_cpu_ns) / 1e9, held.threads)"
    )
    root = str(Path(proc_stats.__file__).parents[3])
    # The tests' own process may have other children, and threads that work.
    parent = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], check=True)"
    command = [sys.executable, "-c", parent, "-I", "-S", "-c", program, root]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert float(said[0]) < 0.25
    assert int(said[1]) == 1
