"""What `attest import slurm` says it found: one object, printed as text or as JSON (schemas/workloads.md, "Report")."""

import json
from collections.abc import Sequence
from typing import Any, Final

from attest.cli.imported import listed
from attest.collect.irregular import Irregularity, count
from attest.collect.stamps import format_time
from attest.collect.workload_files import File
from attest.collect.workloads import Workload
from attest.record.naming import row_of

MAX_SHOWN: Final = 20  # runs that the text lists; the JSON has all

Data = dict[str, Any]


def report(
    files: Sequence[File], runs: Sequence[Workload], found: Sequence[Irregularity], secret: bytes | None
) -> Data:
    """The whole report; lineages and owners have numbers only where the secret is known."""
    return {
        "format": "attest-workloads/1",
        "files": [file._asdict() for file in files],
        "runs": [_run(run, secret) for run in runs],
        "irregular": count(found),
        "irregularities": [irregularity.as_dict() for irregularity in found],
    }


def as_json(data: Data) -> str:
    """The report as JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def as_text(data: Data) -> str:
    """The report for people."""
    lines = []
    for file in data["files"]:
        counts = ", ".join(
            f"{file[key]:,} {key}" for key in ("jobs", "steps", "pods", "rows", "nodes", "gpus") if file[key]
        )
        lines.append(f"{file['name']}: {file['kind']}, {counts or 'nothing'}")
    using = [run for run in data["runs"] if run["claims"]]
    lines.append(f"{len(data['runs']):,} runs, {len(using):,} of which had accelerators, or may have had")
    for run in using[:MAX_SHOWN]:
        lines.append(f"  {run['run']}: {run['label']}, {_claims(run['claims'])}")
        lineage, owner = (f" {run[key]}" if run[key] else "" for key in ("lineage_number", "owner_number"))
        lines.append(
            f"    lineage{lineage} {run['lineage']}" + (f", owner{owner} {run['owner']}" if run["owner"] else "")
        )
    if len(using) > MAX_SHOWN:
        lines.append(f"  and {len(using) - MAX_SHOWN:,} more, all of them in --format json")
    return "\n".join([*lines, *listed(data)]) + "\n"


def _run(run: Workload, secret: bytes | None) -> Data:
    row = None if secret is None else row_of(secret, run)
    return {
        "run": run.run,
        "where": run.where,
        "label": run.label.name.lower().replace("_", "-"),
        "precision": run.precision.name.lower(),
        "lineage": run.lineage,
        "lineage_number": row.lineage if row else None,
        "owner": run.owner,
        "owner_number": row.owner if row else None,
        "claims": [
            {
                "host": claim.host,
                "devices": None if claim.devices is None else list(claim.devices),
                "from": format_time(claim.start_ms),
                "until": None if claim.end_ms is None else format_time(claim.end_ms),
                "running": claim.running,
            }
            for claim in run.claims
        ],
    }


def _claims(claims: Sequence[Data]) -> str:
    first = claims[0]
    devices = "the whole host" if first["devices"] is None else f"devices {', '.join(map(str, first['devices']))}"
    more = f" and {len(claims) - 1:,} more" if len(claims) > 1 else ""
    until = "still running" if first["running"] else f"until {first['until']}"
    return f"{first['host']} ({devices}){more}, from {first['from']}, {until}"
