"""Honest sites, with what goes wrong at real ones: crashes, gaps, reboots, meter outages, clocks set, witnesses away,
counters that begin again, devices that move, keys that rotate, hosts that are installed anew, statements that are
voided.

    week = honest(17)                   # the seventeenth site-week
    week.outcome, week.codes, week.troubles

A site-week is seven days under an agreement that the site keeps: a full stop, an idle stop, a service or training
under caps. What goes wrong is drawn from the number of the site-week, as much as the agreement allows for. A site
that is found breached or invalid, at the end or when somebody looks at a copy in the middle of the week, is wrongly
accused."""

from dataclasses import replace
from typing import Final, NamedTuple

from attest.agreement import verify_agreement
from attest.check import check
from attest.format.bodies import NoticeBody
from attest.format.roster import Device, Feed, Roster
from attest.format.vocabulary import Label, Precision, Quantity, Role
from attest.sign.seeded import seeded_key
from attest.simulate.draws import Stream
from attest.simulate.figures import Range
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Event, Job, Trouble
from attest.simulate.source import Source
from attest.simulate.telemetry import SITE_FEED, Instrument
from attest.trust.pins import parse_trust
from attest.verdict import Outcome, Verdict
from tests.bench.families.attempt import ACME
from tests.bench.families.liar import Liar
from tests.bench.families.pledges import DAYS, KINDS, notices, pledges
from tests.bench.families.scene import DAY, HOUR, START, Scene, Story

MINUTES: Final = DAYS * 24 * 60
SIZES: Final = (1, 2, 3, 4, 6, 8)
UNCOVERED: Final = 25  # one in so many node-minutes is not recorded at most; the agreement allows for one in ten


class Week(NamedTuple):
    """What came of a site-week: its kind, its outcome, the codes of what was found, and what went wrong at it."""

    number: int
    kind: str
    outcome: str
    codes: tuple[str, ...]
    troubles: tuple[str, ...]

    @property
    def accused(self) -> bool:
        """Whether an honest site is said to be what it is not."""
        return self.outcome in ("breached", "invalid")


def honest(number: int) -> Week:
    """The site-week of a number."""
    return _Story(number).week()


class _Story:
    """A site-week in the making."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.draw = Stream(f"honest site-week {number}")
        self.kind = KINDS[number % len(KINDS)]
        self.scene = Scene(f"honest {number}", SIZES[self.one(0, len(SIZES) - 1)], DAYS)
        self.troubles: set[str] = set()
        self.copies: list[tuple[int, bytes]] = []
        self.changes: list[tuple[str, int, int]] = []
        self.lab = self._lab()
        self.notices = notices(self.lab, lambda most: self.one(0, most) * HOUR)

    def one(self, low: int, high: int) -> int:
        """A number of the range."""
        return self.draw.one(Range(low, high))

    def chance(self, percent: int) -> bool:
        """Whether something happens that so many weeks in a hundred have."""
        return self.one(1, 100) <= percent

    def node(self) -> int:
        """One of the nodes."""
        return self.one(0, self.scene.nodes - 1)

    def week(self) -> Week:
        """Play it, and judge it."""
        self._run()
        end = self.scene.end + 26 * HOUR
        verdicts = [self._judged(end, None)]
        if self.copies and self.chance(40):
            at, note = self.copies[self.one(0, len(self.copies) - 1)]
            verdicts.append(self._judged(at + HOUR, note))
        outcome = verdicts[0].outcome
        for verdict in verdicts[1:]:
            if verdict.outcome in (Outcome.BREACHED, Outcome.INVALID):
                outcome = verdict.outcome
        return Week(self.number, self.kind, str(outcome), _codes(verdicts[0]), tuple(sorted(self.troubles)))

    # -- what runs there, and what befalls it

    def _lab(self) -> Liar:
        site = self.scene.play(self._work(), Story((), tuple(self._events())))
        quantity = Quantity.MEAN_POWER if self.chance(30) else Quantity.REGISTER
        instrument = Instrument(quantity, (60, 30, 300)[self.one(0, 2)], 3_000, self.one(-1, 1))
        watch, head = (6, 12)[self.one(0, 1)], (1, 2, 6)[self.one(0, 2)]
        return Liar(site, window_s=watch * HOUR, head_s=head * HOUR, instrument=instrument)

    def _work(self) -> Story:
        if self.kind in ("full stop", "idle stop"):
            return self.scene.off if self.kind == "full stop" else self.scene.idle
        serving = self.kind == "service"
        label, precision = (Label.INFERENCE, Precision.FP8) if serving else (Label.TRAINING, Precision.BF16)
        jobs = []
        for number in range(self.one(1, 4)):
            minutes = self.one(10, 72 * 60)
            begin = self._moment(minutes)
            effort = self.one(300_000, 1_000_000)
            end = begin + minutes * 60
            jobs.append(Job(f"job {number}", label, precision, self.scene.every, begin, end, 1 + number, effort))
        return Story(tuple(jobs))

    def _moment(self, minutes: int) -> int:
        """When something begins that lasts so long."""
        return START + 60 * self.one(0, MINUTES - minutes)

    def _events(self) -> list[Event]:
        found: list[Event] = []
        left = self.scene.nodes * MINUTES // UNCOVERED
        on = self.kind != "full stop"
        some = tuple(range(self.one(0, 7) + 1))
        troubles = (
            ("an agent missed minutes", 60, Trouble.LOST, 1, 20, some),
            ("an agent missed minutes", 40, Trouble.LOST, 1, 20, some),
            ("an agent crashed", 30, Trouble.LOST, 20, 12 * 60, ()),
            ("values were not renewed", 20, Trouble.STALE, 1, 60, ()),
            ("a clock was set", 25, Trouble.STEP, 1, 5, ()),
            ("a driver was reloaded, counters began again", 25 * on, Trouble.RELOAD, 1, 6, some[-1:]),
            ("a node was rebooted", 30 * on, Trouble.DOWN, 2, 90, ()),
            ("a device fell off the bus", 15 * on, Trouble.LOST, 30, 600, some[-1:]),
            ("a node's meter was out", 10, Trouble.METER_GAP, 5, 600, ()),
        )
        for name, percent, what, shortest, longest, devices in troubles:
            if percent and self.chance(percent):
                minutes = max(min(self.one(shortest, longest), left), 1)
                left -= minutes if what is not Trouble.METER_GAP else 0
                begin = self._moment(minutes)
                found.append(Event(what, self.node(), begin, begin + minutes * 60, devices))
                self.troubles.add(name)
        if self.chance(5):
            begin = self._moment(300)
            found.append(Event(Trouble.METER_GAP, SITE_FEED, begin, begin + 60 * self.one(5, 300)))
            self.troubles.add("the site's meter was out")
        return found

    # -- the log

    def _run(self) -> None:
        lab = self.lab
        acts = (
            ("a key was rotated", 30, self._rotate),
            ("the office's key was rotated", 10, self._rotate_office),
            ("a host was installed anew", 15, self._reinstall),
            ("witnesses were away", 10, self._witnesses_away),
            ("devices were moved between hosts", 15, self._move),
            ("a feed was moved", 10, self._move_feed),
            ("a statement was voided", 15, self._void),
            ("junk was voided", 8, self._void_junk),
            ("a host reported a watch late", 15, self._report_late),
        )
        chosen = [(name, act) for name, percent, act in acts if self.chance(percent)]
        watches = (self.scene.end - START) // lab.window_s
        for watch in sorted(self.one(1, watches - 3) for _ in chosen):
            self._until(START + watch * lab.window_s)
            name, act = chosen.pop(self.one(0, len(chosen) - 1))
            act()
            self.troubles.add(name)
        self._until(self.scene.last)

    def _until(self, time: int) -> None:
        lab = self.lab
        while lab.now < time:
            due = self.notices[0][0] if self.notices else time
            lab.run(until=min(lab.now + DAY, time, max(due, lab.now)))
            while self.notices and self.notices[0][0] <= lab.now:
                lab.office.say(NoticeBody((self.notices.pop(0)[1],)))
            if lab.note is not None and lab.now > START + 2 * DAY:
                self.copies.append((lab.now, lab.note))

    def _rotate(self) -> None:
        lab = self.lab
        source = lab.host(self.node()) if self.chance(80) or lab.meter is None else lab.meter
        lab.rotate(source, seeded_key(f"{self.number}, rotated at {lab.size}"))

    def _rotate_office(self) -> None:
        self.lab.rotate(self.lab.office, seeded_key(f"{self.number}, rotated at {self.lab.size}"))

    def _reinstall(self) -> None:
        """The disk is gone, and the key with it: a new key under a new name, the old one is good up to here."""
        lab, node = self.lab, self.node()
        lab.report()
        old = lab.host(node)
        fresh = lab.enrol(f"{ACME.host(node)}/{lab.size}", Role.HOST, seeded_key(f"{self.number}, new at {lab.size}"))
        lab.revoke(old.signer, lab.size - 2)
        lab.sources[ACME.host(node)] = fresh
        self._declare()

    def _move(self) -> None:
        """A device of one host and one of another change places."""
        one, other, place = self.node(), self.node(), self.one(0, 7)
        self.lab.report()
        self.changes.append((f"{one} {other}", place, self.one(0, 7)))
        self._declare()

    def _move_feed(self) -> None:
        self.lab.report()
        self.changes.append(("panel", 0, 0))
        self._declare()

    def _declare(self) -> None:
        lab = self.lab
        lab.roster_of = self._roster
        lab.inventory(lab.roster(), lab.now)

    def _roster(self, true: Roster) -> Roster:
        hosts = [host._replace(sub=self.lab.host(n).sub) for n, host in enumerate(true.hosts)]
        devices: list[list[Device]] = [list(host.devices) for host in hosts]
        feeds = true.feeds
        for what, place, other in self.changes:
            if what == "panel":
                if len(feeds) == len(true.feeds):
                    top, *nodes = feeds
                    feeds = (top, Feed("panel", 0, None), *(feed._replace(parent=1) for feed in nodes))
                continue
            left, right = (int(n) for n in what.split())
            a, b = devices[left][place], devices[right][other]
            devices[left][place], devices[right][other] = a._replace(uid=b.uid), b._replace(uid=a.uid)
        shift = len(feeds) - len(true.feeds)
        moved = [tuple(d._replace(feed=d.feed + shift) for d in own) for own in devices]
        return replace(true, feeds=feeds, hosts=tuple(h._replace(devices=d) for h, d in zip(hosts, moved, strict=True)))

    def _witnesses_away(self) -> None:
        lab = self.lab
        lab.delay_s = self.one(1, 20) * HOUR
        self._until(lab.now + lab.window_s)
        lab.delay_s = 60

    def _report_late(self) -> None:
        lab, source = self.lab, self.lab.host(self.node())
        end = lab.now + lab.window_s
        while lab.now < end:
            lab.run(until=min(lab.now + lab.head_s, end), mute=lambda sub, start, until: sub == source.sub)

    def _void(self) -> None:
        """A host that was restored from a backup tells a watch again, in other words."""
        lab, source = self.lab, self.lab.host(self.node())
        node = next(n for n in self.scene.every if lab.host(n) is source)
        draft = lab.usage(node, lab.now + lab.window_s)
        self._until(lab.now + lab.window_s)
        self._acknowledge(lab.append(source.sign(draft), draft.block))

    def _void_junk(self) -> None:
        source: Source = self.lab.host(self.node())
        draft = self.lab.usage(int(source.sub.split("/n")[1][:4]), self.lab.now + self.lab.window_s)
        self._acknowledge(self.lab.append(source.sign(draft)[:-1]))

    def _acknowledge(self, index: int) -> None:
        self.lab.void([index], number=self.lab.size)

    # -- the verdict

    def _judged(self, at: int, note: bytes | None) -> Verdict:
        phase = Phase(self.kind, START, self.scene.end, pledges(self.kind, self.scene.nodes))
        pact = Pact((ACME,), (phase,), devices=8 * self.scene.nodes)
        bundle = self.lab.bundle(note)
        return check([bundle], verify_agreement(pact.signed()), parse_trust(pact.trust()), at=at)


def _codes(verdict: Verdict) -> tuple[str, ...]:
    found = [f for p in verdict.parties for f in (*p.findings, *(f for t in p.terms for f in t.findings))]
    return tuple(sorted({f.code for f in (*found, *verdict.findings) if f.outcome is not Outcome.HOLDS}))
