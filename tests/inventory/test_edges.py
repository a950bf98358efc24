"""From when on an inventory may be in force, the first one of a log, and no device in two logs."""

from tests.inventory.books import (
    H100,
    HOST,
    HOUR,
    OTHER,
    START,
    Site,
    at,
    done,
    listed,
    placed,
    refused,
    roster_text,
    says_nothing,
    second_log,
    site,
)

__all__ = ["site"]  # a fixture

NEW = ("--model", H100)


def test_no_statement_gets_two_rosters(site: Site) -> None:
    says_nothing(site, START + 2 * HOUR)
    to = ("--to", HOST, "--feed", "node_0")
    refused(site, "inventory/spoken", "add", "GPU-9", *NEW, *to, *at(1))
    refused(site, "inventory/spoken", "retire", "GPU-0", *at(2, -60))
    done(site, "add", "GPU-9", *NEW, *to, *at(2))
    refused(site, "inventory/past", "add", "GPU-10", *NEW, *to, *at(1))


def test_what_a_host_began_to_sign_before_a_crash_is_spoken_of(site: Site) -> None:
    says_nothing(site, START + 2 * HOUR, into_log=False)
    refused(site, "inventory/spoken", "retire", "GPU-0", *at(1))
    done(site, "retire", "GPU-0", *at(2))


def test_an_inventory_begins_on_an_edge(site: Site) -> None:
    says_nothing(site, START + HOUR, interval=600)
    to = ("--to", HOST, "--feed", "node_0")
    refused(site, "inventory/edge", "add", "GPU-9", *NEW, *to, *at(2, 1))
    refused(site, "inventory/edge", "add", "GPU-9", *NEW, *to, *at(2, 60))
    done(site, "add", "GPU-9", *NEW, *to, *at(2, 600))


def test_a_host_that_was_left_empty_has_ended(site: Site) -> None:
    says_nothing(site, START + HOUR)
    words = ("GPU-0", "GPU-1", "--from", HOST)
    done(site, "move", *words, *at(2))
    assert placed(site.log) == {}
    back = ("GPU-0", "--to", HOST, "--feed", "node_0")
    refused(site, "inventory/host-ended", "move", *back, *at(3))
    done(site, "move", *back, *at(2))  # at once: it never was without
    done(site, "move", "GPU-1", "--to", OTHER, "--feed", "node_0", *at(3))
    done(site, "move", "GPU-1", "--from", OTHER, *at(4))
    done(site, "move", "GPU-1", "--to", OTHER, "--feed", "node_0", *at(5))  # who never spoke has not ended


# -- the first inventory, and two logs


def test_a_log_without_an_inventory_needs_a_roster_first(site: Site) -> None:
    log = second_log(site)
    refused(site, "inventory/none", "add", "GPU-20", *NEW, "--to", OTHER, "--feed", "node_0", *at(1), log=log)
    done(site, "add", "GPU-20", *NEW, *at(1), log=log)
    text = roster_text(site, listed("GPU-20", "GPU-21"))
    refused(site, "inventory/not-arrived", "declare", text, *at(1), log=log)
    done(site, "add", "GPU-21", *NEW, *at(1), log=log)
    done(site, "declare", text, *at(1), log=log)
    assert placed(log) == {HOST: ["GPU-20", "GPU-21"]}


def test_no_device_is_in_two_logs(site: Site) -> None:
    log, beside = second_log(site), ("--beside", site.log)
    text = roster_text(site, listed("GPU-0", "GPU-20"))
    assert f"declared at {HOST} in log" in refused(
        site, "inventory/elsewhere", "declare", text, *beside, *at(1), log=log
    )
    done(site, "declare", roster_text(site, listed("GPU-20")), *beside, *at(1), log=log)
    done(site, "add", "GPU-50=S50", *NEW, *at(1))
    for words in (("GPU-50", *NEW), ("S50", *NEW), ("GPU-0", *NEW)):
        refused(site, "inventory/elsewhere", "add", *words, *beside, *at(1), log=log)
    for words in (("GPU-50=S51", *NEW), ("GPU-51=S50", *NEW)):
        refused(site, "inventory/identity", "add", *words, *beside, *at(1), log=log)


def test_what_goes_from_one_log_to_another_is_at_one_place_at_any_time(site: Site) -> None:
    log, beside = second_log(site), ("--beside", site.log)
    done(site, "declare", roster_text(site, listed("GPU-20")), *at(1), log=log)
    words = ("GPU-1", *NEW, "--to", HOST, *beside)
    refused(site, "inventory/elsewhere", "add", *words, "--again", "moved", *at(3), log=log)
    done(site, "retire", "GPU-1", *at(3))
    err = refused(site, "inventory/elsewhere", "add", *words, "--again", "moved", *at(2), log=log)
    assert "GPU-1 is declared in log until 2025-04-24T20:00:00Z" in err
    refused(site, "inventory/retired", "add", *words, *at(3), log=log)
    done(site, "add", *words, "--again", "moved", *at(3), log=log)
    assert (placed(site.log), placed(log)) == ({HOST: ["GPU-0"]}, {HOST: ["GPU-20", "GPU-1"]})


def test_a_log_beside_that_is_no_log_is_missing_input(site: Site) -> None:
    refused(site, "log/not-a-log", "add", "GPU-9", *NEW, "--beside", site.path / "nowhere", *at(1))
