"""PKCS#11 URIs: the examples of RFC 7512 that name a private key, and everything that is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import KeyFileError
from attest.sign.token_uri import MAX_URI, TokenUri, parse_token_uri

MODULE = "module-path=/lib/hsm.so"


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        (
            f"pkcs11:token=lab;object=n1;type=private?{MODULE}&pin-source=file:/etc/attest/n1.pin",
            TokenUri("/lib/hsm.so", {"token": "lab"}, "n1", None, "/etc/attest/n1.pin"),
        ),
        (  # RFC 7512, section 3, with a label and a token that have spaces
            "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;"
            f"object=my-certificate;id=%69%95%3E%5C%F4%BD%EC%91?{MODULE}&pin-source=file:/etc/token_pin",
            TokenUri(
                "/lib/hsm.so",
                {"token": "The Software PKCS#11 Softtoken", "manufacturer": "Snake Oil, Inc.", "model": "1.0"},
                "my-certificate",
                b"\x69\x95\x3e\x5c\xf4\xbd\xec\x91",
                "/etc/token_pin",
            ),
        ),
        (f"pkcs11:id=%01?{MODULE}", TokenUri("/lib/hsm.so", {}, None, b"\x01", None)),
        (
            f"pkcs11:slot-id=7;serial=ab1;object=a%3bb%26c?pin-source=file:///run/pin%20code&{MODULE}",
            TokenUri("/lib/hsm.so", {"slot-id": "7", "serial": "ab1"}, "a;b&c", None, "/run/pin code"),
        ),
        (f"pkcs11:object=n1?{MODULE}&pin-source=file:pin", TokenUri("/lib/hsm.so", {}, "n1", None, "pin")),
    ],
)
def test_what_a_uri_says(text: str, uri: TokenUri) -> None:
    assert parse_token_uri(text) == uri


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pkcs11",
        "pkcs11:",
        f"PKCS11:object=a?{MODULE}",
        "pkcs11:object=a",  # no module
        "pkcs11:object=a?",
        "pkcs11:object=a?module-path=",
        f"pkcs11:token=a?{MODULE}",  # no key
        f"pkcs11:object=a;type=public?{MODULE}",
        f"pkcs11:object=a;type=cert?{MODULE}",
        f"pkcs11:object=a;object=b?{MODULE}",
        f"pkcs11:object=?{MODULE}",
        f"pkcs11:object?{MODULE}",
        f"pkcs11:object=a;?{MODULE}",
        f"pkcs11:object=a;slot-id=x?{MODULE}",
        f"pkcs11:object=a;slot-id=-1?{MODULE}",
        f"pkcs11:object=a;library-version=3?{MODULE}",
        f"pkcs11:object=a;x-vendor=3?{MODULE}",
        f"pkcs11:object=a;{MODULE}",
        f"pkcs11:object=a?{MODULE}&{MODULE}",
        f"pkcs11:object=a?{MODULE}&module-name=hsm",
        f"pkcs11:object=%ff?{MODULE}",
        f"pkcs11:object=%00?{MODULE}",
        f"pkcs11:object=a?{MODULE}&pin-source=/etc/pin",
        f"pkcs11:object=a?{MODULE}&pin-source=|cat%20pin",
        f"pkcs11:object=a?{MODULE}&pin-source=file:",
        f"pkcs11:object=a?{MODULE}&pin-source=file://host/pin",
        f"pkcs11:object=a?{MODULE}&pin-source=https:/pin",
        f"pkcs11:object={'a' * MAX_URI}?{MODULE}",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        parse_token_uri(text)
    assert caught.value.code == "key/uri"
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", [f"pkcs11:object=a?{MODULE}&pin-value=314159", "pkcs11:object=a;pin-value=314159?module-path=x"]
)
def test_a_pin_in_a_uri_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(KeyFileError, match="PIN does not stand in a PKCS#11 URI") as caught:
        parse_token_uri(text)
    assert "314159" not in f"{caught.value}{caught.value.hint}{caught.value.args}"


@given(st.text(st.sampled_from("pkcs11:token=object;id%0&?-modulepathfile ä\0"), max_size=80))
def test_any_text_is_a_uri_or_refused(text: str) -> None:
    try:
        uri = parse_token_uri(f"pkcs11:object=a{text}")
    except KeyFileError as error:
        assert error.code == "key/uri"
    else:
        assert uri.module
