"""The client of an S3 server, and what its errors are called.

Region, endpoint and credentials are what boto3 finds for itself (its environment variables, its files, the machine's
role); none is an argument here, and none gets into an error. A request is sent at most ATTEMPTS times.

    archive/unreachable   no answer, a broken one, or a server's failure (5xx): do it again later
    archive/denied        no credentials, or they may not do this
    archive/full          the server or a quota is full
    archive/missing       no such key or version (MissingError)
    archive/store         no such bucket, or an answer that this program has no use for
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from importlib import import_module
from typing import Any, Final

from attest.archive.objects import LOST
from attest.errors import ArchiveError, MissingError

ATTEMPTS: Final = 4
CONNECT: Final = 10  # seconds to wait for a connection
ANSWER: Final = 60  # seconds without a byte
MAX_REASON: Final = 200  # characters of what a server or client says

_DENIED: Final = ("AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch")
_FULL: Final = ("QuotaExceeded", "XMinioStorageFull")
_AGAIN: Final = ("BadDigest", "IncompleteBody", "RequestTimeout", "SlowDown", "TooManyRequests")
_MISSING: Final = ("404", "NoSuchKey", "NoSuchVersion")  # an answer to HEAD has a status only
_FAILED: Final = {status for status in range(500, 600) if status != HTTPStatus.NOT_IMPLEMENTED}
_HINTS: Final = {
    "archive/denied": "see which credentials boto3 finds (AWS_PROFILE, AWS_ACCESS_KEY_ID), and what they may do",
    "archive/full": "make room on the server and do it again: what was stored is whole",
    "archive/store": "name a bucket that is there: s3://bucket/prefix, at the endpoint AWS_ENDPOINT_URL",
    "archive/unreachable": "see that the server is up (AWS_ENDPOINT_URL) and do it again: what was stored is whole",
}


def connect() -> Any:
    """A client of S3. Raises ArchiveError `archive/package`, `archive/store`."""
    session, configs = _imported("boto3.session"), _imported("botocore.config")
    config = configs.Config(
        connect_timeout=CONNECT,
        read_timeout=ANSWER,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # Checksums of S3's newer kind: many a server answers them with an error. Content-MD5 guards the way there.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    with failures("S3"):
        return session.Session().client("s3", config=config)


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        hint = "pip install 'compute-attest[s3]'"
        raise ArchiveError("archive/package", f"an S3 store needs the package {error.name}", hint=hint) from error


@contextmanager
def failures(where: str) -> Iterator[None]:
    """Turns what boto3 raises into ArchiveError about a place. Raises ArchiveError `archive/package` without boto3."""
    raised = _imported("botocore.exceptions")
    try:
        yield
    except raised.ClientError as error:
        raise _answered(where, error.response) from error
    except (raised.NoCredentialsError, raised.PartialCredentialsError, raised.CredentialRetrievalError) as error:
        raise _told("archive/denied", where, str(error)) from error
    except (raised.ConnectionError, raised.HTTPClientError, raised.IncompleteReadError) as error:
        raise _told("archive/unreachable", where, str(error)) from error
    except (raised.BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
        raise _told("archive/store", where, str(error)) from error


def _answered(where: str, response: Any) -> ArchiveError | MissingError:
    """An error for an answer of the server that is one."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code, message = (str(response.get("Error", {}).get(key) or "") for key in ("Code", "Message"))
    said = f"the server says {status} {code}: {message}" if message else f"the server says {status} {code}"
    if code in _MISSING:
        return MissingError("archive/missing", f"{where}: {_line(said)}", hint=LOST)
    if code in _FULL or status == HTTPStatus.INSUFFICIENT_STORAGE:
        return _told("archive/full", where, said)
    if code in _DENIED or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _told("archive/denied", where, said)
    if code in _AGAIN or status == HTTPStatus.TOO_MANY_REQUESTS or status in _FAILED:
        return _told("archive/unreachable", where, said)
    return _told("archive/store", where, said)


def _told(code: str, where: str, said: str) -> ArchiveError:
    return ArchiveError(code, f"{where}: {_line(said)}", hint=_HINTS[code])


def _line(said: str) -> str:
    return " ".join(said.split())[:MAX_REASON]
