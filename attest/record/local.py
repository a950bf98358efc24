"""The recorder's own log, a directory on this machine: closed into, and sealed.

The log is opened for each piece of work and given back, so that others can write to it in between. Of the keys that
are named the first that the log takes for its next entry signs: after `attest key rotate` that is the next one, and no
interval is lost in between, because what was sampled waits in the spool.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from attest.errors import KeyFileError, MissingError
from attest.record.chain import key_record, keyring
from attest.record.closing import Closed, Sign, State, Window, close_windows, seal
from attest.record.spool import Frame, Spool
from attest.sign.signer import Signer
from attest.store.outbox import Outbox
from attest.store.writer import LogWriter

Opened = Callable[[], Signer]


class LocalLog:
    """`keys` open the source's key and those that follow it; `sign` makes a checkpoint, None where others seal. In the
    folder `state` are the outbox and why intervals are missing."""

    def __init__(
        self, path: Path, keys: Sequence[Opened], spool: Spool, window: Window, state: Path, sign: Sign | None
    ) -> None:
        self._path, self._keys, self._spool = path, keys, spool
        self._window, self._state, self._sign = window, state, sign

    def close(self, now_ms: int, waiting: Sequence[Frame]) -> Closed:
        """Sign what is due. Raises AttestError."""
        with LogWriter.open(self._path) as log, Outbox(self._state / "outbox") as box:
            state = State(box, self._state / "causes.jsonl")
            return close_windows(log, self._signer(log), self._spool, waiting, self._window, now_ms, state)

    def seal(self) -> int:
        """Publish what is pending, if it is this process that seals; the log's size. Raises AttestError."""
        with LogWriter.open(self._path, read_only=self._sign is None) as log:
            return log.size if self._sign is None else seal(log, self._sign)

    def _signer(self, log: LogWriter) -> Signer:
        """The first key that the log takes. Raises KeyFileError of the last one, MissingError where none is there."""
        ring, refused = keyring(log), None
        for opened in self._keys:
            with suppress(MissingError):
                signer = opened()
                try:
                    key_record(log, ring, signer.public_key())
                except KeyFileError as error:
                    refused = error
                else:
                    return signer
        raise refused or MissingError("key/unreadable", "none of the keys that are named is there")
