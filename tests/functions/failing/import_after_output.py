"""Uses the runtime client's hooks at import."""

import logging

logging.getLogger().setLevel(logging.INFO)
logging.info("importing")
print("importing", flush=True)
raise RuntimeError("after some output")
