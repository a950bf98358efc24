"""Scenes: sites of several sizes, what is admitted to run on them, and what is done in secret.

    scene = Scene("cellar", nodes=2, days=1)
    scene.play(scene.idle, scene.secret((0,), 6, 4))     # idle by all accounts, and node 0 trains for 4 hours
    scene.play(scene.idle)                               # what the lab says of it

A scene's sites have one name, so that machines draw the same power in the story and in the truth wherever they do the
same. The phase has `days` days; the site runs for `AROUND` before it and after it, since clocks err and a boot takes
its energy in the bucket before. Hours count from the beginning of the phase."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from attest.format.vocabulary import Label, Precision
from attest.simulate.site import Event, Job, Plan, Site, Trouble

HOUR: Final = 3_600
DAY: Final = 86_400
START: Final = 1_794_182_400  # 2026-11-09T00:00:00Z
AROUND: Final = 6 * HOUR
SECRET, CHAT = 1, 2  # lineages


class Story(NamedTuple):
    """What happens at a site."""

    jobs: tuple[Job, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Scene:
    """A site of `nodes` nodes for a phase of `days` days."""

    name: str
    nodes: int = 2
    days: int = 1
    model: str = "NVIDIA H100 SXM5 80GB"

    @property
    def end(self) -> int:
        """The end of the phase, Unix s."""
        return START + self.days * DAY

    @property
    def first(self) -> int:
        """The beginning of the site's time, and `last` its end."""
        return START - AROUND

    @property
    def last(self) -> int:
        """The end of the site's time."""
        return self.end + AROUND

    @property
    def every(self) -> tuple[int, ...]:
        """All nodes."""
        return tuple(range(self.nodes))

    # -- what is admitted

    @property
    def idle(self) -> Story:
        """Everything is on and idle."""
        return Story()

    @property
    def off(self) -> Story:
        """Everything is off."""
        return Story((), tuple(Event(Trouble.DOWN, node, self.first, self.last) for node in self.every))

    @property
    def chat(self) -> Story:
        """Inference on all nodes, all day."""
        job = Job("chat", Label.INFERENCE, Precision.FP8, self.every, self.first + HOUR, self.last - HOUR, CHAT)
        return Story((job,))

    # -- what is not

    def job(self, nodes: tuple[int, ...], hour: float, hours: float, name: str = "secret", **of: Any) -> Job:
        """Training from an hour of the phase on, in whole minutes."""
        begin = START + round(hour * 60) * 60
        end = begin + max(round(hours * 60), 1) * 60
        given = {"label": Label.TRAINING, "precision": Precision.BF16, "lineage": SECRET, **of}
        return Job(name=name, nodes=nodes, start=begin, end=end, **given)

    def secret(self, nodes: tuple[int, ...], hour: float, hours: float, **of: Any) -> Story:
        """A story of that job alone; nodes that are off otherwise are on for it, from a minute before."""
        return Story((self.job(nodes, hour, hours, **of),))

    def play(self, *stories: Story) -> Site:
        """All stories together at one site. A node that has a job of a later story is on while it runs."""
        jobs = tuple(job for story in stories for job in story.jobs)
        events: list[Event] = []
        for event in (event for story in stories for event in story.events):
            pieces = [event]
            if event.what is Trouble.DOWN:
                for job in jobs:
                    if event.node in job.nodes:
                        pieces = [p for piece in pieces for p in _without(piece, job.start - 60, job.end)]
            events += pieces
        return Site(Plan(f"catch {self.name}", self.nodes, self.first, self.last, jobs, tuple(events), self.model))


def _without(event: Event, start: int, end: int) -> list[Event]:
    """An event less [start, end)."""
    left = event._replace(end=min(event.end, start))
    right = event._replace(start=max(event.start, end))
    return [piece for piece in (left, right) if piece.start < piece.end]
