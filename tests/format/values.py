"""Hypothesis strategies: any value that the formats can say, and bytes that are nearly what they say."""

from hypothesis import strategies as st

from attest.format import act, bodies, custody, key_acts, roster, vocabulary
from attest.format.bodies import Body
from attest.format.cbor import encode
from attest.format.fields import HIDDEN, MAX_SEQ, MAX_TEXT, U64
from attest.format.runs import MAX_DECLARED, Run
from attest.format.statement import MAX_TIME, Anchor, Statement
from attest.format.vocabulary import Column, Kind, Label, Precision, Quantity, Role

hashes = st.binary(min_size=32, max_size=32)
texts = st.text(st.characters(exclude_categories=["Cs"]).filter(lambda c: not HIDDEN.search(c)), min_size=1, max_size=8)
long_texts = st.sampled_from(["t" * MAX_TEXT, "ü" * MAX_TEXT])
lines = texts | long_texts
u64 = st.integers(0, U64) | st.sampled_from([0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, U64])
i64 = st.integers(-(1 << 63), (1 << 63) - 1)
keys = st.binary(min_size=32, max_size=100)
proofs = st.binary(min_size=1, max_size=100)

blocks = st.builds(bodies.Block, hashes, st.integers(1, bodies.MAX_BLOCK))
acts = st.one_of(
    st.builds(key_acts.Enrol, lines, st.sampled_from(Role), i64, keys, proofs),
    st.builds(key_acts.Rotate, i64, keys, proofs),
    st.builds(key_acts.Revoke, hashes, u64),
    st.builds(key_acts.Void, proofs),
)
declared = st.none() | st.integers(0, MAX_DECLARED)
runs = st.builds(Run, hashes, st.sampled_from(Label), st.sampled_from(Precision), u64, declared, u64)


@st.composite
def usages(draw: st.DrawFn) -> bodies.UsageBody:
    """A usage body whose parts fit each other as far as its own format asks."""
    devices = draw(st.integers(1, 4) | st.just(bodies.MAX_DEVICES))
    block = draw(st.none() | blocks)
    columns = [] if block is None else sorted(draw(st.sets(st.sampled_from(Column), min_size=1)))
    counted = sorted(draw(st.sets(st.sampled_from([Column.ENERGY, Column.CYCLES]))))
    counter = st.binary(min_size=8 * devices, max_size=8 * devices)
    size = bodies.SPAN_SIZE * devices
    return bodies.UsageBody(
        draw(st.integers(1, bodies.MAX_INTERVAL)),
        draw(hashes),
        devices,
        block,
        tuple(map(int, columns)),
        tuple(draw(st.lists(runs, max_size=3))),
        draw(st.binary(min_size=size, max_size=size + 64)),
        tuple((int(column), draw(counter), draw(counter)) for column in counted),
    )


channels = st.builds(bodies.Channel, lines, st.integers(0, bodies.MAX_READINGS), u64)
meters = st.builds(
    bodies.MeterBody,
    st.sampled_from(Quantity),
    st.none() | st.integers(1, bodies.MAX_STEP),
    i64,
    st.none() | st.integers(0, bodies.MAX_INTERVAL),
    st.lists(channels, min_size=1, max_size=3, unique_by=lambda c: c.feed).map(tuple),
    blocks,
)
objects = st.builds(custody.CustodyObject, lines, hashes, st.binary(min_size=64, max_size=64), st.integers(0, MAX_SEQ))


def encoded(pair: tuple[str, str | int]) -> bytes:
    """The order of details."""
    return encode(pair[0])


BODIES: dict[Kind, st.SearchStrategy[Body]] = {
    Kind.GENESIS: st.builds(bodies.GenesisBody, proofs),
    Kind.INVENTORY: st.builds(bodies.InventoryBody, blocks, st.integers(0, bodies.MAX_INTERVALS)),
    Kind.KEYS: st.builds(key_acts.KeysBody, st.lists(acts, min_size=1, max_size=3).map(tuple)),
    Kind.USAGE: usages(),
    Kind.METER: meters,
    Kind.EVENT: st.builds(bodies.EventBody, proofs),
    Kind.HEAD: st.builds(bodies.HeadBody, proofs),
    Kind.CLOSE: st.just(bodies.CloseBody()),
    Kind.CUSTODY: st.builds(
        custody.CustodyBody,
        st.sampled_from(sorted(custody.ACTIONS)),
        lines,
        st.lists(objects, max_size=3).map(tuple),
        st.dictionaries(lines, lines | i64, max_size=3).map(lambda d: tuple(sorted(d.items(), key=encoded))),
    ),
}
anchors = st.builds(Anchor, st.integers(1, MAX_SEQ), hashes, hashes)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """Any statement."""
    kind = draw(st.sampled_from(vocabulary.Kind))
    genesis = kind is Kind.GENESIS
    start = draw(st.integers(0, MAX_TIME))
    return Statement(
        kind,
        None if genesis else draw(hashes),
        0 if genesis else draw(st.integers(0, MAX_SEQ)),
        None if genesis else draw(hashes),
        start,
        draw(st.integers(start, MAX_TIME)),
        draw(st.none() | anchors),
        draw(BODIES[kind]),
    )


places = st.tuples(u64, hashes)
acts = st.one_of(
    st.builds(act.GenesisAct, lines, lines, lines, i64, keys, st.none() | places),
    st.builds(act.VoidAct, hashes, st.integers(1, U64), st.lists(places, min_size=1, max_size=3).map(tuple)),
)


@st.composite
def rosters(draw: st.DrawFn) -> roster.Roster:
    """Any small roster."""
    names = draw(st.lists(texts, min_size=1, max_size=5, unique=True))
    feeds = tuple(
        roster.Feed(name, draw(st.none() | st.integers(0, i - 1)) if i else None, draw(st.none() | texts))
        for i, name in enumerate(names)
    )
    uids = iter(draw(st.lists(texts, max_size=8, unique=True)))
    hosts = []
    for sub in draw(st.lists(texts, max_size=3, unique=True)):
        devices = [
            roster.Device(uid, draw(texts), draw(st.integers(0, len(feeds) - 1)))
            for uid, _ in zip(uids, range(draw(st.integers(1, 4))), strict=False)
        ]
        if devices:
            hosts.append(roster.Host(sub, tuple(devices)))
    return roster.Roster(feeds, tuple(hosts))


@st.composite
def altered(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with a few edits: changed, cut out, put in, cut off, repeated."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(out) - 1, 0)))
        match draw(st.sampled_from(["change", "remove", "insert", "cut", "double", "head"])):
            case "change" if out:
                out[at] = draw(st.integers(0, 255))
            case "remove":
                del out[at : at + draw(st.integers(1, 8))]
            case "insert":
                out[at:at] = draw(st.binary(max_size=8))
            case "cut":
                del out[at:]
            case "double":
                out[at:at] = out[at : at + 16]
            case "head":  # the length of something becomes huge
                out[at:at] = draw(
                    st.sampled_from([b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", b"\x9a\xff\xff\xff\xff", b"\x9f"])
                )
    return bytes(out)
