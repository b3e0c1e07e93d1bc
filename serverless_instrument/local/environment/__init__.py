"""One execution environment: processes, init, invocations, freeze, deadline, memory."""
