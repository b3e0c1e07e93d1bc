"""The layer's zip: what is in it, that it is the same each time, and that it starts."""

from __future__ import annotations

import ast
import importlib.util
import json
import marshal
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from types import CodeType

import pytest
from benchmark.sandbox import processes
from benchmark.sandbox.lambda_api import EXTENSION_NEXT, REGISTER, LambdaApi
from benchmark.sandbox.subjects import Sandbox
from layer_build import archive, bytecode, interpreters, notices

ROOT = Path(__file__).parents[1]
# What a build reads, and so what a copy of the checkout must hold to build the same.
INPUTS = (
    *("serverless_instrument", "scripts", "layer", "LICENSE", "pyproject.toml"),
    "tests/benchmarks/budgets.json",
)

pytestmark = pytest.mark.integration


def build(
    root: Path, *arguments: str, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "layer_build", *arguments],
        env={**os.environ, "PYTHONPATH": str(root / "scripts"), **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("layer") / "layer.zip"
    result = build(ROOT, "--output", str(output))
    assert result.returncode == 0, result.stderr
    return output


@pytest.fixture(scope="module")
def entries(layer: Path) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(layer) as opened:
        return {entry.filename: entry for entry in opened.infolist()}


@pytest.fixture
def opt(layer: Path, tmp_path: Path) -> Path:
    processes.unpack(layer, tmp_path / "opt")
    return tmp_path / "opt"


def test_it_holds_wrapper_launcher_package_and_bundle(entries: dict[str, zipfile.ZipInfo]) -> None:
    assert {name.partition("/")[0] for name in entries} == {
        "serverless-instrument",
        "extensions",
        "python",
    }
    package = "python/serverless_instrument/"
    for name in ("__init__.py", "wire.py", "wrapper/bootstrap.py", "wrapper/exec", "LICENSE"):
        assert package + name in entries
    for bundled in ("opentelemetry/trace", "opentelemetry/sdk/trace", "wrapt", "packaging"):
        assert f"{package}vendor/{bundled}/__init__.py" in entries


def test_nothing_but_our_package_can_meet_another_layer(
    entries: dict[str, zipfile.ZipInfo],
) -> None:
    """Layers are merged file by file below /opt: what we vendor is in a folder of ours."""
    below_python = {name.split("/")[1] for name in entries if name.startswith("python/")}
    assert below_python - {""} == {"serverless_instrument"}


@pytest.mark.parametrize(
    "unwanted",
    [
        r"python/boto",
        r"python/serverless_instrument/(local/|cli\.py)",
        r".*\.(so|pyi|c)$",
        r".*/tests?/",
        r".*dist-info/(RECORD|WHEEL|INSTALLER)",
        r"python/(setuptools|pip|google|grpc)",
    ],
)
def test_it_holds_no_dead_weight(entries: dict[str, zipfile.ZipInfo], unwanted: str) -> None:
    assert not [name for name in entries if re.match(unwanted, name)]


def test_modes_let_every_user_read_and_only_programs_be_run(
    entries: dict[str, zipfile.ZipInfo],
) -> None:
    programs = {
        "serverless-instrument",
        "extensions/serverless-instrument",
        "python/serverless_instrument/wrapper/exec",
    }
    for name, entry in entries.items():
        mode = entry.external_attr >> 16
        executable = name in programs or entry.is_dir()
        assert stat.S_IMODE(mode) == (0o755 if executable else 0o644), name
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    assert programs <= set(entries)


def test_names_are_sorted(entries: dict[str, zipfile.ZipInfo]) -> None:
    paths = [name.rstrip("/").split("/") for name in entries]
    assert paths == sorted(paths)


@pytest.mark.full
def test_two_builds_in_two_directories_are_equal(layer: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "checkout"
    for name in INPUTS:
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (copy / ".cache").symlink_to(ROOT / ".cache")
    output = tmp_path / "again.zip"
    # A umask, a home and a hash seed of its own: none may show.
    previous = os.umask(0o077)
    try:
        result = build(
            copy, "--output", str(output), environ={"HOME": str(tmp_path), "PYTHONHASHSEED": "7"}
        )
    finally:
        os.umask(previous)
    assert result.returncode == 0, result.stderr
    assert output.read_bytes() == layer.read_bytes()


def test_it_is_within_its_budget_and_says_its_size(tmp_path: Path) -> None:
    output = tmp_path / "layer.zip"
    result = build(ROOT, "--output", str(output))
    size_bytes = output.stat().st_size
    assert size_bytes <= 2_000_000
    assert f"{output}: {size_bytes:,} bytes" in result.stdout
    for size in archive.sizes(output):
        assert re.search(rf"^{size.part} .* {size.unzipped_bytes:,}$", result.stdout, re.MULTILINE)


def bundled(content: bytes) -> dict[str, CodeType]:
    """{module: its code} of a bundle."""
    assert content[:4] == importlib.util.MAGIC_NUMBER
    index = marshal.loads(content[8 : 8 + int.from_bytes(content[4:8], "little")])
    places = {name: place for name, place in index.items() if not name.startswith("<")}
    return {name: marshal.loads(content[at : at + size]) for name, (at, size, _) in places.items()}


def test_bytecode_is_unchecked_and_names_the_path_in_the_layer(layer: Path) -> None:
    tag = sys.implementation.cache_tag
    seen = 0
    with zipfile.ZipFile(layer) as opened:
        for name in opened.namelist():
            if not name.endswith(".pyc"):
                continue
            assert name.endswith(f".{tag}.pyc"), "bytecode of a Python that was not asked for"
            content = opened.read(name)
            assert content[:4] == importlib.util.MAGIC_NUMBER
            # https://peps.python.org/pep-0552/: bit 0 hash-based, bit 1 check the source.
            assert int.from_bytes(content[4:8], "little") == 0b01, name
            code = marshal.loads(content[16:])
            assert isinstance(code, CodeType)
            assert code.co_filename == "/opt/" + importlib.util.source_from_cache(name)
            seen += 1
    assert seen > 30


def test_bundles_hold_the_code_of_the_sources_beside_them(layer: Path) -> None:
    directory = f"python/serverless_instrument/bundles/{sys.implementation.cache_tag}/"
    with zipfile.ZipFile(layer) as opened:
        names = set(opened.namelist())
        bundles = [name for name in names if re.match(r".*/bundles/.*[^/]$", name)]
        vendored = {"opentelemetry", "packaging", "wrapt"}
        ours = {"forwarder", "wrapper"}
        assert {name.removeprefix(directory) for name in bundles} == vendored | ours
        for bundle in bundles:
            found = bundled(opened.read(bundle))
            assert len(found) > 5
            below = "serverless_instrument/vendor/"
            below = "" if bundle.removeprefix(directory) in ours else below
            for name, code in found.items():
                stem = f"python/{below}{name.replace('.', '/')}"
                source = next(n for n in (f"{stem}.py", f"{stem}/__init__.py") if n in names)
                assert code.co_filename == f"/opt/{source}"


def test_bytecode_serves_whatever_happened_to_the_source(opt: Path) -> None:
    python = opt / "python"
    for source in (python / "serverless_instrument").rglob("*.py"):
        source.write_text("raise SystemExit('compiled anew')\n")
    program = (
        f"import sys; sys.path.insert(0, {str(python)!r});"
        "import serverless_instrument; from serverless_instrument import wrapper;"
        "from serverless_instrument.wrapper import bootstrap, settings;"
        "print(serverless_instrument.__cached__, wrapper.__cached__, bootstrap.__cached__)"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    tag = sys.implementation.cache_tag
    package = python / "serverless_instrument"
    assert result.stdout.split() == [
        str(package / "__pycache__" / f"__init__.{tag}.pyc"),
        str(package / "wrapper" / "__pycache__" / f"__init__.{tag}.pyc"),
        str(package / "bundles" / str(tag) / "wrapper"),
    ]


def test_every_module_that_one_with_bytecode_imports_has_bytecode(opt: Path) -> None:
    python = opt / "python"
    in_bundles = {
        code.co_filename.replace("/opt/", f"{opt}/", 1)
        for bundle in (python / "serverless_instrument" / "bundles").glob("*/*")
        for code in bundled(bundle.read_bytes()).values()
    }

    def is_cached(source: Path) -> bool:
        own_file = Path(importlib.util.cache_from_source(str(source)))
        return own_file.exists() or str(source) in in_bundles

    vendor = python / "serverless_instrument" / "vendor"
    wanted = set()
    for source in filter(is_cached, python.rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                wanted |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    stems = [top / name.replace(".", "/") for name in wanted for top in (python, vendor)]
    sources = [file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py")]
    found = [source for source in sources if source.exists()]
    assert len(found) > 100
    assert [str(source) for source in found if not is_cached(source)] == []


def test_what_the_forwarder_imports_is_in_its_bundle_or_has_a_file(opt: Path) -> None:
    package = opt / "python" / "serverless_instrument"
    wanted = set()
    for source in (package / "forwarder").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                wanted |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    sources = [opt / "python" / (name.replace(".", "/") + ".py") for name in wanted]
    found = [source for source in sources if source.is_relative_to(package) and source.exists()]
    assert len(found) > 80
    bundle = package / "bundles" / str(sys.implementation.cache_tag) / "forwarder"
    in_bundle = {code.co_filename for code in bundled(bundle.read_bytes()).values()}
    without = [
        source
        for source in found
        if f"/opt/{source.relative_to(opt)}" not in in_bundle
        and not Path(importlib.util.cache_from_source(str(source))).exists()
    ]
    assert without == []


@pytest.mark.full
def test_all_pythons_have_bytecode_and_the_missing_are_named(tmp_path: Path) -> None:
    output = tmp_path / "all.zip"
    result = build(ROOT, "--python", "all", "--output", str(output))
    assert result.returncode == 0, result.stderr
    found, missing = interpreters.chosen("all", os.environ)
    assert interpreters.running() in found
    processes.unpack(output, tmp_path / "opt")
    program = (
        f"import os, sys; sys.path.insert(0, {str(tmp_path / 'opt/python')!r});"
        "import serverless_instrument.wrapper.bootstrap;"
        "from serverless_instrument import bundles; bundles.install_vendored();"
        "import wrapt, opentelemetry.sdk.trace;"
        "ours = ('wrapt', 'opentelemetry', 'serverless_instrument');"
        "cached = {name: module.__cached__ for name, module in sys.modules.items()"
        " if name.startswith(ours) and getattr(module, '__cached__', None)};"
        "print(len(cached) > 20, [name for name in cached if not os.path.exists(cached[name])])"
    )
    for path in found.values():
        answer = subprocess.run(
            [path, "-I", "-S", "-B", "-c", program], capture_output=True, text=True, check=False
        )
        assert answer.stdout == "True []\n", answer.stderr
    for version in missing:
        assert f"python{version} not found: no pyc for it; it still works, slower" in result.stdout
    each = archive.bytecode_bytes(output)
    assert set(each) == {f"cpython-{version.replace('.', '')}" for version in found}
    size_bytes = output.stat().st_size + len(missing) * max(each.values())
    assert size_bytes <= 5_000_000
    if missing:
        assert f"{output}: about {size_bytes:,} bytes with Python " in result.stdout


@pytest.mark.parametrize("version", ["3.9", "3", "latest"])
def test_an_unsupported_python_is_one_line(version: str) -> None:
    result = build(ROOT, "--python", version)
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"build-layer: --python {version}: choose one of 3.10, 3.11, 3.12, 3.13, 3.14, or all"
    ]


def test_a_python_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    version = next(v for v in interpreters.SUPPORTED if v != interpreters.running())
    nowhere = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYENV_ROOT": ""}
    result = build(ROOT, "--python", version, environ=nowhere)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert f"python{version} not found" in result.stderr


@pytest.mark.full
def test_it_is_rebuilt_only_when_stale(tmp_path: Path) -> None:
    output = tmp_path / "layer.zip"
    build(ROOT, "--output", str(output))
    assert build(ROOT, "--if-stale", "--output", str(output)).stdout == ""
    output.unlink()
    assert str(output) in build(ROOT, "--if-stale", "--output", str(output)).stdout


def test_the_licence_of_every_bundled_package_comes_along(
    layer: Path, entries: dict[str, zipfile.ZipInfo]
) -> None:
    with zipfile.ZipFile(layer) as opened:
        text = opened.read("python/serverless_instrument/THIRD-PARTY-NOTICES").decode()
    bundled = {
        found[1]
        for name in entries
        if (found := re.match(r".*/vendor/(\w+)-[^/]+\.dist-info/METADATA", name))
    } - {"serverless_instrument"}
    assert len(bundled) >= 9
    for package in bundled:
        assert re.search(rf"^{package} \d", text, re.MULTILINE)
    assert text.count("TERMS AND CONDITIONS FOR USE") >= 1
    assert "Redistribution and use in source and binary forms" in text


def test_opentelemetry_finds_its_entry_points(opt: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(opt / 'python')!r});"
        "import serverless_instrument.wrapper;"
        "from importlib.metadata import entry_points, version;"
        "print([e.name for e in entry_points(group='opentelemetry_propagator')],"
        " version('serverless-instrument'), version('opentelemetry-sdk'))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert "tracecontext" in result.stdout
    assert "xray" in result.stdout


def test_the_launcher_becomes_the_forwarder_which_registers_and_leaves_after_shutdown(
    opt: Path, tmp_path: Path
) -> None:
    shutdown = {"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 1 << 42}
    held = Sandbox(tmp_path, opt)
    with LambdaApi() as api:
        process = processes.start(held.forwarder(api.address), tmp_path / "held.txt")
        try:
            request = api.wait_for(REGISTER, 60)
            api.wait_for(EXTENSION_NEXT, 60)
            command = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        finally:
            processes.kill(process)
    assert json.loads(request.body)["events"] == ["INVOKE", "SHUTDOWN"]
    # The same process: the shell forked nothing and is gone.
    main = opt / "python/serverless_instrument/forwarder/__main__.py"
    assert command == [held.python, "-I", "-S", str(main), ""]

    with LambdaApi(extension_events=[json.dumps(shutdown).encode()]) as api:
        process = processes.start(held.forwarder(api.address), tmp_path / "shut.txt")
        try:
            assert process.wait(60) == 0, (tmp_path / "shut.txt").read_text()
        finally:
            processes.kill(process)


def test_a_wheel_without_licence_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "bare-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr("bare.py", "")
    with pytest.raises(Exception, match=r"bare-1\.0-py3-none-any\.whl carries no licence text"):
        notices.third_party([wheel], "")


def test_a_wheel_that_only_names_apache_gets_its_text(tmp_path: Path) -> None:
    wheel = tmp_path / "bare-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        metadata = "Name: bare\nLicense-Expression: Apache-2.0\n\nDescription\n"
        opened.writestr("bare-1.0.dist-info/METADATA", metadata)
    text = notices.third_party([wheel], "the licence")
    assert "bare 1.0 (Apache-2.0)" in text
    assert "the licence" in text


def test_bytecode_holds_no_docstrings(opt: Path, tmp_path: Path) -> None:
    shutil.copytree(opt / "python" / "serverless_instrument", tmp_path / "serverless_instrument")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        "from serverless_instrument import wire as w;"
        "print(w.__doc__, w.FrameReader.__doc__, w.frame.__doc__, w.frame(1, b'x')[-1:])"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "None None None b'x'\n"


def test_a_module_that_does_not_compile_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def\n")
    with pytest.raises(Exception, match=r"cannot compile the layer(.|\n)*SyntaxError"):
        bytecode.compile_tree(tmp_path, {interpreters.running(): sys.executable})
