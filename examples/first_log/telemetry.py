"""Telemetry of a made-up host for two nights and the day between them: python telemetry.py

Writes, in two parts cut at noon, what a dcgm-exporter on a host of two H100 showed every minute (host-1.prom,
host-2.prom, Prometheus text with timestamps) and what the meter of the host's circuit read every minute
(circuit-1.csv, circuit-2.csv). The host trains from 8 to 11. The exporter is restarted at 14:20
and shows nothing for ten minutes. Numbers are drawn from a fixed seed, so the files are the same each time.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

MINUTE = timedelta(minutes=1)
START = datetime(2026, 11, 8, 22, tzinfo=UTC)
NOON = datetime(2026, 11, 9, 12, tzinfo=UTC)
END = datetime(2026, 11, 10, 2, tzinfo=UTC)
RESTART = datetime(2026, 11, 9, 14, 20, tzinfo=UTC)

DEVICES = ("GPU-6f1c", "GPU-9a27")
OVERHEAD_W = 240  # processors, fans and losses of the host
METRICS = {
    "DCGM_FI_DEV_SM_CLOCK": "gauge",
    "DCGM_FI_DEV_POWER_USAGE": "gauge",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "counter",
    "DCGM_FI_PROF_SM_ACTIVE": "gauge",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": "gauge",
}


def works(time: datetime) -> bool:
    """Whether the host trains in the minute that ends then."""
    hour = (time - MINUTE).hour
    return time.date() == NOON.date() and 8 <= hour < 11


def main() -> None:
    """Plays the host minute by minute."""
    draw = Random(7)
    energy_mj = dict.fromkeys(DEVICES, 3_600_000_000)  # of the two weeks before
    shown: dict[datetime, str] = {}
    metered: dict[datetime, str] = {}
    time = START
    while time <= END:
        circuit_w = OVERHEAD_W
        lines = []
        for number, device in enumerate(DEVICES):
            busy = works(time)
            watts = draw.randint(610, 680) if busy else draw.randint(68, 74)
            tensor = draw.randint(400, 460) if busy else 0
            values = (1_755 if busy else 345, watts, 0, 0.96 if busy else 0, tensor / 1_000)
            energy_mj[device] += watts * 60_000
            circuit_w += watts
            labels = f'gpu="{number}",UUID="{device}",modelName="NVIDIA H100 80GB HBM3",Hostname="n1"'
            for name, value in zip(METRICS, values, strict=True):
                value = energy_mj[device] if METRICS[name] == "counter" else value
                lines.append(f"{name}{{{labels}}} {value} {int(time.timestamp())}000\n")
        shown[time] = "".join(lines)
        metered[time] = f"{time:%Y-%m-%dT%H:%M:%SZ},dc1,{circuit_w}\n"
        time += MINUTE
    types = "".join(f"# TYPE {name} {kind}\n" for name, kind in METRICS.items())
    silent = {RESTART + MINUTE * i for i in range(10)}
    for part, times in enumerate(([t for t in shown if t <= NOON], [t for t in shown if t > NOON]), start=1):
        scrapes = "".join(shown[t] for t in times if t not in silent)
        Path(f"host-{part}.prom").write_text(types + scrapes, "utf-8")
        Path(f"circuit-{part}.csv").write_text("time,node,watts\n" + "".join(metered[t] for t in times), "utf-8")


if __name__ == "__main__":
    main()
