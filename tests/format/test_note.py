"""Signed notes, verifier keys and checkpoint bodies: one form each, everything else refused."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import MalformedError, UnsupportedError
from attest.format import note as notes
from attest.format.checkpoint import (
    MAX_SIZE,
    SAMPLE,
    Checkpoint,
    cosigned_message,
    format_checkpoint,
    parse_checkpoint,
)
from attest.format.note import Note, NoteSignature, Vkey, format_note, format_vkey, parse_note, parse_vkey

LINE = "— example.com/log " + base64.b64encode(b"\1\2\3\4signature").decode() + "\n"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_note_is_its_bytes() -> None:
    data = f"one\n\ntwo\n\n{LINE}{LINE}".encode()
    note = parse_note(data)
    assert note.text == "one\n\ntwo\n"
    assert note.signatures == (NoteSignature("example.com/log", b"\1\2\3\4", b"signature"),) * 2
    assert format_note(note) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        f"text\n{LINE}".encode(),
        f"text\n\n{LINE[:-1]}".encode(),
        f"text\n\n{LINE}\n".encode(),
        f"text\n\n{LINE}x".encode(),
        f"text\r\n\n{LINE}".encode(),
        f"te\0xt\n\n{LINE}".encode(),
        f"te\tt\n\n{LINE}".encode(),
        b"te\xff\n\n" + LINE.encode(),
        f"text\n\n{LINE.replace('—', '-')}".encode(),
        f"text\n\n{LINE.replace('— ', '—')}".encode(),
        f"text\n\n{LINE.replace('example.com/log', '')}".encode(),
        f"text\n\n{LINE.replace('example.com', 'a+b')}".encode(),
        f"text\n\n{LINE.replace('example.com', 'a b')}".encode(),
        f"text\n\n{LINE.replace('example.com', 'a' + chr(0x2003) + 'b')}".encode(),
        f"text\n\n{LINE.replace('example.com', 'a' * 300)}".encode(),
        "text\n\n— name AQIDBA==\n".encode(),  # a key id and no signature
        "text\n\n— name AQID BAU=\n".encode(),
        "text\n\n— name AQIDBAV=\n".encode(),  # unused bits set
        "text\n\n— name AQIDBAU\n".encode(),
        "text\n\n— name AQIDBAU=\n\n\n".encode(),
        "text\n\n— name AQID_-U=\n".encode(),
        "text\n\n— name\n".encode(),
    ],
)
def test_anything_else_is_no_note(data: bytes) -> None:
    with pytest.raises(MalformedError, match="note/malformed"):
        parse_note(data)


def test_notes_are_bounded() -> None:
    assert len(parse_note(b"t\n\n" + LINE.encode() * 100).signatures) == 100
    with pytest.raises(MalformedError, match="note/signatures"):
        parse_note(b"t\n\n" + LINE.encode() * 101)
    with pytest.raises(MalformedError, match="note/too-large"):
        parse_note(b"t" * notes.MAX_NOTE + b"\n\n" + LINE.encode())


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_parsing_a_note_is_total(data: bytes) -> None:
    for candidate in (data, data + b"\n\n" + LINE.encode()):
        try:
            note = parse_note(candidate)
        except MalformedError:
            continue
        assert format_note(note) == candidate


def test_verifier_keys() -> None:
    vkey = parse_vkey(VKEY)
    assert vkey == Vkey("PeterNeumann", 1, vkey.key)
    assert format_vkey(vkey) == VKEY
    # The same key for another use has another id.
    assert Vkey("PeterNeumann", 4, vkey.key).key_id != vkey.key_id


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda v: v.replace("c74f20a3", "c74f20a4"), "vkey/malformed"),
        (lambda v: v.replace("c74f20a3", "C74F20A3"), "vkey/malformed"),
        (lambda v: v.replace("PeterNeumann", "PeterNewmann"), "vkey/malformed"),
        (lambda v: v.replace("PeterNeumann", ""), "vkey/malformed"),
        (lambda v: v.replace("PeterNeumann", "Peter Neumann"), "vkey/malformed"),
        (lambda v: v[:-4], "vkey/malformed"),
        (lambda v: v + "AAAA", "vkey/malformed"),
        (lambda v: v + "\n", "vkey/malformed"),
        (lambda v: " " + v, "vkey/malformed"),
        (lambda v: v.replace("+ARpc", "+AhpC"), "vkey/unsupported"),
        (lambda v: v.replace("+ARpc", "+BRpc"), "vkey/unsupported"),
        (lambda v: v.replace("+ARpc", "+BhpC"), "vkey/malformed"),
        (lambda v: "", "vkey/malformed"),
        (lambda v: "a+b", "vkey/malformed"),
        (lambda v: "a+00000000+", "vkey/malformed"),
    ],
)
def test_other_verifier_keys_are_refused(change: Callable[[str], str], code: str) -> None:
    with pytest.raises((MalformedError, UnsupportedError), match=code):
        parse_vkey(change(VKEY))


@given(st.text(max_size=120))
def test_parsing_a_verifier_key_is_total(text: str) -> None:
    with pytest.raises((MalformedError, UnsupportedError)):
        parse_vkey(text)


def test_a_checkpoint_is_its_text() -> None:
    for size in (0, 1, MAX_SIZE):
        checkpoint = Checkpoint("go.sum database tree", size, b"\xff" * 32)
        assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        SAMPLE[:-1],
        SAMPLE + "extension\n",
        SAMPLE + "\n",
        "\n" + SAMPLE,
        SAMPLE.replace("example.com/behind-the-sofa", ""),
        SAMPLE.replace("example.com/behind-the-sofa", "x" * 256),
        SAMPLE.replace("20852163", "020852163"),
        SAMPLE.replace("20852163", "00"),
        SAMPLE.replace("20852163", "-1"),
        SAMPLE.replace("20852163", "+1"),
        SAMPLE.replace("20852163", "1_0"),
        SAMPLE.replace("20852163", " 1"),
        SAMPLE.replace("20852163", "0x10"),
        SAMPLE.replace("20852163", "٣"),
        SAMPLE.replace("20852163", ""),
        SAMPLE.replace("20852163", str(MAX_SIZE + 1)),
        SAMPLE.replace("20852163", "9" * 5000),
        SAMPLE.replace("2I=", "2J="),  # unused bits set
        SAMPLE.replace("2I=", "2I"),
        SAMPLE.replace("CsUY", ""),
        SAMPLE.replace("CsUY", "CsUYCsUY"),
        SAMPLE.replace("CsUY", "-sUY"),
        SAMPLE.replace("CsUY", "Cs UY"),
    ],
)
def test_anything_else_is_no_checkpoint(text: str) -> None:
    with pytest.raises(MalformedError, match="checkpoint/malformed"):
        parse_checkpoint(text)


def test_the_cosigned_message_byte_by_byte() -> None:
    message = cosigned_message("w", Checkpoint("log", 258, b"r" * 32), 3)
    assert message == (
        b"subtree/v1\n\0" + b"\1w" + bytes(7) + b"\3" + b"\3log" + bytes(8) + bytes(6) + b"\1\2" + b"r" * 32
    )


def test_what_a_note_cannot_say_does_not_parse_back() -> None:
    odd = Note("no newline", (NoteSignature("n", b"1234", b"s"),))
    with pytest.raises(MalformedError):
        parse_note(format_note(odd))
