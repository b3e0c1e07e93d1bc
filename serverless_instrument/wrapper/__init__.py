"""The part that runs inside the Lambda runtime process."""

try:
    from serverless_instrument import bundles

    bundles.install("wrapper")
    bundles.append_vendored_to_path()
except Exception:
    pass
