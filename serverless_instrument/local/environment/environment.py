"""One execution environment as its processes see it: what the three APIs do to its state."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serverless_instrument.local.environment import platform_events
from serverless_instrument.local.environment.sandbox_state import (
    INVOKE,
    READY,
    RUNNING,
    STARTED,
    ExtensionState,
    RefusedError,
    RuntimeState,
    validate_events,
)
from serverless_instrument.local.layer import MAX_EXTENSIONS

if TYPE_CHECKING:
    from serverless_instrument.local.changes import Changes
    from serverless_instrument.local.environment.invocation import Invocation
    from serverless_instrument.local.environment.platform_events import Event

# 6 MB and what the platform allows on top: the emulator's MaxPayloadSize.
MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100


@dataclass(frozen=True)
class Fatal:
    """Why an environment can serve no more: its first defect.

    `document` is the error document where the failing process wrote one itself.
    """

    error_type: str
    message: str
    document: bytes | None = None

    def answer(self, request_id: str) -> bytes:
        """The error document for the caller of `request_id`."""
        if self.document is not None:
            return self.document
        return platform_events.error_document(self.error_type, self.message, request_id)


@dataclass
class ExecutionEnvironment:
    """State of one environment, from its initialisation to its shutdown.

    The methods are the calls of the APIs. Each raises `RefusedError` where the contract says so.
    """

    function: dict[str, str]
    account_id: str
    changes: Changes
    runtime: RuntimeState = field(default_factory=RuntimeState)
    extensions: dict[str, ExtensionState] = field(default_factory=dict)
    invocation: Invocation | None = None
    fatal: Fatal | None = None
    registration_open: bool = True
    closed: bool = False
    _pending: Invocation | None = None

    def expect_extension(self, name: str) -> None:
        """An external extension's process is being started; only now may it register."""
        self.extensions[name] = ExtensionState(name, str(uuid.uuid4()), external=True)

    def external_registered(self) -> bool:
        """True once every external extension has registered."""
        return not any(
            extension.external and extension.state == STARTED
            for extension in self.extensions.values()
        )

    def extensions_ready(self) -> bool:
        """True while every extension waits in /next."""
        return all(extension.state == READY for extension in self.extensions.values())

    def fail(self, error_type: str, message: str, document: bytes | None = None) -> None:
        """Record a defect; the first one counts."""
        if self.fatal is None:
            self.fatal = Fatal(error_type, message, document)
        self.changes.notify()

    def release(self, invocation: Invocation) -> None:
        """Hand `invocation` to the extensions that subscribed and then to the runtime."""
        self.invocation = self._pending = invocation
        event: Event = {
            "eventType": INVOKE,
            "deadlineMs": invocation.deadline_unix_ms,
            "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.function_arn,
            "tracing": platform_events.tracing(invocation.trace_id),
        }
        for extension in self.extensions.values():
            extension.deliver(event)
        self.runtime.call("invoke")
        self.changes.notify()

    # Runtime API

    async def runtime_next(self) -> Invocation:
        """The next invocation, once there is one; the present one again while it runs."""
        self.runtime.call("next")
        if self.runtime.state == RUNNING and self.invocation is not None:
            return self.invocation
        self.changes.notify()
        await self.changes.until(lambda: self._pending is not None or self.closed)
        if self._pending is None:
            raise RefusedError("Sandbox.Closed", "the execution environment is shutting down", 500)
        invocation, self._pending = self._pending, None
        return invocation

    def runtime_response(self, request_id: str, body: bytes) -> None:
        """The function's result."""
        invocation = self._current(request_id)
        self.runtime.call("response")
        if len(body) > MAX_RESPONSE_BYTES:
            limit = f"exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
            message = f"Response payload size ({len(body)} bytes) {limit}"
            error_type = "Function.ResponseSizeTooLarge"
            document = platform_events.error_document(error_type, message, None)
            invocation.respond(document, is_error=True, error_type=error_type)
            self.changes.notify()
            limit = f"Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
            raise RefusedError("RequestEntityTooLarge", limit, 413)
        invocation.respond(body, is_error=False)
        self.changes.notify()

    def runtime_error(self, request_id: str, body: bytes, error_type: str | None) -> None:
        """The function's error."""
        invocation = self._current(request_id)
        self.runtime.call("error")
        invocation.respond(body, is_error=True, error_type=error_type or "Runtime.Unknown")
        self.changes.notify()

    def runtime_init_error(self, body: bytes, error_type: str | None) -> None:
        """The runtime could not initialise; `body` is the error document."""
        self.runtime.call("init/error")
        kind = error_type or "Runtime.Unknown"
        self.fail(kind, "the runtime reported an initialization error", body)

    def _current(self, request_id: str) -> Invocation:
        if self.invocation is None or self.invocation.request_id != request_id:
            raise RefusedError("InvalidRequestID", "Invalid request ID", 400)
        return self.invocation

    # Extensions API

    def register(self, name: str, body: bytes) -> ExtensionState:
        """Register the extension `name`; one that was not started by us is internal."""
        if not name:
            raise RefusedError("Extension.InvalidExtensionName", "Empty extension name")
        try:
            request = json.loads(body)
        except ValueError as error:
            raise RefusedError("InvalidRequestFormat", str(error)) from None
        if not isinstance(request, dict):
            raise RefusedError("InvalidRequestFormat", "the body must be a JSON object")
        extension = self.extensions.get(name)
        external = extension is not None and extension.external
        events = validate_events(request.get("events", []), external=external)
        if extension is None:
            extension = self._create_internal(name)
        elif not external:
            message = "Extension with this name already registered"
            raise RefusedError("Extension.InvalidExtensionState", message)
        extension.call("register")
        extension.events = events
        self.changes.notify()
        return extension

    def _create_internal(self, name: str) -> ExtensionState:
        if not self.registration_open:
            message = "Extension registration closed already"
            raise RefusedError("Extension.RegistrationClosed", message)
        if len(self.extensions) >= MAX_EXTENSIONS:
            message = f"Extension limit ({MAX_EXTENSIONS}) reached"
            raise RefusedError("Extension.TooManyExtensions", message)
        extension = ExtensionState(name, str(uuid.uuid4()), external=False)
        self.extensions[name] = extension
        return extension

    def identify(self, identifier: str, unknown: str = "") -> ExtensionState:
        """The extension that `identifier` was given to; `unknown` words the refusal."""
        if not identifier:
            message = "Missing Lambda-Extension-Identifier header"
            raise RefusedError("Extension.MissingExtensionIdentifier", message)
        try:
            wanted = str(uuid.UUID(identifier))
        except ValueError:
            message = "Invalid Lambda-Extension-Identifier"
            raise RefusedError("Extension.InvalidExtensionIdentifier", message) from None
        for extension in self.extensions.values():
            if extension.identifier == wanted and extension.state != STARTED:
                return extension
        message = unknown or f"Unknown extension {wanted}"
        raise RefusedError("Extension.UnknownExtensionIdentifier", message)

    async def extension_next(self, identifier: str) -> Event:
        """The next event for this extension, once there is one."""
        extension = self.identify(identifier)
        extension.call("next")
        self.changes.notify()
        await self.changes.until(lambda: extension.inbox is not None or self.closed)
        if extension.inbox is None:
            raise RefusedError("Sandbox.Closed", "the execution environment is shutting down", 500)
        event, extension.inbox = extension.inbox, None
        return event

    def extension_error(self, identifier: str, call: str, error_type: str) -> None:
        """An extension's ``init/error`` or ``exit/error``: the environment ends with it."""
        if identifier and not error_type:
            message = "Lambda-Extension-Function-Error-Type not found"
            raise RefusedError("Extension.MissingHeader", message)
        extension = self.identify(identifier, "Unknown Lambda-Extension-Identifier")
        extension.call(call)
        extension.error_type = error_type
        kind = "Extension.InitError" if call == "init/error" else "Extension.ExitError"
        self.fail(kind, f"extension {extension.name} reported {error_type}")
