"""A site's log as an agent sees it: what can be asked of it, and what it answers (schemas/site.md).

    GET  /v1/log                            what drafts need: the log, its name, the inventories
    GET  /v1/genesis                        the log's first entry
    GET  /v1/rosters/DIGEST                 the body of an inventory
    GET  /v1/checkpoint?old=SIZE            the newest checkpoint, as a growth from that size (attest.log.proof)
    GET  /v1/sources/ID                     where a source's chain stands; ID is the SHA-256 of its URI
    GET  /v1/sources/ID/off                 when its devices are to be off, as far as its chain has not spoken of it
    POST /v1/sources/ID/entries             an upload (attest.format.upload)
    GET  /v1/sources/ID/entries/SEQ         an entry
    GET  /v1/sources/ID/receipts/SEQ        its tlog-proof, once it is sealed

Answers that are not bytes are JSON. Both sides use what is here; an agent believes none of it without need: it signs
where its own chain ends, whatever the site says, and what the log's key must have signed it verifies.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple, NoReturn, Protocol

from attest.errors import LogError
from attest.format.upload import Item
from attest.format.vocabulary import Role
from attest.inventory.ledger import FOREVER, Range

PREFIX: Final = "/v1"
MAX_ANSWER: Final = 8 << 20  # bytes of JSON: as many inventories as a site declares in a lifetime
MAX_NUMBER: Final = (1 << 63) - 1

_CODE: Final = re.compile(r"[a-z0-9-]{1,40}/[a-z0-9-]{1,40}")


class Declared(NamedTuple):
    """An inventory: from `start` (Unix s) on the roster with this digest."""

    start: int
    digest: bytes


class About(NamedTuple):
    """The log by the leaf hash of its genesis, its origin, the time until which the site has spoken (Unix s, 0 where it
    has not), the inventories by their start."""

    log: bytes
    origin: str
    time: int
    inventories: tuple[Declared, ...]


class State(NamedTuple):
    """Where a source's chain stands: its role, its party, its enrolment's leaf hash, what its next statement must carry
    (`until` is None before the first), and the thumbprint of the key in force, None where none is."""

    role: Role
    iss: str
    enrolment: bytes
    seq: int
    prev: bytes
    until: int | None
    kid: bytes | None


class Plan(NamedTuple):
    """What a log's site says to a source at a time (Unix s): the inventories since its chain's end, where that stands,
    and when its devices are to be off."""

    log: bytes
    source: str
    time: int
    inventories: tuple[Declared, ...]
    state: State
    off: Mapping[str, Sequence[Range]]


@dataclass(frozen=True, slots=True)
class Ack:
    """The site has this entry, at this place of its log."""

    seq: int
    index: int
    leaf: bytes


class Answer(NamedTuple):
    """What became of an upload: the statements up to the first that was refused, and why that was."""

    taken: tuple[Ack, ...]
    code: str = ""
    detail: str = ""


class Site(Protocol):
    """A site that is reached in some way. All raise LogError: `remote/unreachable`, `remote/busy`, `remote/answer`."""

    def about(self) -> About: ...

    def genesis(self) -> bytes: ...

    def roster(self, digest: bytes) -> bytes: ...

    def growth(self, old: int) -> bytes | None:
        """None where nothing is sealed yet."""
        ...

    def state(self) -> State: ...

    def planned_off(self) -> Mapping[str, Sequence[Range]]:
        """By device when it is to be off, [start, end) in Unix s, as the site says at the time of `about` or later."""
        ...

    def entry(self, seq: int) -> bytes: ...

    def receipt(self, seq: int) -> bytes | None:
        """None where the entry is not sealed yet."""
        ...

    def hand_on(self, items: Sequence[Item]) -> Answer: ...


def source_id(sub: str) -> str:
    """What a source is called in paths and folders."""
    return sha256(sub.encode()).hexdigest()


def format_about(about: About) -> bytes:
    inventories = _inventories(about.inventories)
    return _format({"log": about.log.hex(), "origin": about.origin, "time": about.time, "inventories": inventories})


def parse_about(data: bytes) -> About:
    """Raises LogError `remote/answer`, as every parser here."""
    with _reading():
        value = _load(data)
        inventories = _declared(value["inventories"])
        return About(_hash(value["log"]), _text(value["origin"]), _number(value["time"]), inventories)


def format_state(state: State) -> bytes:
    return _format(_state(state))


def parse_state(data: bytes) -> State:
    with _reading():
        return _stated(_load(data))


def format_off(planned: Mapping[str, Sequence[Range]]) -> bytes:
    return _format({"off": _off(planned)})


def parse_off(data: bytes) -> dict[str, list[Range]]:
    with _reading():
        return _planned(_load(data)["off"])


def format_plan(plan: Plan) -> bytes:
    where = {"log": plan.log.hex(), "source": plan.source, "time": plan.time}
    return _format(
        {**where, "inventories": _inventories(plan.inventories), "state": _state(plan.state), "off": _off(plan.off)}
    )


def parse_plan(data: bytes) -> Plan:
    with _reading():
        value = _load(data)
        where = _hash(value["log"]), _text(value["source"]), _number(value["time"])
        return Plan(*where, _declared(value["inventories"]), _stated(value["state"]), _planned(value["off"]))


def format_answer(answer: Answer) -> bytes:
    taken = [{"seq": ack.seq, "index": ack.index, "leaf": ack.leaf.hex()} for ack in answer.taken]
    refused = {"code": answer.code, "detail": answer.detail} if answer.code else None
    return _format({"taken": taken, "refused": refused})


def parse_answer(data: bytes) -> Answer:
    with _reading():
        value = _load(data)
        taken = tuple(Ack(_number(a["seq"]), _number(a["index"]), _hash(a["leaf"])) for a in value["taken"])
        refused = value["refused"]
        if refused is None:
            return Answer(taken)
        return Answer(taken, _code(refused["code"]), _text(refused["detail"]))


def format_refusal(code: str, detail: str) -> bytes:
    return _format({"code": code, "detail": detail})


def parse_refusal(data: bytes) -> tuple[str, str]:
    """Code and detail."""
    with _reading():
        value = _load(data)
        return _code(value["code"]), _text(value["detail"])


def refuse(detail: str) -> NoReturn:
    """Raise the error for an answer that makes no sense."""
    raise LogError("remote/answer", f"the site answers what makes no sense: {detail}", hint="nothing was signed")


@contextmanager
def _reading() -> Iterator[None]:
    """Turns what comes of misshapen JSON into LogError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        refuse(repr(error)[:300])


def _load(data: bytes) -> Any:
    if len(data) > MAX_ANSWER:
        raise ValueError(f"{len(data)} bytes, at most {MAX_ANSWER}")
    return json.loads(data)


def _format(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise ValueError(f"no number: {value!r:.40}")
    return value


def _inventories(inventories: Sequence[Declared]) -> list[dict[str, Any]]:
    return [{"start": each.start, "digest": each.digest.hex()} for each in inventories]


def _declared(inventories: Any) -> tuple[Declared, ...]:
    return tuple(Declared(_number(each["start"]), _hash(each["digest"])) for each in inventories)


def _state(state: State) -> dict[str, Any]:
    return {
        "role": state.role.name.lower(),
        "iss": state.iss,
        "enrolment": state.enrolment.hex(),
        "seq": state.seq,
        "prev": state.prev.hex(),
        "until": state.until,
        "kid": state.kid and state.kid.hex(),
    }


def _stated(value: Any) -> State:
    until, kid = value["until"], value["kid"]
    return State(
        Role[_text(value["role"]).upper()],
        _text(value["iss"]),
        _hash(value["enrolment"]),
        _number(value["seq"]),
        _hash(value["prev"]),
        None if until is None else _number(until),
        None if kid is None else _hash(kid),
    )


def _off(planned: Mapping[str, Sequence[Range]]) -> dict[str, list[list[int | None]]]:
    return {uid: [[start, None if end == FOREVER else end] for start, end in ranges] for uid, ranges in planned.items()}


def _planned(off: Any) -> dict[str, list[Range]]:
    if type(off) is not dict:
        raise ValueError("no object of devices")
    return {_text(uid): [_range(*each) for each in ranges] for uid, ranges in off.items()}


def _range(start: Any, end: Any) -> Range:
    return _number(start), FOREVER if end is None else _number(end)


def _hash(value: Any) -> bytes:
    data = bytes.fromhex(value)
    if len(data) != 32:
        raise ValueError(f"no hash: {value!r:.40}")
    return data


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > 1_000:
        raise ValueError(f"no text: {value!r:.40}")
    value.encode()  # half a surrogate pair is none
    return value


def _code(value: Any) -> str:
    """Of an error, which becomes a label of metrics."""
    if _CODE.fullmatch(_text(value)) is None:
        raise ValueError(f"no code: {value!r:.40}")
    return str(value)
