"""The state of one execution environment, and the API calls that change it."""

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
from serverless_instrument.local.function.layer import MAX_EXTENSIONS

if TYPE_CHECKING:
    from serverless_instrument.local.environment.invocation import Invocation
    from serverless_instrument.local.environment.platform_events import Event
    from serverless_instrument.local.function.changes import Changes

# 6 MB plus the platform's allowance: MaxPayloadSize of AWS's runtime interface emulator.
MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100


@dataclass(frozen=True)
class EnvironmentFailure:
    """The first defect of an environment, which ends it.

    `document` is the error document of the failing process, None where it sent none.
    """

    error_type: str
    message: str
    document: bytes | None = None

    def to_document(self, request_id: str) -> bytes:
        """The error document for the caller of `request_id`."""
        if self.document is not None:
            return self.document
        return platform_events.error_document(self.error_type, self.message, request_id)


@dataclass
class ExecutionEnvironment:
    """State of one environment from its initialization to its shutdown.

    Each method is an API call or a step of the platform; a call that the contract refuses raises
    `RefusedError`.
    """

    function: dict[str, str]
    account_id: str
    changes: Changes
    runtime: RuntimeState = field(default_factory=RuntimeState)
    extensions: dict[str, ExtensionState] = field(default_factory=dict)
    invocation: Invocation | None = None
    failure: EnvironmentFailure | None = None
    registration_open: bool = True
    closed: bool = False
    _pending: Invocation | None = None

    def expect_extension(self, name: str) -> None:
        """Let the external extension `name` register: its process is about to start."""
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

    def record_failure(self, error_type: str, message: str, document: bytes | None = None) -> None:
        """Record a defect; later ones are ignored."""
        if self.failure is None:
            self.failure = EnvironmentFailure(error_type, message, document)
        self.changes.notify_waiters()

    def release_invocation(self, invocation: Invocation) -> None:
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
            extension.deliver_event(event)
        self.runtime.apply_call("invoke")
        self.changes.notify_waiters()

    # Runtime API

    async def runtime_next(self) -> Invocation:
        """Wait for the next invocation; while one runs, return that one again."""
        self.runtime.apply_call("next")
        if self.runtime.state == RUNNING and self.invocation is not None:
            return self.invocation
        self.changes.notify_waiters()
        await self.changes.wait_until(lambda: self._pending is not None or self.closed)
        if self._pending is None:
            raise RefusedError("Sandbox.Closed", "the execution environment is shutting down", 500)
        invocation, self._pending = self._pending, None
        return invocation

    def runtime_response(self, request_id: str, body: bytes) -> None:
        """Record the function's result; one over `MAX_RESPONSE_BYTES` becomes an error."""
        invocation = self._find_invocation(request_id)
        self.runtime.apply_call("response")
        if len(body) > MAX_RESPONSE_BYTES:
            limit = f"exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
            message = f"Response payload size ({len(body)} bytes) {limit}"
            error_type = "Function.ResponseSizeTooLarge"
            document = platform_events.error_document(error_type, message, None)
            invocation.record_response(document, is_error=True, error_type=error_type)
            self.changes.notify_waiters()
            limit = f"Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
            raise RefusedError("RequestEntityTooLarge", limit, 413)
        invocation.record_response(body, is_error=False)
        self.changes.notify_waiters()

    def runtime_error(self, request_id: str, body: bytes, error_type: str | None) -> None:
        """Record the function's error document."""
        invocation = self._find_invocation(request_id)
        self.runtime.apply_call("error")
        invocation.record_response(body, is_error=True, error_type=error_type or "Runtime.Unknown")
        self.changes.notify_waiters()

    def runtime_init_error(self, body: bytes, error_type: str | None) -> None:
        """Record that the runtime could not initialize; `body` is its error document."""
        self.runtime.apply_call("init/error")
        kind = error_type or "Runtime.Unknown"
        self.record_failure(kind, "the runtime reported an initialization error", body)

    def _find_invocation(self, request_id: str) -> Invocation:
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
        extension.apply_call("register")
        extension.events = events
        self.changes.notify_waiters()
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

    def find_extension(self, identifier: str, unknown: str = "") -> ExtensionState:
        """The extension with this identifier; `unknown` is the message where there is none."""
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
        """Wait for the next event for this extension."""
        extension = self.find_extension(identifier)
        extension.apply_call("next")
        self.changes.notify_waiters()
        await self.changes.wait_until(lambda: extension.inbox is not None or self.closed)
        if extension.inbox is None:
            raise RefusedError("Sandbox.Closed", "the execution environment is shutting down", 500)
        event, extension.inbox = extension.inbox, None
        return event

    def extension_error(self, identifier: str, call: str, error_type: str) -> None:
        """Record an extension's ``init/error`` or ``exit/error``, which ends the environment."""
        if identifier and not error_type:
            message = "Lambda-Extension-Function-Error-Type not found"
            raise RefusedError("Extension.MissingHeader", message)
        extension = self.find_extension(identifier, "Unknown Lambda-Extension-Identifier")
        extension.apply_call(call)
        extension.error_type = error_type
        kind = "Extension.InitError" if call == "init/error" else "Extension.ExitError"
        self.record_failure(kind, f"extension {extension.name} reported {error_type}")
