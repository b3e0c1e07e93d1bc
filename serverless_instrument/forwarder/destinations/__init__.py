"""Where telemetry goes: endpoints, headers, secrets, proxies, AWS credentials."""
