"""From files of workloads to the run tables of a host's statements: read, label, commit (schemas/workloads.md).

Whoever signs statements, the importer or the recorder, names runs through this: what is committed to is in the private
file of salts, on the disk, before the statement exists that commits to it. Without such a file (a dry run) commitments
are made with a secret that nobody keeps.
"""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from attest.collect.devices import Host
from attest.collect.irregular import Irregularity, refuse
from attest.collect.kubernetes import seen_jobs, seen_pods
from attest.collect.labels import Rules, apply_rules, rename_hosts
from attest.collect.occupancy import on_host
from attest.collect.workloads import Workload, merge
from attest.format.opening import SECRET_SIZE, commitment, lineage_number, opening_of, owner_number
from attest.format.runs import Run
from attest.store.salts import Record, Salts


class Told(NamedTuple):
    """What files tell of runs: jobs of Slurm and rows of plain files, and pods; the rules of labels; the cluster of
    pods, where it is said."""

    workloads: Sequence[Workload]
    pods: Sequence[Workload]
    rules: Rules
    cluster: str | None


def host_workloads(told: Told, host: Host, found: list[Irregularity]) -> list[Workload]:
    """The runs that had anything of a host, of files and of its own samples, labelled. Raises ImportDataError."""
    here = on_host(rename_hosts([*told.workloads, *told.pods], told.rules.hosts), host.name)
    if any(held.holder.pod for device in host.devices.values() for held in device.held):
        if told.cluster is None:
            refuse("import/cluster", host.name, "samples name pods, of no cluster", "say which with --cluster")
        here += seen_pods(host, told.cluster, told.pods)
    here += seen_jobs(host, here, found)
    return apply_rules(merge(here), told.rules, found)


class Committing:
    """How statements name runs: `name` makes rows of run tables, and `named` has by commitment what it has named.

    With `keep` what opens them is in the file of salts, on the disk, before `name` returns.
    """

    def __init__(self, salts: Salts | None, *, keep: bool) -> None:
        self.named: dict[bytes, Workload] = {}
        self._salts = salts if keep else None
        self._secret = os.urandom(SECRET_SIZE) if salts is None else salts.secret

    def name(self, workloads: Sequence[Workload]) -> list[Run]:
        """The rows of these runs. Raises LogError where the disk does not take what opens them."""
        runs = [row_of(self._secret, workload) for workload in workloads]
        if self._salts is not None:
            self._salts.add(record for pair in zip(workloads, runs, strict=True) for record in self._records(*pair))
        self.named |= {run.commitment: workload for workload, run in zip(workloads, runs, strict=True)}
        return runs

    def _records(self, workload: Workload, run: Run) -> Iterator[Record]:
        yield Record("run", opening_of(self._secret, workload.run).salt.hex(), workload.run)
        yield Record("lineage", f"{run.lineage:016x}", workload.lineage)
        if workload.owner:
            yield Record("owner", f"{run.owner:016x}", workload.owner)


def row_of(secret: bytes, workload: Workload) -> Run:
    """A run's row in run tables."""
    return Run(
        commitment(opening_of(secret, workload.run)),
        workload.label,
        workload.precision,
        lineage_number(secret, workload.lineage),
        None,
        owner_number(secret, workload.owner),
    )
