"""Terms about compute, read: compute-cap, slowdown, ramp, run-cap, scale-cap (schemas/agreement.md, "Terms")."""

from collections.abc import Mapping
from typing import Any, Final

from attest.agreement.kinds import ComputeCap, Ramp, RunCap, ScaleCap, Slowdown, Step, Term, Tie
from attest.agreement.reading import MAX_DEVICES, Readers, Setting, assurance, label, quantity, window
from attest.agreement.units import DURATION, FLOP, SHARE, SPEED, TRAFFIC
from attest.format.toml_table import Table

MAX_STEPS: Final = 64  # of one ramp


def _compute_cap(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    return ComputeCap(
        limit=quantity(table, "limit", FLOP),
        label=label(table),
        window_s=window(table, setting),
        assurance=assurance(table),
        **common,
    )


def _slowdown(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    return Slowdown(
        baseline=quantity(table, "baseline", SPEED, low=1),
        share_ppm=quantity(table, "share", SHARE),
        label=label(table),
        window_s=window(table, setting),
        assurance=assurance(table),
        **common,
    )


def _ramp(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    tables = [step.only("start", "limit") for step in table.tables("step", MAX_STEPS)]
    starts = [step.time("start") for step in tables]
    if starts[0] != setting.start:
        raise tables[0].error("agreement/ramp", "the first step must begin with the phase", "start")
    steps: list[Step] = []
    for step, before, start in zip(tables, [setting.start - 1, *starts], starts, strict=False):
        if start % setting.bucket_s:
            detail = f"must lie on the edge of a bucket of {DURATION.format(setting.bucket_s)}"
            raise step.error("agreement/edge", detail, "start")
        if not before < start < setting.end:
            raise step.error("agreement/ramp", "steps must rise in time and begin within the phase", "start")
    for step, start, end in zip(tables, starts, [*starts[1:], setting.end], strict=True):
        limit = quantity(step, "limit", FLOP)
        if steps and limit * (steps[-1].end - steps[-1].start) > steps[-1].limit * (end - start):
            detail = "allows more FLOP a second than the step before: a ramp leads down"
            raise step.error("agreement/ramp", detail, "limit")
        steps.append(Step(start, end, limit))
    return Ramp(steps=tuple(steps), label=label(table), assurance=assurance(table), **common)


def _run_cap(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    per = table.text("per") if "per" in table else Tie.LINEAGE
    if per not in list(Tie):
        raise table.error("agreement/tie", f"{per[:40]} ties no runs together: lineage or owner does", "per")
    return RunCap(
        limit=quantity(table, "limit", FLOP), per=Tie(per), label=label(table), assurance=assurance(table), **common
    )


def _scale_cap(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    fabric = quantity(table, "fabric", TRAFFIC) if "fabric" in table else None
    if fabric is None and "window" in table:
        raise table.error(
            "agreement/impossible", "accelerators are counted at any one time: a window needs fabric", "window"
        )
    return ScaleCap(
        devices=table.integer("devices", 0, MAX_DEVICES),
        fabric_mib=fabric,
        window_s=window(table, setting),
        label=label(table),
        assurance=assurance(table),
        **common,
    )


COMPUTE: Final[Readers] = {
    "compute-cap": (("limit", "label", "window", "assurance"), _compute_cap),
    "slowdown": (("baseline", "share", "label", "window", "assurance"), _slowdown),
    "ramp": (("step", "label", "assurance"), _ramp),
    "run-cap": (("limit", "per", "label", "assurance"), _run_cap),
    "scale-cap": (("devices", "fabric", "window", "label", "assurance"), _scale_cap),
}
