"""Keys on a token: they sign what the verifier takes, say what is wrong, and survive a token that comes and goes."""

import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, exceptions
from pkcs11.util.ec import decode_ec_public_key

from attest.errors import AttestError, KeyFileError, MissingError
from attest.sign import hsm
from attest.sign.hsm import PIN_VARIABLE, TokenSigner
from attest.sign.seeded import seeded_key
from attest.sign.token_uri import parse_token_uri
from attest.trust.keys import CURVES, Alg
from tests.sign.softhsm import PIN, Tokens

ALGORITHMS = [Alg.ED25519, Alg.ESP256, Alg.ESP384]


def signer(uri: str) -> TokenSigner:
    return TokenSigner(parse_token_uri(uri))


def refused(act: Callable[[], object]) -> AttestError:
    """The error of it, which does not have the PIN anywhere: not in its words, and not in what led to it."""
    with pytest.raises((KeyFileError, MissingError)) as caught:
        act()
    error = caught.value
    said = [*traceback.format_exception(error), error.hint, repr(error.args), repr(vars(error))]
    assert not any(PIN in text for text in said)
    return error


@pytest.fixture(autouse=True)
def nothing_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hsm, "_refused", set())


@pytest.fixture(scope="module")
def uris(tokens: Tokens) -> dict[Alg, str]:
    """A key of each algorithm; not to be removed."""
    return {alg: tokens.generate(f"fixed-{alg.name}", alg) for alg in ALGORITHMS}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_it_signs_verifies(uris: dict[Alg, str], alg: Alg) -> None:
    key = signer(uris[alg])
    assert key.public_key().alg is alg
    for i in range(20):  # of ECDSA signatures every second one has to be turned to its low s
        message = bytes([i]) * i
        signature = key.sign(message)
        key.public_key().verify(signature, message)
        if alg in CURVES:
            assert int.from_bytes(signature[len(signature) // 2 :], "big") <= CURVES[alg].order // 2


def test_a_private_key_does_not_leave_its_token(tokens: Tokens) -> None:
    """What the tests sign with is no key that was brought in: the token made it and does not give it."""
    tokens.generate("stays")
    with tokens.session() as session:
        (key,) = session.get_objects({Attribute.LABEL: "stays", Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        with pytest.raises(exceptions.AttributeSensitive):
            key[Attribute.VALUE]


def test_a_key_is_found_by_every_name_that_it_has(tokens: Tokens, uris: dict[Alg, str]) -> None:
    public = signer(uris[Alg.ED25519]).public_key()
    token = pkcs11.lib(str(tokens.module)).get_token(token_label="lab")
    serial, slot = token.serial.decode(), token.slot.slot_id
    by_id = "%66ixed-ED25519"
    for path in (
        f"token=lab;id={by_id}",
        f"token=lab;id={by_id};object=fixed-ED25519;type=private",
        f"serial={serial};object=fixed-ED25519",
        f"token=lab;manufacturer=SoftHSM%20project;model=SoftHSM%20v2;slot-id={slot};object=fixed-ED25519",
    ):
        assert signer(tokens.uri(path)).public_key() == public


def test_the_pin_may_stand_in_the_environment(
    tokens: Tokens, uris: dict[Alg, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens.lose_sessions()
    uri = uris[Alg.ED25519].partition("&")[0]
    assert refused(lambda: signer(uri)).code == "key/pin"
    monkeypatch.setenv(PIN_VARIABLE, PIN)
    signer(uri).sign(b"m")


@pytest.mark.parametrize(
    ("path", "code", "says"),
    [
        ("token=none;object=fixed-ED25519", "key/token", "none"),
        ("object=fixed-ED25519", "key/token", "2 of them"),
        ("serial=0000;object=fixed-ED25519", "key/token", "none"),
        ("token=lab;slot-id=99;object=fixed-ED25519", "key/token", "none"),
        ("token=lab;object=none", "key/object", "none"),
        ("token=lab;id=%00", "key/object", "none"),
        ("token=lab;object=fixed-ED25519;id=%00", "key/object", "none"),
        ("token=other;object=fixed-ED25519", "key/object", "none"),
    ],
)
def test_a_token_or_key_that_is_not_the_one(
    tokens: Tokens, uris: dict[Alg, str], path: str, code: str, says: str
) -> None:
    error = refused(lambda: signer(tokens.uri(path)))
    assert error.code == code
    assert says in error.detail
    assert error.hint


@pytest.mark.parametrize("content", [None, b"", b"no library\n"])
def test_a_module_that_is_none(tokens: Tokens, tmp_path: Path, content: bytes | None) -> None:
    module = tmp_path / "module.so"
    if content is not None:
        module.write_bytes(content)
    error = refused(lambda: signer(tokens.uri("token=lab;object=x", module=str(module))))
    assert (error.code, str(module) in error.detail) == ("key/module", True)


def test_a_library_that_speaks_no_pkcs11(tokens: Tokens) -> None:
    error = refused(lambda: signer(tokens.uri("token=lab;object=x", module=hsm.pkcs11._pkcs11.__file__)))
    assert error.code == "key/module"


@pytest.mark.parametrize("pin", ["000000", "", "1", "9" * 300])
def test_a_wrong_pin(tokens: Tokens, uris: dict[Alg, str], tmp_path: Path, pin: str) -> None:
    tokens.lose_sessions()
    path = tmp_path / "pin"
    path.touch(0o600)
    path.write_text(f"{pin}\n", "utf-8")
    error = refused(lambda: signer(tokens.uri("token=lab;object=fixed-ED25519", pin=f"file:{path}")))
    assert error.code == "key/pin"
    assert pin not in f"{error} {error.hint}" or pin in ("", "1")
    assert "locks" in error.hint
    assert signer(uris[Alg.ED25519])


@pytest.mark.parametrize(
    ("mode", "content", "code"),
    [(None, b"", "key/unreadable"), (0o644, b"314159", "key/exposed"), (0o600, b"\xff\n", "key/pin")],
)
def test_a_file_of_a_pin_that_cannot_be_used(
    tokens: Tokens, tmp_path: Path, mode: int | None, content: bytes, code: str
) -> None:
    path = tmp_path / "pin"
    if mode is not None:
        path.write_bytes(content)
        path.chmod(mode)
    tokens.lose_sessions()
    error = refused(lambda: signer(tokens.uri("token=lab;object=fixed-ED25519", pin=f"file:{path}")))
    assert (error.code, str(path) in error.detail) == (code, True)


def test_a_key_of_another_algorithm(tokens: Tokens) -> None:
    tokens.remove("rsa")
    with tokens.session() as session:
        session.generate_keypair(KeyType.RSA, 2048, label="rsa", id=b"rsa", store=True)
    assert refused(lambda: signer(tokens.uri("token=lab;object=rsa"))).code == "key/algorithm"


def test_a_token_that_does_not_sign_so(uris: dict[Alg, str], monkeypatch: pytest.MonkeyPatch, tokens: Tokens) -> None:
    """Many older ones have no Ed25519, and some show such a key all the same."""
    real = hsm._token

    class Slot:
        def get_mechanisms(self) -> set[Mechanism]:
            return {Mechanism.ECDSA}

    class Token:
        def __init__(self, token: Any) -> None:
            self.open, self.flags, self.serial, self.slot = token.open, token.flags, token.serial, Slot()

    monkeypatch.setattr(hsm, "_token", lambda *arguments: Token(real(*arguments)))
    error = refused(lambda: signer(uris[Alg.ED25519]))
    assert (error.code, "ED25519" in error.detail) == ("key/algorithm", True)
    assert signer(uris[Alg.ESP256])


def test_a_private_key_without_its_public_one(tokens: Tokens) -> None:
    uri = tokens.generate("alone")
    tokens.remove("alone", kind=ObjectClass.PUBLIC_KEY)
    error = refused(lambda: signer(uri))
    assert (error.code, "public key" in error.detail) == ("key/object", True)


def test_two_keys_of_one_label(tokens: Tokens) -> None:
    uri = tokens.generate("twin")
    with tokens.session() as session:
        domain = session.create_domain_parameters(
            KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: b"\x13\x0cedwards25519"}, local=True
        )
        domain.generate_keypair(id=b"2", label="twin", store=True, mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN)
    error = refused(lambda: signer(uri))
    assert (error.code, "2 of them" in error.detail) == ("key/object", True)
    assert signer(tokens.uri("token=lab;object=twin;id=2"))


def test_the_public_key_of_another(tokens: Tokens, uris: dict[Alg, str]) -> None:
    """Opening finds out by a signature: what such a key signed would accuse its lab of forgery."""
    uri = tokens.generate("mixed", Alg.ESP256)
    tokens.remove("mixed", kind=ObjectClass.PUBLIC_KEY)
    with tokens.session() as session:
        (other,) = session.get_objects({Attribute.LABEL: "fixed-ESP256", Attribute.CLASS: ObjectClass.PUBLIC_KEY})
        der = pkcs11.util.ec.encode_ec_public_key(other)
        named = {Attribute.LABEL: "mixed", Attribute.ID: b"mixed", Attribute.TOKEN: True}
        session.create_object({**decode_ec_public_key(der), **named})
    assert refused(lambda: signer(uri)).code == "key/mismatch"


def test_two_keys_of_one_token_at_once(uris: dict[Alg, str]) -> None:
    """As when one of them is rotated to the other."""
    keys = [signer(uri) for uri in uris.values()]
    for key in (*keys, *reversed(keys)):
        key.sign(b"m")


def test_a_key_that_asks_for_its_pin_each_time(tokens: Tokens) -> None:
    key = signer(tokens.generate("each", always_authenticate=True))
    for message in (b"one", b"two"):
        key.public_key().verify(key.sign(message), message)


# -- a token that comes and goes


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[TokenSigner]:
    """Who was opened, each time."""
    seen: list[TokenSigner] = []
    real = TokenSigner._open
    monkeypatch.setattr(TokenSigner, "_open", lambda self: (seen.append(self), real(self))[1])
    return seen


@pytest.fixture
def opened(tokens: Tokens, openings: list[TokenSigner]) -> TokenSigner:
    """A key that is open; from now on its openings count."""
    tokens.generate("going")
    key = signer(tokens.uri("token=lab;object=going"))
    openings.clear()
    return key


def lose_library(tokens: Tokens) -> None:
    pkcs11.lib(str(tokens.module)).finalize()


@pytest.mark.parametrize("lose", [Tokens.lose_sessions, lose_library])
def test_a_lost_session_is_opened_once_more(
    tokens: Tokens, opened: TokenSigner, openings: list[TokenSigner], lose: Callable[[Tokens], None]
) -> None:
    for _ in range(3):
        lose(tokens)
        opened.public_key().verify(opened.sign(b"m"), b"m")
    opened.sign(b"n")
    assert len(openings) == 3


def test_a_token_that_is_gone_and_comes_back(tokens: Tokens, opened: TokenSigner, openings: list[TokenSigner]) -> None:
    elsewhere = tokens.folder.with_name("elsewhere")
    lose_library(tokens)
    shutil.move(tokens.folder, elsewhere)
    tokens.folder.mkdir()
    try:
        for _ in range(2):
            error = refused(lambda: opened.sign(b"m"))
            assert error.code == "key/token"
            assert error.hint
        assert len(openings) == 2
    finally:
        lose_library(tokens)
        shutil.rmtree(tokens.folder)
        shutil.move(elsewhere, tokens.folder)
    opened.public_key().verify(opened.sign(b"m"), b"m")


def test_a_pin_that_is_refused_meanwhile_is_not_tried_again(
    tokens: Tokens, opened: TokenSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder that signs every minute would lock its token in three."""
    real, asked = hsm._token, []

    class Token:
        def __init__(self, token: Any) -> None:
            self.token, self.flags, self.serial, self.slot = token, token.flags, token.serial, token.slot

        def open(self, **how: str) -> Any:
            asked.extend(how)
            return self.token.open(**how)

    tokens.lose_sessions()
    monkeypatch.setattr(hsm, "_token", lambda *arguments: Token(real(*arguments)))
    with monkeypatch.context() as patch:
        patch.setattr(hsm, "_pin", lambda uri: "000000")
        assert refused(lambda: opened.sign(b"m")).code == "key/pin"
        for _ in range(3):
            assert "not tried again" in refused(lambda: opened.sign(b"m")).detail
            assert "not tried again" in refused(lambda: signer(tokens.uri("token=lab;object=going"))).detail
        assert asked == ["user_pin"]
    opened.public_key().verify(opened.sign(b"m"), b"m")  # another PIN is another matter


def test_another_key_in_its_place_is_refused(tokens: Tokens, opened: TokenSigner) -> None:
    public = opened.public_key()
    tokens.generate("going")
    tokens.lose_sessions()
    for _ in range(2):
        assert refused(lambda: opened.sign(b"m")).code == "key/mismatch"
    assert opened.public_key() == public


def test_a_signer_that_is_gone_holds_no_session(uris: dict[Alg, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder opens its key anew for each window, and a YubiHSM has sixteen sessions."""
    opened: list[pkcs11.Session] = []
    closed: list[pkcs11.Session] = []
    enter, close = TokenSigner._enter, hsm._close
    monkeypatch.setattr(hsm, "_close", lambda session: (closed.append(session), close(session)))
    signer(uris[Alg.ED25519])  # now somebody is logged in, in a session that stays

    def entered(self: TokenSigner, token: Any) -> Any:
        session, keys = enter(self, token)
        opened.append(session)
        return session, keys

    monkeypatch.setattr(TokenSigner, "_enter", entered)
    closed.clear()
    signer(uris[Alg.ED25519])
    kept = signer(uris[Alg.ED25519])
    kept._reopen()
    assert len(opened) == 3
    assert closed == opened[:2]
    with pytest.raises(exceptions.SessionHandleInvalid):
        closed[0].close()


def test_the_end_of_one_signer_logs_nobody_out(uris: dict[Alg, str], openings: list[TokenSigner]) -> None:
    first, second = signer(uris[Alg.ED25519]), signer(uris[Alg.ESP256])
    del first
    openings.clear()
    second.sign(b"m")
    assert not openings


class Failing:
    """A key on a token that fails the next times, then works."""

    def __init__(self, key: Any, *failures: Exception | bytes) -> None:
        self.key, self.failures = key, list(failures)

    def __getitem__(self, attribute: Attribute) -> Any:
        return self.key[attribute]

    def sign(self, message: bytes, **how: Any) -> Any:
        if not self.failures:
            return self.key.sign(message, **how)
        failure = self.failures.pop(0)
        if isinstance(failure, Exception):
            raise failure
        return failure


FAILURES = [
    exceptions.SessionHandleInvalid(),
    exceptions.DeviceRemoved(),
    exceptions.DeviceError(),
    exceptions.UserNotLoggedIn(),
    exceptions.KeyHandleInvalid(),
    exceptions.GeneralError(),
    exceptions.FunctionFailed(),
    b"",
    bytes(64),
    b"\xff" * 64,
    b"\xff" * 200,
    seeded_key("another").sign(b"m"),
]


@pytest.mark.parametrize("alg", [Alg.ED25519, Alg.ESP256])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: repr(failure)[:24])
def test_one_failure_is_passed_over_and_a_second_one_is_said(
    tokens: Tokens, uris: dict[Alg, str], monkeypatch: pytest.MonkeyPatch, alg: Alg, failure: Any
) -> None:
    key = signer(uris[alg])
    key._key = Failing(key._key, failure)  # type: ignore[assignment]
    key.public_key().verify(key.sign(b"m"), b"m")
    real = hsm._private
    monkeypatch.setattr(hsm, "_private", lambda *arguments: [Failing(key, failure) for key in real(*arguments)])
    monkeypatch.setattr(hsm, "_alg", lambda *_: alg)
    monkeypatch.setattr(hsm, "_public", lambda *_: key.public_key())
    key._key = Failing(key._key, failure)  # type: ignore[assignment]
    error = refused(lambda: key.sign(b"m"))
    assert error.code == ("key/token" if isinstance(failure, Exception) else "key/mismatch")
    assert error.hint
    key.public_key().verify(key.sign(b"n"), b"n")  # what was lost is not lost for good
