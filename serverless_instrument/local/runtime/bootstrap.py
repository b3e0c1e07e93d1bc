"""Stand-in for the managed runtime's /var/runtime/bootstrap.py, run as a script.

It arranges sys.path as the managed one does and hands over to the real awslambdaric. The file's
name matters: awslambdaric trims leading stack frames of files named ``bootstrap.py``.
"""

import os
import site
import sys


def _arrange_path() -> None:
    """Function first, then layers; no layers where PYTHONPATH is set, as on AWS."""
    paths = [os.environ["LAMBDA_TASK_ROOT"]]
    if "PYTHONPATH" not in os.environ:
        opt = os.environ.get("SERVERLESS_INSTRUMENT_LOCAL_OPT", "/opt")
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        paths += [f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
        os.environ["PYTHONPATH"] = os.environ["LAMBDA_RUNTIME_DIR"]
    # Before this script's own directory, which stays.
    sys.path[:0] = paths
    for path in paths:
        site.addsitedir(path)


def main() -> None:
    """Start awslambdaric with the handler that ``_HANDLER`` names now."""
    os.environ.setdefault("LAMBDA_TASK_ROOT", "/var/task")
    os.environ.setdefault("LAMBDA_RUNTIME_DIR", os.path.dirname(os.path.abspath(__file__)))
    _arrange_path()
    from awslambdaric.__main__ import main as run_awslambdaric

    run_awslambdaric([os.environ["LAMBDA_TASK_ROOT"], os.environ["_HANDLER"]])


if __name__ == "__main__":
    main()
