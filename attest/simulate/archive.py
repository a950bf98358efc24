"""A simulated archive: its custody log, act by act, with real keys; made to be tampered with.

    archive = Archive(Identity("keeper", site_name="custody"), now)         # genesis and `init`, nobody cosigns
    archive.put("acme, week 46")                                            # a delivery, an hour later
    archive.did("hold", ("manifest", b"..."), case="2026/117")
    bundle = archive.bundle()                                               # under a head that the log signs

With `witnesses` every act is followed by a cosigned head, which becomes an entry. There is no accelerator.
"""

from hashlib import sha256, sha512

from attest.format.bodies import HeadBody
from attest.format.custody import CustodyBody, CustodyObject
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.ledger import Ledger
from attest.simulate.source import Draft

NOBODY = Witnesses(0, 0)
STEP = 3_600  # s, from one act to the next
ACTOR = "ines@desk-2"


class Archive(Ledger):
    """An archive's log and its clock, which begins at `start` (Unix s)."""

    def __init__(self, identity: Identity, start: int, witnesses: Witnesses = NOBODY, *, delay_s: int = 60) -> None:
        super().__init__(identity, witnesses, start, delay_s)
        self.found()
        self.did("init", format=1)

    def put(self, name: str) -> int:
        """A delivery comes in, STEP after the last act."""
        manifest = f"manifest of {name}".encode()
        self.now += STEP
        return self.did("put", ("manifest", manifest), delivery=sha256(manifest).hexdigest())

    def did(self, action: str, *objects: tuple[str, bytes], actor: str = ACTOR, **details: str | int) -> int:
        """An act of now, upon objects by role and content; the log index of its entry."""
        return self.enter(self.act(action, *objects, actor=actor, **details))

    def act(self, action: str, *objects: tuple[str, bytes], actor: str = ACTOR, **details: str | int) -> Draft:
        """The same before it is signed."""
        named = tuple(
            CustodyObject(role, sha256(data).digest(), sha512(data).digest(), len(data)) for role, data in objects
        )
        return self.office.draft(CustodyBody(action, actor, named, tuple(details.items())), self.now)

    def enter(self, *drafts: Draft) -> int:
        """Sign and append acts, and have a head witnessed after them; the index of the last."""
        index = [self.office.append(draft) for draft in drafts][-1]
        if self.witnesses.count:
            self.office.say(HeadBody(self.witness()))
        return index

    def keep(self, acts: int) -> None:
        """So many deliveries, STEP after STEP."""
        for number in range(acts):
            self.put(f"delivery {number}")
