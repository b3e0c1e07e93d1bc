"""Tells what a function can see of the process it runs in."""

import errno
import logging
import os
import signal
import sys
import threading

MODULES_AT_IMPORT = sorted(sys.modules)
HANDLER_AT_IMPORT = os.environ.get("_HANDLER")


def look(event, context):
    return {
        "environ": dict(os.environ),
        "path": sys.path,
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "executable": sys.executable,
        "flags": list(sys.flags),
        "directory": os.getcwd(),
        "main": sys.modules["__main__"].__file__,
        "module": __name__,
        "file": __file__,
        "modules": MODULES_AT_IMPORT,
        "handler_at_import": HANDLER_AT_IMPORT,
        "threads": threading.active_count(),
        "handlers": [type(handler).__name__ for handler in logging.getLogger().handlers],
        "level": logging.getLogger().level,
        "signals": {
            str(number): str(signal.getsignal(number)) for number in signal.valid_signals()
        },
        "stdout": type(sys.stdout).__name__,
        "excepthook": sys.excepthook is sys.__excepthook__,
        "context": sorted(vars(context)),
        "event": event,
    }


def write_to_opt(event, context):
    try:
        open("/opt/python/probe", "w").close()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "written"


def where_is_our_package(event, context):
    import serverless_instrument

    return serverless_instrument.__file__


def use_own_path(event, context):
    import extra

    return extra.WORD
