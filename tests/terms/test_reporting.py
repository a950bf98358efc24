"""The term reporting: runs announced before they start, and closed when they end."""

from dataclasses import replace

import pytest

from attest.format.bodies import NoticeBody
from attest.format.notice import Notice
from attest.format.statement import peek
from attest.format.vocabulary import Kind, Label, Precision, Report
from attest.simulate.lab import Lab
from attest.simulate.pact import Table
from attest.simulate.site import Event, Job, Trouble
from attest.verdict import Outcome, TermResult
from tests.check.world import DAY, END, HOUR, START, judge, lab, under

LAST = START + 4 * DAY
NOON = START + DAY // 2
RUN = Job("run", Label.TRAINING, Precision.BF16, (0, 1), NOON, NOON + 6 * HOUR, lineage=7)
STARTS = Notice(Report.STARTS, 7, NOON)
ENDS = Notice(Report.ENDS, 7, NOON + 6 * HOUR)


def told(
    *notices: tuple[int, Notice], job: Job = RUN, more: tuple[Job, ...] = (), end: int = LAST, until: int | None = None
) -> Lab:
    """A lab with a run or more, whose office enters notices at their times."""
    made = lab((job, *more), end=end)
    for time, notice in notices:
        made.run(until=time)
        made.office.say(NoticeBody((notice,)))
        made.witness()
        made.head()
    made.run(until=until)
    return made


def of(made: Lab, at: int = LAST + HOUR, end: int = END, **keys: str | int) -> TermResult:
    term: Table = {"kind": "reporting", **keys}
    return judge(made.bundle(), under(term, end=end), at=at).parties[0].terms[0]


def codes(found: TermResult) -> list[str]:
    return [finding.code for finding in found.findings]


EARLY = (START + HOUR, STARTS)
IN_TIME = (NOON + 8 * HOUR, ENDS)


def test_a_run_that_was_announced_is_reported() -> None:
    found = of(told(EARLY))
    assert (found.outcome, found.text, codes(found)) == (Outcome.HOLDS, "1 of 1 runs reported", [])


def test_a_run_that_nobody_was_told_of_is_a_missed_duty() -> None:
    found = of(told())
    assert (found.outcome, codes(found)) == (Outcome.BREACHED, ["term/reporting"])
    assert found.findings[0].numbers == {"accelerators": 16}
    assert found.findings[0].text == (
        "lineage 7, which started by 2026-11-09T18:00:00Z, was not announced by 2026-11-09T12:00:00Z"
    )


def test_an_announcement_of_another_run_is_none() -> None:
    assert of(told((START + HOUR, STARTS._replace(lineage=8)))).outcome is Outcome.BREACHED
    assert of(told((START + HOUR, STARTS._replace(report=Report.ENDS)))).outcome is Outcome.BREACHED


def test_one_that_comes_when_the_run_has_begun_is_late() -> None:
    """The first window is from noon to six: at one it may not have begun yet, and at seven it had."""
    assert of(told((NOON + HOUR, STARTS))).outcome is Outcome.UNPROVEN
    found = of(told((NOON + 7 * HOUR, STARTS)))
    assert (found.outcome, codes(found)) == (Outcome.BREACHED, ["term/reporting"])


def test_a_notice_is_due_so_long_before() -> None:
    assert of(told(EARLY), notice="10 h").outcome is Outcome.HOLDS
    assert of(told(EARLY), notice="12 h").outcome is Outcome.UNPROVEN
    assert of(told(EARLY), notice="18 h").outcome is Outcome.BREACHED


def test_nobody_is_accused_before_the_grace_is_over() -> None:
    """A day of grace, from six on."""
    found = of(told(until=NOON + DAY), at=NOON + 2 * DAY)
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["reporting/missed"])


def test_an_old_copy_accuses_nobody() -> None:
    """It ends before the notice was due by more than the grace, whenever its last head is cosigned again."""
    made = told(until=NOON + 6 * HOUR)
    made.delay_s = 3 * DAY
    made.witness()
    assert of(made).outcome is Outcome.UNPROVEN


def test_a_run_is_closed_when_it_ends() -> None:
    assert of(told(EARLY, IN_TIME), closing="6 h").outcome is Outcome.HOLDS
    found = of(told(EARLY), closing="6 h")
    assert (found.outcome, codes(found)) == (Outcome.BREACHED, ["term/reporting"])
    assert found.findings[0].text == "lineage 7 was not closed by 2026-11-10T00:00:00Z"
    assert of(told(EARLY)).outcome is Outcome.HOLDS  # the agreement need not ask for it


def test_a_run_that_may_go_on_is_not_to_be_closed() -> None:
    """The phase goes on, and is judged until six in the evening."""
    made, term = told(EARLY, until=NOON + 8 * HOUR), {"kind": "reporting", "closing": "6 h"}
    found = judge(made.bundle(), under(term, end=LAST), at=NOON + 18 * HOUR).parties[0].terms[0]
    assert (found.outcome, found.text) == (Outcome.HOLDS, "1 of 1 runs reported")


def test_small_runs_need_not_be_reported() -> None:
    found = of(told(), devices=16)
    assert (found.outcome, found.text) == (Outcome.HOLDS, "0 of 0 runs reported")
    assert of(told(), devices=15).outcome is Outcome.BREACHED


def test_a_run_without_lineage_cannot_be_announced() -> None:
    found = of(told((START + HOUR, STARTS), job=RUN._replace(lineage=0)))
    assert (found.outcome, codes(found)) == (Outcome.BREACHED, ["term/reporting"] * 2)  # the statements of two hosts
    assert found.findings[0].text.startswith("a run without lineage")


def test_a_run_that_began_before_the_phase_is_not_of_it() -> None:
    made = told()
    pact = under({"kind": "reporting"})
    later = replace(pact, phases=(pact.phases[0]._replace(start=START + 18 * HOUR),))
    assert judge(made.bundle(), later, at=LAST).parties[0].terms[0].outcome is Outcome.HOLDS


def test_work_of_no_run_is_not_reported() -> None:
    found = of(told(EARLY, job=RUN._replace(claimed=Label.NONE)))
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["reporting/unnamed"])
    assert found.findings[0].numbers == {"device_seconds": 16 * HOUR}


def test_silence_reports_nothing() -> None:
    """What is dark may have been a run on more than so many; what a meter shows to be off is not."""
    mute = lab((RUN,), end=LAST)
    mute.run(mute=lambda sub, start, end: "/n0" in sub)
    found = of(mute)
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["reporting/unnamed"])
    lost = lab((RUN,), (Event(Trouble.LOST, 0, START + HOUR, START + 2 * HOUR),), end=LAST)
    lost.office.say(NoticeBody((STARTS,)))
    lost.witness()
    lost.head()
    lost.run()
    assert of(lost, devices=7).outcome is Outcome.UNPROVEN
    assert of(lost, devices=8).outcome is Outcome.HOLDS


@pytest.mark.parametrize("lineage", [1, (1 << 63) + 5])
def test_lineages_are_of_64_bits(lineage: int) -> None:
    made = told((START + HOUR, STARTS._replace(lineage=lineage)), job=RUN._replace(lineage=lineage))
    assert of(made).outcome is Outcome.HOLDS


def test_a_run_that_may_have_been_large_is_not_shown_to_be_small() -> None:
    """Three hours on 16 of a window of six: 8 for certain, and it may have been 16."""
    short = RUN._replace(end=NOON + 3 * HOUR)
    found = of(told(job=short), devices=8)
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["reporting/missed"])
    assert of(told(job=short), devices=16).outcome is Outcome.HOLDS
    assert of(told(job=short), devices=7).outcome is Outcome.BREACHED


def test_an_end_that_was_told_beforehand_is_none() -> None:
    found = of(told((START + HOUR, STARTS), (START + 2 * HOUR, ENDS)), closing="6 h")
    assert (found.outcome, codes(found)) == (Outcome.BREACHED, ["term/reporting"])


AGAIN = RUN._replace(name="run, again", start=NOON + 24 * HOUR, end=NOON + 36 * HOUR)
ANEW = STARTS._replace(at=AGAIN.start)


def test_a_run_that_goes_on_after_its_notice_of_end_is_unannounced() -> None:
    """It was to end at six in the evening and went on until the next midnight, in windows that no clock explains."""
    found = of(told(EARLY, IN_TIME, job=RUN._replace(end=NOON + 36 * HOUR)))
    assert (found.outcome, codes(found)) == (Outcome.BREACHED, ["term/reporting"])
    assert (found.low, found.limit) == (1, 2)
    assert found.findings[0].text == (
        "lineage 7 ended at 2026-11-09T18:00:00Z, as was told, and goes on, which was not announced by"
        " 2026-11-10T12:00:00Z"
    )


@pytest.mark.parametrize("lineage", [1, 6, (1 << 63) + 5])
def test_ends_of_other_lineages_are_none_of_its(lineage: int) -> None:
    """Whatever numbers stand beside it: each of three runs has one end, and one of them goes on."""
    long = RUN._replace(end=NOON + 36 * HOUR, lineage=lineage, nodes=(1,))
    others = tuple(RUN._replace(name=f"run {n}", lineage=n, nodes=(0,)) for n in (3, 9))
    said = [(time, n._replace(lineage=job.lineage)) for time, n in (EARLY, IN_TIME) for job in (long, *others)]
    found = of(told(*said, job=long, more=others))
    assert (found.outcome, codes(found)) == (Outcome.BREACHED, ["term/reporting"])
    assert found.findings[0].text.startswith(f"lineage {lineage} ended")
    assert of(told(*said, job=long._replace(end=NOON + 6 * HOUR), more=others)).outcome is Outcome.HOLDS


def test_one_that_goes_on_for_less_than_the_lag_accuses_nobody() -> None:
    """Clocks of hosts and offices may differ: half a day is what this agreement lets them."""
    found = of(told(EARLY, IN_TIME, job=RUN._replace(end=NOON + 18 * HOUR)))
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["reporting/missed"])
    assert of(told(EARLY, IN_TIME)).outcome is Outcome.HOLDS  # six o'clock is the end of its last window


def test_an_ended_lineage_is_announced_again() -> None:
    """Its first announcement is of the run that ended."""
    for notices, outcome in (
        ((EARLY, IN_TIME), Outcome.BREACHED),
        ((EARLY, IN_TIME, (NOON + 10 * HOUR, ANEW)), Outcome.HOLDS),
        ((EARLY, (START + 2 * HOUR, ANEW), IN_TIME), Outcome.HOLDS),  # told before the end, of a time after it
        ((EARLY, (START + 2 * HOUR, ANEW._replace(at=LAST)), IN_TIME), Outcome.UNPROVEN),  # of a time long after it
        ((EARLY, IN_TIME, (NOON + 26 * HOUR, ANEW)), Outcome.UNPROVEN),
        ((EARLY, IN_TIME, (NOON + 31 * HOUR, ANEW)), Outcome.BREACHED),
    ):
        assert of(told(*notices, more=(AGAIN,)), end=LAST).outcome is outcome, notices


def test_a_restart_without_an_end_is_the_same_run() -> None:
    found = of(told(EARLY, more=(AGAIN,)), end=LAST)
    assert (found.outcome, found.text) == (Outcome.HOLDS, "1 of 1 runs reported")


def test_each_run_of_a_lineage_is_closed() -> None:
    closed = (NOON + 38 * HOUR, ENDS._replace(at=AGAIN.end))
    notices = (EARLY, IN_TIME, (NOON + 10 * HOUR, ANEW))
    assert of(told(*notices, closed, more=(AGAIN,)), end=LAST, closing="6 h").outcome is Outcome.HOLDS
    assert of(told(*notices, more=(AGAIN,)), end=LAST, closing="6 h").outcome is Outcome.BREACHED


def test_the_lineage_of_a_run_that_ended_before_the_phase_is_no_excuse() -> None:
    """Without the notice of its end it would be a run that began before."""
    pact = under({"kind": "reporting"}, end=LAST)
    later = replace(pact, phases=(pact.phases[0]._replace(start=START + DAY),))
    for notices, outcome in (((EARLY, IN_TIME), Outcome.BREACHED), ((EARLY,), Outcome.HOLDS)):
        made = told(*notices, more=(AGAIN,))
        assert judge(made.bundle(), later, at=LAST).parties[0].terms[0].outcome is outcome


def test_an_end_that_was_voided_is_for_adjudicators() -> None:
    """The root holders take back that it ended: by mistake, they say."""
    made = told(EARLY, IN_TIME, more=(AGAIN,))
    (_, end) = [i for i, e in enumerate(made.entries) if peek(e.data).kind == Kind.EVENT]
    made.void([end])
    made.witness()
    made.head()
    found = of(made, end=LAST)
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["breach/disputed"])
    assert found.findings[0].text.endswith("but only by what a revocation or a void disputes")


def test_a_run_that_is_told_to_have_ended_a_little_early_is_not_unclosed() -> None:
    """By its host's clock the run lasts a minute into the next window; the office told of its end a minute before."""
    late = RUN._replace(end=NOON + 6 * HOUR + 60)
    early = (NOON + 5 * HOUR, ENDS._replace(at=NOON + 5 * HOUR - 60))
    found = of(told(EARLY, early, job=late), closing="6 h")
    assert (found.outcome, set(codes(found))) == (Outcome.UNPROVEN, {"reporting/missed"})


def test_a_run_in_a_window_that_was_partly_off_is_one() -> None:
    """Off until noon and at work from one to five, told of as one day, of which the meter denies a half: that accuses
    nobody, and the run is there all the same."""
    off = tuple(Event(Trouble.DOWN, node, START, NOON) for node in (0, 1))
    work = RUN._replace(start=NOON + HOUR, end=NOON + 5 * HOUR)
    whole_days = lab((work,), off, end=LAST, window_s=DAY)
    whole_days.run()
    found = of(whole_days, devices=7)
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["reporting/missed"])


def test_what_is_told_of_a_time_that_was_off_dates_no_start_back() -> None:
    """The first window that names the run is denied in part: the run is late for certain by the second, and in time
    only by the first."""
    off = tuple(Event(Trouble.DOWN, node, START, NOON + 2 * HOUR) for node in (0, 1))
    work = RUN._replace(start=NOON + 3 * HOUR, end=NOON + 12 * HOUR)
    made = lab((work,), off, end=LAST)
    made.run()
    found = of(made, devices=7)
    assert (found.outcome, codes(found)) == (Outcome.BREACHED, ["term/reporting"])
    assert "started by 2026-11-10T00:00:00Z" in found.findings[0].text
    told_late = lab((work,), off, end=LAST)
    told_late.run(until=NOON + 4 * HOUR)
    told_late.office.say(NoticeBody((STARTS,)))
    told_late.run()
    assert of(told_late, devices=7).outcome is Outcome.UNPROVEN


def test_runs_without_lineage_may_be_one() -> None:
    """Each host's statement names eight accelerators, and together they had sixteen."""
    found = of(told(job=RUN._replace(lineage=0)), devices=15)
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["reporting/missed"] * 2)
    assert of(told(job=RUN._replace(lineage=0)), devices=16).outcome is Outcome.HOLDS
