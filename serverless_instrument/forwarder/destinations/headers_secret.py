"""Headers kept in AWS Secrets Manager or Systems Manager: requests and answers. Pure.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html and
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
"""

from __future__ import annotations

from serverless_instrument.forwarder.destinations import headers, url
from serverless_instrument.forwarder.destinations.destination import Destination

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SECRETS_MANAGER, PARAMETER_STORE = "secretsmanager", "ssm"
_OPERATIONS = {
    SECRETS_MANAGER: "secretsmanager.GetSecretValue",
    PARAMETER_STORE: "AmazonSSM.GetParameter",
}
_OVERRIDES = {
    SECRETS_MANAGER: "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    PARAMETER_STORE: "AWS_ENDPOINT_URL_SSM",
}
_FORMS = 'store name=value,name=value or a JSON object such as {"api-key": "..."}'


class SecretError(OSError):
    """The headers cannot be read; the message names the ARN and never a value."""


def parse_arn(arn: str) -> tuple[str, str] | None:
    """(service, region) of a secret's or a parameter's ARN, None for anything else."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or not arn.isascii() or not arn.isprintable():
        return None
    service, region, resource = parts[2], parts[3], parts[5]
    kind = {SECRETS_MANAGER: "secret:", PARAMETER_STORE: "parameter/"}.get(service)
    if kind is None or not resource.startswith(kind) or not resource[len(kind) :]:
        return None
    # It becomes part of a host's name.
    if '"' in arn or "\\" in arn or not region.replace("-", "").isalnum():
        return None
    return service, region


def endpoint(arn: str, environ: Mapping[str, str]) -> Destination:
    """Where `arn` is asked for; ``AWS_ENDPOINT_URL[_<SERVICE>]`` as the AWS SDKs read it."""
    service, region = parse_arn(arn) or ("", "")
    found = Destination("headers secret")
    suffix = "amazonaws.com.cn" if arn.startswith("arn:aws-cn:") else "amazonaws.com"
    standard = f"https://{service}.{region}.{suffix}"
    override = environ.get(_OVERRIDES[service], "") or environ.get("AWS_ENDPOINT_URL", "")
    parts = url.split(override.strip()) or url.split(standard)
    assert parts is not None
    found.secure, found.host, found.port, path = parts
    found.path = path if path.startswith("/") else f"/{path}"
    found.certificate = environ.get("AWS_CA_BUNDLE", "")
    found.aws = service, region
    return found


def request(arn: str, where: Destination) -> tuple[dict[str, str], bytes]:
    """(headers, body) of the request for `arn`, not signed yet."""
    service = (where.aws or ("", ""))[0]
    # An ARN that `parse_arn` takes needs no escapes.
    if service == SECRETS_MANAGER:
        body = f'{{"SecretId":"{arn}"}}'
    else:
        body = f'{{"Name":"{arn}","WithDecryption":true}}'
    return {
        "host": where.authority(),
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": _OPERATIONS[service],
        "content-length": str(len(body)),
    }, body.encode()


def answered(arn: str, status: int, body: bytes) -> dict[str, str]:
    """The headers that an answer holds.

    Raises:
        SecretError: it is a refusal, or holds none.
    """
    from serverless_instrument.forwarder.codec.json_text import loads

    try:
        document = loads(body.decode())
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise SecretError(f"{arn} cannot be read: HTTP {status}")
    if status != 200:
        kind = str(document.get("__type", "")).rpartition("#")[2]
        message = str(document.get("message") or document.get("Message") or "")
        shown = "".join([c if c.isprintable() else " " for c in f"{kind} {message}"[:200]]).strip()
        raise SecretError(f"{arn} cannot be read: HTTP {status}: {shown}")
    parameter = document.get("Parameter")
    if isinstance(parameter, dict):
        text = parameter.get("Value")
    elif isinstance(document.get("SecretBinary"), str):
        text = _decoded(document["SecretBinary"])
    else:
        text = document.get("SecretString")
    found = from_text(text) if isinstance(text, str) else {}
    if not found:
        raise SecretError(f"{arn} holds no headers: {_FORMS}")
    return found


def _decoded(text: str) -> str:
    from binascii import a2b_base64

    try:
        return a2b_base64(text).decode()
    except ValueError:
        return ""


def from_text(text: str) -> dict[str, str]:
    """The headers that a secret's text holds, lower-case; {} if any is of no use.

    The text is a JSON object of strings, or ``name=value,name=value``.
    """
    if not text.strip().startswith("{"):
        fields, problems = headers.parse(text.strip())
        return {} if problems else fields
    from serverless_instrument.forwarder.codec.json_text import loads

    try:
        document = loads(text)
    except ValueError:
        return {}
    fields = {}
    for name, value in document.items() if isinstance(document, dict) else ():
        if not isinstance(value, str) or not headers.usable(name.strip().lower(), value.strip()):
            return {}
        fields[name.strip().lower()] = value.strip()
    return fields
