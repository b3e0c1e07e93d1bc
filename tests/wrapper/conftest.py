from __future__ import annotations

from hypothesis import settings

# A time limit per example measures the machine's other load, not the code.
settings.register_profile("serverless_instrument", deadline=None)
settings.load_profile("serverless_instrument")
