"""AWS credentials of the function's role. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_REMEDY = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (Lambda does, for the function's role)"


class Credentials:
    """An access key; `session_token` is "" for one that does not expire."""

    __slots__ = ("access_key_id", "secret_access_key", "session_token")

    def __init__(self, access_key_id: str, secret_access_key: str, session_token: str = "") -> None:
        self.access_key_id = access_key_id
        self.secret_access_key = secret_access_key
        self.session_token = session_token


def from_environ(environ: Mapping[str, str]) -> tuple[Credentials | None, str]:
    """(credentials, "") or (None, what is missing, and the remedy).

    Lambda sets these variables and they last as long as the environment
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
    """
    key = environ.get("AWS_ACCESS_KEY_ID", "").strip()
    secret = environ.get("AWS_SECRET_ACCESS_KEY", "").strip()
    token = environ.get("AWS_SESSION_TOKEN", "").strip()
    if not key or not secret:
        return None, f"AWS credentials are not in the environment: {_REMEDY}"
    if not (key + token).isascii() or not (key + token).isprintable():
        return None, f"AWS credentials cannot stand in a header: {_REMEDY}"
    return Credentials(key, secret, token), ""
