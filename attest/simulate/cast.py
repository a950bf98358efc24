"""Who signs in a simulated world: labs and witnesses, all their keys test keys that follow from names.

>>> acme = Identity("acme")
>>> acme.iss, acme.origin, acme.host(3)
('https://acme.example', 'acme.example/dc1', 'https://acme.example/dc1/n0003')
>>> forger = replace(acme, seed="forger")            # says the same of itself, and has none of its keys
>>> forger.origin == acme.origin, forger.key("office").public_key() == acme.key("office").public_key()
(True, False)
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from attest.format.note import Vkey, format_vkey
from attest.sign.notes import cosign
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.trust.keys import Alg
from attest.trust.notes import log_vkey, witness_vkey

__all__ = ["Adjudicators", "Identity", "Witness", "Witnesses", "replace"]


@dataclass(frozen=True)
class Identity:
    """A lab with one site. `seed` makes its keys others; `log_algs` are those its log signs checkpoints with."""

    name: str
    seed: str = "simulation"
    site_name: str = "dc1"
    holders: tuple[str, ...] = ("Ada", "Ben", "Cleo")
    threshold: int = 2
    log_algs: tuple[Alg, ...] = (Alg.ED25519,)

    @property
    def iss(self) -> str:
        """The party's URI."""
        return f"https://{self.name}.example"

    @property
    def origin(self) -> str:
        """The name of the log."""
        return f"{self.name}.example/{self.site_name}"

    @property
    def office(self) -> str:
        """The sub of the office."""
        return f"{self.iss}/{self.site_name}/office"

    @property
    def meter(self) -> str:
        """The sub of the independent meters of the site, and `meter_iss` who operates them."""
        return f"{self.meter_iss}/{self.name}-{self.site_name}"

    @property
    def meter_iss(self) -> str:
        """The URI of the meters' operator."""
        return "https://meters.example"

    def host(self, node: int) -> str:
        """The sub of a node's agent."""
        return f"{self.iss}/{self.site_name}/n{node:04d}"

    def key(self, role: str, alg: Alg = Alg.ED25519) -> Signer:
        """The key of a role of this lab: a sub, "office", "log", "holder Ada", "meter"."""
        return seeded_key(f"{self.seed}, {self.name} {self.site_name}, {role}, {alg.name}", alg)

    def holder_keys(self) -> tuple[Signer, ...]:
        """The root holders' keys, in the order of their names."""
        return tuple(self.key(f"holder {name}") for name in self.holders)

    def log_keys(self) -> tuple[Signer, ...]:
        """The keys that sign checkpoints."""
        return tuple(self.key("log", alg) for alg in self.log_algs)

    def log_vkeys(self) -> tuple[Vkey, ...]:
        """Their verifier keys."""
        return tuple(log_vkey(self.origin, key.public_key()) for key in self.log_keys())


@dataclass(frozen=True)
class Adjudicators:
    """Who decides between parties; `seed` makes their keys others."""

    names: tuple[str, ...] = ("Uma", "Vic", "Wes")
    threshold: int = 2
    seed: str = "simulation"

    def keys(self) -> tuple[Signer, ...]:
        """Their keys, in the order of their names."""
        return tuple(seeded_key(f"{self.seed}, adjudicator {name}") for name in self.names)


@dataclass(frozen=True)
class Witness:
    """A witness: its word in the policy, its name in cosignatures, its key."""

    word: str
    name: str
    signer: Signer

    @property
    def vkey(self) -> Vkey:
        """Its verifier key."""
        return witness_vkey(self.name, self.signer.public_key())


@dataclass(frozen=True)
class Witnesses:
    """`count` witnesses, of whom `quorum` must cosign; `algs` of the first few, the others have Ed25519."""

    count: int = 4
    quorum: int = 3
    seed: str = "simulation"
    algs: tuple[Alg, ...] = ()

    def members(self) -> tuple[Witness, ...]:
        """All of them, w1 first."""
        algs = (*self.algs, *[Alg.ED25519] * self.count)
        return tuple(
            Witness(f"w{n}", f"w{n}.witness.example", seeded_key(f"{self.seed}, witness {n}", algs[n - 1]))
            for n in range(1, self.count + 1)
        )

    def policy(self) -> str:
        """The tlog-policy that asks for the quorum; for none, where that is 0 of 0."""
        if not self.count:
            return "quorum none\n"
        lines = [f"witness {w.word} {format_vkey(w.vkey)}" for w in self.members()]
        words = " ".join(w.word for w in self.members())
        return "\n".join([*lines, f"group enough {self.quorum} {words}", "quorum enough", ""])

    def cosign(self, note: bytes, time: int | Sequence[int], words: Collection[str] | None = None) -> bytes:
        """The note with the cosignatures of the witnesses with these words (all), at one time or one time each."""
        chosen = [w for w in self.members() if words is None or w.word in words]
        times = [time] * len(chosen) if isinstance(time, int) else time
        for witness, at in zip(chosen, times, strict=True):
            note = cosign(note, witness.name, witness.signer, at)
        return note
