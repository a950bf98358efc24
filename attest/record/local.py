"""The recorder's own log, a directory on this machine: closed into, and sealed.

The log is opened for each piece of work and given back, so that others can write to it in between. Of the keys that
are named the first that the log takes for its next entry signs: after `attest key rotate` that is the next one, and no
interval is lost in between, because what was sampled waits in the spool.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from attest.errors import KeyFileError, MissingError
from attest.format.vocabulary import Role
from attest.record.chain import key_record, keyring, outbox_of
from attest.record.closing import Closed, Sign, State, Window, close_windows, seal
from attest.record.meters import Meter, close_meter
from attest.record.spool import Frame, Spool
from attest.record.target import Target
from attest.sign.signer import Signer
from attest.store.writer import LogWriter

_log = logging.getLogger("attest.record")

Opened = Callable[[], Signer]


class LocalLog:
    """`keys` open the source's key and those that follow it; `sign` makes a checkpoint, None where others seal. In the
    folder `state` it is kept why intervals are missing. With `meter` it is a meter's, else a host's."""

    def __init__(
        self,
        path: Path,
        keys: Sequence[Opened],
        spool: Spool,
        window: Window,
        state: Path,
        sign: Sign | None,
        meter: Meter | None = None,
    ) -> None:
        self._path, self._keys, self._spool = path, keys, spool
        self._window, self._state, self._sign, self._meter = window, state, sign, meter

    def close(self, now_ms: int, waiting: Sequence[Frame]) -> Closed:
        """Sign what is due. Raises AttestError."""
        with LogWriter.open(self._path) as log:
            target = self._target(log, self._signer(log))
            with outbox_of(log, target.source) as box:
                if target.settle(box):
                    _log.warning("statement of a recorder that died was signed and appended")
                    target = self._target(log, target.signer)
                state, spool = State(box, self._state / "causes.jsonl"), self._spool
                if self._meter is not None:
                    return close_meter(target, spool, waiting, self._window, self._meter, now_ms, state)
                return close_windows(target, spool, waiting, self._window, now_ms, state)

    def seal(self) -> int:
        """Publish what is pending, if it is this process that seals; the log's size. Raises AttestError."""
        with LogWriter.open(self._path, read_only=self._sign is None) as log:
            return log.size if self._sign is None else seal(log, self._sign)

    def _target(self, log: LogWriter, signer: Signer) -> Target:
        if self._meter is None:
            return Target(log, signer, Role.HOST, None, None)
        return Target(log, signer, Role.METER, self._meter.source, self._meter.issuer)

    def _signer(self, log: LogWriter) -> Signer:
        """The first key that opens and that the log takes: the token of one that was rotated away may be gone.

        Raises KeyFileError of one that does not open, else of the last one that the log refuses, else MissingError.
        """
        ring = keyring(log)
        shut: KeyFileError | None = None
        refused: KeyFileError | None = None
        for opened in self._keys:
            try:
                signer = opened()
            except MissingError:
                continue
            except KeyFileError as error:
                shut = error
                continue
            if self._meter is not None and self._meter.issuer is not None:
                return signer  # the agreement alone names it
            try:
                key_record(log, ring, signer.public_key())
            except KeyFileError as error:
                refused = error
            else:
                return signer
        raise shut or refused or MissingError("key/unreadable", "none of the keys that are named is there")
