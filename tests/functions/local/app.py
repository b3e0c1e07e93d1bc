"""Small handlers for the tests of the local Lambda; the event says what to do."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.request

logging.getLogger().setLevel(logging.INFO)


def echo(event, context):
    return event


def describe(event, context):
    return {
        "arn": context.invoked_function_arn,
        "client_context": context.client_context and context.client_context.custom,
        "cwd": os.getcwd(),
        "environment": dict(os.environ),
        "memory": context.memory_limit_in_mb,
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "path": sys.path,
    }


def write(event, context):
    print("first line")
    print("two", "words")
    logging.info("logged\nover two lines")
    os.write(1, b"raw to stdout\n")
    os.write(2, b"raw to stderr, no newline")
    return None


def json_line(event, context):
    print(json.dumps({"level": "INFO", "message": "structured"}))


def fail(event, context):
    raise ValueError("on purpose")


def leave(event, context):
    print("last words", flush=True)
    if event == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(event)


def sleep(event, context):
    print("going to sleep")
    time.sleep(event)
    return "awake"


def on_sigterm(event, context):
    def note(number, frame):
        os.write(1, b"got SIGTERM\n")
        sys.exit(0)

    signal.signal(signal.SIGTERM, note)
    time.sleep(60)


def large(event, context):
    return "x" * event


_ticks = None


def start_ticking(event, context):
    """Leave a child and a thread's worth of work behind that only a freeze can stop."""
    global _ticks
    _ticks = subprocess.Popen(
        ["sh", "-c", f"while :; do echo tick >> {event}; sleep 0.02; done"],
        start_new_session=True,
    )
    return _ticks.pid


def call_api(event, context):
    """Send requests to the Runtime API from inside an invocation: [[method, path, headers, body]]."""
    answers = []
    for method, path, headers, body in event:
        request = urllib.request.Request(
            f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}{path}",
            data=body.encode() if body is not None else None,
            headers=headers,
            method=method,
        )
        try:
            with urllib.request.urlopen(request) as response:
                answers.append([response.status, dict(response.headers), response.read().decode()])
        except urllib.error.HTTPError as error:
            answers.append([error.code, dict(error.headers), error.read().decode()])
    return answers


def sleep_with_pid(event, context):
    with open(os.environ["PID_FILE"], "w") as file:
        file.write(str(os.getpid()))
    time.sleep(25)


def flood(event, context):
    while True:
        sys.stdout.write("x" * 100 + "\n")


def log_stream(event, context):
    return context.log_stream_name


def allocate(event, context):
    """Take `event` megabytes, page by page, no faster than anybody can look."""
    taken = []
    for _ in range(event):
        taken.append(b"x" * (1 << 20))
        time.sleep(0.001)
    return len(taken)


def allocate_in_a_child(event, context):
    """The same in a child process."""
    code = f"import time\nx = []\nfor _ in range({event}): x.append(b'x' * (1 << 20)); time.sleep(0.001)"
    return subprocess.run([sys.executable, "-c", code]).returncode
