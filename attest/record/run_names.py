"""The runs that a recorder names in its statements: read anew from the lab's files at the end of each window.

What had an accelerator is in Slurm's accounting, in pods and in the lab's own files (schemas/workloads.md); a timer of
the lab's writes them where the configuration says. Files that cannot be read keep no window open: its intervals then
belong to no run, which a verifier counts as work that any run may have done, and the recorder's log says why.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from attest.collect.devices import Host
from attest.collect.irregular import Irregularity, Kind
from attest.collect.labels import Rules, parse_rules
from attest.collect.slurm_text import Options
from attest.collect.usage_statements import Naming
from attest.collect.workload_files import read_files
from attest.collect.workloads import Workload
from attest.errors import AttestError, MissingError
from attest.record.naming import Committing, Told, host_workloads
from attest.store.salts import open_salts

_log = logging.getLogger("attest.record")


class RunNames(NamedTuple):
    """Files of workloads, the file of rules for labels, the private file of salts, the cluster and the zone (s east of
    UTC) of records that name none."""

    files: tuple[str, ...]
    labels: str | None
    salts: str
    cluster: str | None = None
    utc_offset: int | None = None

    @contextmanager
    def of(self, host: Host, found: list[Irregularity]) -> Iterator[Naming | None]:
        """How the runs of a host are named, for as long as the file of salts is open."""
        try:
            runs = self._runs(host, found)
        except AttestError as error:
            _log.error("no runs are named", extra={"fields": {"code": error.code, "detail": error.detail}})
            yield None
            return
        with open_salts(Path(self.salts)) as salts:
            yield Naming(runs, Committing(salts, keep=True).name)

    def _runs(self, host: Host, found: list[Irregularity]) -> list[Workload]:
        rules = Rules() if self.labels is None else parse_rules(_bytes(self.labels))
        told = read_files(self.files, Options(cluster=self.cluster, utc_offset=self.utc_offset), rules, found)
        for partial in (irregularity for irregularity in found if irregularity.kind is Kind.PARTIAL):
            fields = {"file": partial.where, "says": partial.who}
            _log.warning("runs may be missing from a file", extra={"fields": fields})
        return host_workloads(Told(told.workloads, told.pods, rules, self.cluster), host, found)


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise MissingError("input/missing", f"{path}: {error.strerror}") from error
