"""Which of its keys a recorder signs with, and keys on tokens beside a running one."""

from pathlib import Path

import pytest

from attest.errors import AttestError, KeyFileError, MissingError
from attest.format.act import possession
from attest.format.bodies import UsageBody
from attest.format.key_acts import KeysBody, Rotate
from attest.format.vocabulary import Kind, Role
from attest.log.merkle import leaf_hash
from attest.record.chain import sign_next
from attest.record.closing import Window
from attest.record.local import LocalLog, Opened
from attest.record.spool import Spool
from attest.sign.hsm import TokenSigner
from attest.sign.signer import Signer
from attest.sign.token_uri import parse_token_uri
from attest.store.writer import LogWriter
from tests.collect.test_import import HOST, START, Site, signer, site
from tests.record import rig as rigs
from tests.record.rig import MINUTE, WINDOW, Rig
from tests.record.test_recorder import missing, require_all
from tests.sign.softhsm import Tokens

__all__ = ["site"]  # a fixture


def unplugged() -> Signer:
    raise KeyFileError("key/token", "n1 on lab: one token is wanted, there is none")


def absent() -> Signer:
    raise MissingError("key/unreadable", "next.key: no such file")


def stranger() -> Signer:
    return signer("stranger")


def host() -> Signer:
    return signer("host")


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ([host, stranger, unplugged, absent], None),
        ([unplugged, absent, stranger, host], None),  # the token of a key that was rotated away is in a drawer
        ([unplugged, stranger], "key/token"),  # and this is why nothing is signed, not the key that comes next
        ([stranger, unplugged, absent], "key/token"),
        ([absent, stranger], "key/not-enrolled"),
        ([absent], "key/unreadable"),
    ],
)
def test_the_first_key_that_opens_and_that_the_log_takes(
    site: Site, tmp_path: Path, keys: list[Opened], code: str | None
) -> None:
    local = LocalLog(
        site.log, keys, Spool(tmp_path / "spool", 1 << 20), Window(MINUTE, WINDOW, 86_400), tmp_path / "c", None
    )
    with LogWriter.open(site.log) as log:
        if code is None:
            assert local._signer(log).public_key() == host().public_key()
        else:
            with pytest.raises(AttestError) as caught:
                local._signer(log)
            assert caught.value.code == code


def test_a_running_recorder_goes_on_with_a_key_on_a_token(
    site: Site, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is rotated to while it samples; then the token is pulled out for a moment, and later for some minutes."""
    uri = parse_token_uri(tokens.generate("recorder"))
    out = False

    def named(name: str) -> Signer:
        if name == "next" and out:
            return unplugged()
        return TokenSigner(uri) if name == "next" else signer(name)

    def rotate() -> None:
        key = TokenSigner(uri)
        new = key.public_key()
        with LogWriter.open(site.log) as log:
            proof = key.sign(possession(leaf_hash(log.entry(0)), HOST, Role.HOST, int(new.alg), new.raw))
            act = Rotate(int(new.alg), new.raw, proof)
            sign_next(log, signer("host"), Kind.KEYS, KeysBody((act,)), START + 12 * MINUTE)

    def pull(gone: bool) -> None:
        nonlocal out
        out = gone
        tokens.lose_sessions()

    monkeypatch.setattr(rigs, "signer", named)
    rig = Rig.of(site.path, 42)
    rig.clock.at = {
        12 * MINUTE + 20: rotate,
        15 * MINUTE: lambda: pull(False),
        19 * MINUTE: lambda: pull(True),
        25 * MINUTE: lambda: pull(False),
    }
    rig.run()
    require_all(site, 1, 40)
    assert missing(site) == []
    bodies = [type(signed.statement.body) for _, signed in site.entries(HOST)]
    assert bodies == [UsageBody, KeysBody, UsageBody, UsageBody, UsageBody]
    public = TokenSigner(uri).public_key()
    assert {signed.header.kid for _, signed in site.entries(HOST)[2:]} == {public.thumbprint}
