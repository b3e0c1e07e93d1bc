"""Lambda's Telemetry API: subscription, listener, platform events, log lines."""
