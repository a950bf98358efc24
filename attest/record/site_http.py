"""A site over HTTPS, with the host's own certificate (schemas/site.md)."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn

from attest.collect.fetch import Fetcher, Reply
from attest.errors import CollectError, LogError
from attest.format.roster import MAX_ROSTER
from attest.format.upload import CONTENT_TYPE, Item, format_upload
from attest.inventory.ledger import Range
from attest.record.site import (
    PREFIX,
    About,
    Answer,
    State,
    parse_about,
    parse_answer,
    parse_off,
    parse_refusal,
    parse_state,
    source_id,
)

SECONDS: Final = 120.0  # of one reply: a day of samples over a slow line
JSON: Final = "application/json"
TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"
BUSY: Final = frozenset({429, 503})
ANSWERED: Final = frozenset({200, 403, 409})  # an upload was looked at, up to the statement that was refused
REFUSED: Final = frozenset({400, 403, 404, 408, 411, 413, 415, 429, 503})


class HttpSite:
    """One source's way to its site; used from one thread at a time."""

    def __init__(self, url: str, source: str, ca: str, cert: tuple[str, str]) -> None:
        """Raises MissingError where a package or a certificate is."""
        self._fetcher = Fetcher(seconds=SECONDS, limit=MAX_ROSTER, ca=ca, cert=cert)
        self._base = url.rstrip("/") + PREFIX
        self._mine = f"{self._base}/sources/{source_id(source)}"

    def about(self) -> About:
        return parse_about(self._get(f"{self._base}/log", JSON).body)

    def genesis(self) -> bytes:
        return self._get(f"{self._base}/genesis", BYTES).body

    def roster(self, digest: bytes) -> bytes:
        return self._get(f"{self._base}/rosters/{digest.hex()}", BYTES).body

    def growth(self, old: int) -> bytes | None:
        reply = self._get(f"{self._base}/checkpoint?old={old}", TEXT, {204})
        return reply.body if reply.status == 200 else None

    def state(self) -> State:
        return parse_state(self._get(self._mine, JSON).body)

    def planned_off(self) -> dict[str, list[Range]]:
        return parse_off(self._get(f"{self._mine}/off", JSON).body)

    def entry(self, seq: int) -> bytes:
        return self._get(f"{self._mine}/entries/{seq}", BYTES).body

    def receipt(self, seq: int) -> bytes | None:
        reply = self._get(f"{self._mine}/receipts/{seq}", TEXT, {204})
        return reply.body if reply.status == 200 else None

    def hand_on(self, items: Sequence[Item]) -> Answer:
        url = f"{self._mine}/entries"
        with _reached():
            reply = self._fetcher.post(url, format_upload(items), CONTENT_TYPE, {JSON}, statuses=ANSWERED | REFUSED)
        if reply.status not in ANSWERED:
            _refused(reply)
        return parse_answer(reply.body)

    def close(self) -> None:
        """Ends the connection."""
        self._fetcher.close()

    def _get(self, url: str, kind: str, statuses: Collection[int] = frozenset()) -> Reply:
        with _reached():
            types = {kind, JSON, ""}  # a refusal is JSON, no content has no type
            reply = self._fetcher.get(url, types, statuses={200, *statuses} | REFUSED)
        if reply.status in REFUSED:
            _refused(reply)
        return reply


@contextmanager
def _reached() -> Iterator[None]:
    """What keeps a request from being answered is for another time."""
    try:
        yield
    except CollectError as error:
        hint = "what is signed waits in the outbox, what is sampled in the spool"
        raise LogError("remote/unreachable", str(error.detail), hint=hint) from error


def _refused(reply: Reply) -> NoReturn:
    code, detail = parse_refusal(reply.body)
    if reply.status in BUSY:
        raise LogError("remote/busy", f"{reply.endpoint}: {code}: {detail}", hint="it is tried again")
    raise LogError("remote/refused", f"{reply.endpoint} answers {reply.status}: {code}: {detail}")
