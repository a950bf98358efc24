"""Asking authorities over HTTP: real replies, and whatever else may come back."""

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from attest.archive.policy import Policy, default_policy, parse_policy
from attest.archive.renewal import renew, unstamped
from attest.archive.renewal_records import Stamp, Timestamp
from attest.archive.renewal_tree import digest
from attest.archive.stamp_token import parse_token
from attest.archive.stamp_verify import vouch
from attest.archive.stamps import MAX_DRIFT, MAX_REPLY, ask, ask_each, known_about
from attest.collect.fetch import Fetcher
from attest.errors import AttestError, CollectError
from tests.archive.authority import (
    DAY,
    Authority,
    Imprint,
    Operator,
    Revoked,
    at,
    authority_table,
    integer,
    reply,
    tlv,
)
from tests.archive.tsa_server import Page, Server, served

NOW = at(2026, 11, 9)
MESSAGE = b"what an archive stamps"


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as one:
        yield one


@pytest.fixture
def other() -> Iterator[Server]:
    with served() as one:
        yield one


@pytest.fixture(scope="module")
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(seconds=5, limit=MAX_REPLY) as one:
        yield one


def operator_at(server: Server, name: str = "North", **parts: object) -> Operator:
    """An operator whose certificates name this server."""
    return Operator(Authority(name, at(2020), at(2050), url=server.url), at(2026), at(2033), **parts)  # type: ignore[arg-type]


def policy_of(*operators: Operator, quorum: int = 1, **keys: str) -> Policy:
    """One that believes their roots."""
    text = default_policy().decode().replace("quorum = 1", f"quorum = {quorum}")
    return parse_policy((text + "".join(authority_table(o.authority, **keys) for o in operators)).encode())


def code_of(fetcher: Fetcher, url: str, policy: Policy) -> str:
    """What asking fails with."""
    with pytest.raises(AttestError) as caught:
        ask(fetcher, url, MESSAGE, policy, NOW)
    return caught.value.code


def test_a_stamp_is_kept_with_its_path_and_its_revocation_list(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    stamp = ask(fetcher, server.stamping(operator, NOW), MESSAGE, policy_of(operator), NOW)
    assert server.asked == ["/tsr", "/crl"]
    assert [x509.load_der_x509_certificate(one) for one in stamp.certificates] == [
        operator.certificate,
        operator.authority.root,
    ]
    assert stamp.revocation.crls == (operator.authority.crl(NOW - 60),)
    assert stamp.revocation.ocsps == ()
    vouched = vouch(stamp, MESSAGE, policy_of(operator))
    assert vouched[:2] == ("North", NOW)
    assert vouched.limit[:2] == (at(2033) + 1, "stamp/expired")


def test_a_stamp_of_openssls_own_authority(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    command = shutil.which("openssl")
    if command is None:
        pytest.skip("there is no openssl command here to be an authority")
    now = int(time.time())
    authority = Authority("South", now - DAY, now + 365 * DAY)
    operator = Operator(authority, now - DAY, now + 30 * DAY)
    policy = policy_of(operator, revocation="false")
    stamp = ask(fetcher, server.openssl(operator, tmp_path, command), MESSAGE, policy, now)
    vouched = vouch(stamp, MESSAGE, policy)
    assert vouched.authority == "South"
    assert abs(vouched.time - now) <= MAX_DRIFT


def test_the_responder_is_asked_where_there_is_no_list(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    url = server.stamping(operator, NOW)
    del server.pages["/crl"]
    stamp = ask(fetcher, url, MESSAGE, policy_of(operator), NOW)
    assert server.asked == ["/tsr", "/crl", "/ocsp"]
    assert stamp.revocation.crls == ()
    assert len(stamp.revocation.ocsps) == 1
    assert vouch(stamp, MESSAGE, policy_of(operator)).time == NOW


def test_nothing_is_fetched_about_an_authority_that_publishes_nothing(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    ask(fetcher, server.stamping(operator, NOW), MESSAGE, policy_of(operator, revocation="false"), NOW)
    assert server.asked == ["/tsr"]


def test_the_list_of_another_authority_says_nothing(server: Server, fetcher: Fetcher) -> None:
    operator, stranger = operator_at(server), Authority("Stranger", at(2020), at(2050))
    url = server.stamping(operator, NOW)
    server.pages["/crl"] = lambda _: Page("application/pkix-crl", stranger.crl(NOW - 60))
    server.pages["/ocsp"] = lambda _: Page("application/ocsp-response", b"\x30\x03\x0a\x01\x06")  # unauthorized
    assert code_of(fetcher, url, policy_of(operator)) == "stamp/unchecked"


def test_a_list_of_last_month_says_nothing_of_today(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    url = server.stamping(operator, NOW)
    server.pages["/crl"] = lambda _: Page("application/pkix-crl", operator.authority.crl(NOW - 30 * DAY))
    assert len(ask(fetcher, url, MESSAGE, policy_of(operator), NOW).revocation.ocsps) == 1
    del server.pages["/ocsp"]
    assert code_of(fetcher, url, policy_of(operator)) == "collect/status"


def test_a_list_that_cannot_be_had_is_said_with_its_address(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    url = server.stamping(operator, NOW)
    del server.pages["/crl"], server.pages["/ocsp"]
    with pytest.raises(CollectError) as caught:
        ask(fetcher, url, MESSAGE, policy_of(operator), NOW)
    assert (caught.value.code, caught.value.endpoint) == ("collect/status", f"{server.url}/crl")


def test_a_stolen_key_gives_no_new_stamp(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    url = server.stamping(operator, NOW, [Revoked(operator.serial, NOW - DAY)])
    assert code_of(fetcher, url, policy_of(operator)) == "stamp/ended"


def test_a_retired_key_gives_no_new_stamp(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    url = server.stamping(operator, NOW, [Revoked(operator.serial, NOW - DAY, x509.ReasonFlags.superseded)])
    assert code_of(fetcher, url, policy_of(operator)) == "stamp/revoked"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (reply(None, 2, "policy not supported"), "stamp/refused"),
        (reply(None, 2), "stamp/refused"),
        (reply(None, 1), "stamp/refused"),  # granted with modifications: not what was asked for
        (reply(None, 99), "stamp/refused"),
        (reply(None), "stamp/reply"),
        (b"", "stamp/reply"),
        (b"<html>", "stamp/reply"),
        (reply(None) + b"\0", "stamp/reply"),
        (tlv(0x30, tlv(0x30, integer(1 << 70))), "stamp/reply"),
    ],
)
def test_replies_that_are_no_stamp(server: Server, fetcher: Fetcher, body: bytes, code: str) -> None:
    server.pages["/tsr"] = lambda _: Page("application/timestamp-reply", body)
    assert code_of(fetcher, f"{server.url}/tsr", policy_of(operator_at(server))) == code


def test_a_refusal_is_told_in_its_own_words_and_cannot_write_on_the_screen(server: Server, fetcher: Fetcher) -> None:
    server.pages["/tsr"] = lambda _: Page("application/timestamp-reply", reply(None, 2, "no\x1b[2J" + "!" * 999))
    with pytest.raises(AttestError) as caught:
        ask(fetcher, f"{server.url}/tsr", MESSAGE, policy_of(operator_at(server)), NOW)
    assert r"no\x1b[2J!!!" in caught.value.detail
    assert len(caught.value.detail) < 400


def test_the_reply_to_another_request(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    token = operator.token(Imprint("sha512", digest("sha512", MESSAGE), 4711), NOW)
    server.pages["/tsr"] = lambda _: Page("application/timestamp-reply", reply(token))
    assert code_of(fetcher, f"{server.url}/tsr", policy_of(operator)) == "stamp/reply"


def test_the_stamp_of_another_message(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    token = operator.token(Imprint("sha512", digest("sha512", b"another"), 4711), NOW)
    server.pages["/tsr"] = lambda _: Page("application/timestamp-reply", reply(token))
    assert code_of(fetcher, f"{server.url}/tsr", policy_of(operator)) == "stamp/imprint"


@pytest.mark.parametrize("drift", [-MAX_DRIFT - 1, MAX_DRIFT + 1])
def test_an_authority_with_another_clock(server: Server, fetcher: Fetcher, drift: int) -> None:
    operator = operator_at(server)
    assert code_of(fetcher, server.stamping(operator, NOW + drift), policy_of(operator)) == "stamp/clock"


def test_a_small_drift_is_taken(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    stamp = ask(fetcher, server.stamping(operator, NOW + MAX_DRIFT), MESSAGE, policy_of(operator), NOW)
    assert parse_token(stamp.token).time == NOW + MAX_DRIFT


def test_an_authority_that_the_policy_does_not_list(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    policy = policy_of(Operator(Authority("Other", at(2020), at(2050)), at(2026), at(2033)))
    assert code_of(fetcher, server.stamping(operator, NOW), policy) == "stamp/path"


def test_no_authority_is_believed_by_default(server: Server, fetcher: Fetcher) -> None:
    url = server.stamping(operator_at(server), NOW)
    assert code_of(fetcher, url, parse_policy(default_policy())) == "stamp/path"


def test_html_in_place_of_a_reply(server: Server, fetcher: Fetcher) -> None:
    server.pages["/tsr"] = lambda _: Page("text/html", b"<html>maintenance</html>")
    assert code_of(fetcher, f"{server.url}/tsr", policy_of(operator_at(server))) == "collect/type"


def test_a_reply_without_end(server: Server, fetcher: Fetcher) -> None:
    server.pages["/tsr"] = lambda _: Page("application/timestamp-reply", bytes(MAX_REPLY + 1))
    assert code_of(fetcher, f"{server.url}/tsr", policy_of(operator_at(server))) == "collect/size"


def test_nobody_at_the_address(fetcher: Fetcher) -> None:
    with served() as gone:
        url = f"{gone.url}/tsr"
        policy = policy_of(operator_at(gone))
    assert code_of(fetcher, url, policy) == "collect/connect"


def test_asking_needs_the_extra(server: Server, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = operator_at(server)
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    assert code_of(fetcher, server.stamping(operator, NOW), policy_of(operator)) == "stamp/extra"
    assert server.asked == []


# several of them ------------------------------------------------------------------------------------------------------


def test_two_authorities_stamp_one_message(server: Server, other: Server, fetcher: Fetcher) -> None:
    north, south = operator_at(server), operator_at(other, "South")
    policy = policy_of(north, south, quorum=2)
    urls = [server.stamping(north, NOW), other.stamping(south, NOW + 2)]
    asked = ask_each(fetcher, urls, MESSAGE, policy, NOW)
    assert asked.failures == ()
    assert [vouch(stamp, MESSAGE, policy).authority for stamp in asked.stamps] == ["North", "South"]


def test_one_that_fails_does_not_cost_the_others_stamp(server: Server, other: Server, fetcher: Fetcher) -> None:
    north, south = operator_at(server), operator_at(other, "South")
    asked = ask_each(fetcher, [f"{other.url}/tsr", server.stamping(north, NOW)], MESSAGE, policy_of(north, south), NOW)
    assert len(asked.stamps) == 1
    assert [error.code for error in asked.failures] == ["collect/status"]


def test_too_few_for_the_quorum(server: Server, other: Server, fetcher: Fetcher) -> None:
    north, south = operator_at(server), operator_at(other, "South")
    with pytest.raises(AttestError) as caught:
        urls = [server.stamping(north, NOW), f"{other.url}/tsr"]
        ask_each(fetcher, urls, MESSAGE, policy_of(north, south, quorum=2), NOW)
    assert caught.value.code == "stamp/quorum"
    assert "collect/status" in caught.value.detail


def test_one_authority_asked_twice_is_one(server: Server, other: Server, fetcher: Fetcher) -> None:
    north, south = operator_at(server), operator_at(other, "South")
    url = server.stamping(north, NOW)
    with pytest.raises(AttestError) as caught:
        ask_each(fetcher, [url, url], MESSAGE, policy_of(north, south, quorum=2), NOW)
    assert caught.value.code == "stamp/quorum"


# before a renewal -----------------------------------------------------------------------------------------------------


def stamped(operator: Operator, when: int) -> Timestamp:
    """A timestamp over one object."""
    timestamp = unstamped(renew("sha256", objects=[digest("sha256", b"object")]))
    return timestamp._replace(stamps=(operator.stamp(timestamp.message, when),))


def test_what_is_known_of_old_stamps_is_fetched_once(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    server.stamping(operator, NOW)
    timestamps = [stamped(operator, at(2026, month)) for month in (2, 3, 4)]
    known = known_about(fetcher, timestamps, policy_of(operator), NOW)
    assert known.revocation.crls == (operator.authority.crl(NOW - 60),)
    assert known.failures == ()
    assert server.asked == ["/crl"]


def test_what_has_expired_is_not_asked_about(server: Server, fetcher: Fetcher) -> None:
    operator = operator_at(server)
    server.stamping(operator, NOW)
    known = known_about(fetcher, [stamped(operator, at(2026, 2))], policy_of(operator), at(2034))
    assert (known.revocation.crls, known.failures, server.asked) == ((), (), [])


def test_what_cannot_be_had_is_said_beside_the_rest(server: Server, other: Server, fetcher: Fetcher) -> None:
    north, south = operator_at(server), operator_at(other, "South")
    server.stamping(north, NOW)
    junk = stamped(north, at(2026, 2))._replace(stamps=(Stamp(b"junk", (), stamped(north, at(2026, 2)).about),))
    timestamps = [stamped(south, at(2026, 2)), junk, stamped(north, at(2026, 2))]
    known = known_about(fetcher, timestamps, policy_of(north, south), NOW)
    assert len(known.revocation.crls) == 1
    assert [error.code for error in known.failures] == ["collect/status", "stamp/malformed"]
