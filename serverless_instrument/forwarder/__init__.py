"""The companion process, an external Lambda extension: standard library only, light to start."""
