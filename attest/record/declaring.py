"""Acts about accelerators carried out: the ledger first, then the inventory statement that the office signs.

Whatever ends the process in between leaves a line whose statement is not there: it does not count, and the act can be
given again. What the office had begun to sign comes first (`attest.record.chain.finish`), before the books are opened.
"""

from attest.format.block import commit
from attest.format.bodies import InventoryBody
from attest.format.roster import format_roster, parse_roster
from attest.format.vocabulary import Kind
from attest.inventory.acts import Change
from attest.inventory.edges import require_edge
from attest.inventory.site import Site
from attest.record.chain import sign_next
from attest.sign.signer import Signer
from attest.store.writer import LogWriter


def carry_out(log: LogWriter, site: Site, signer: Signer, change: Change) -> int | None:
    """The log index of the inventory, None where the act needs none. Raises LogError, KeyFileError, MalformedError."""
    line, roster = change
    if roster is None:
        site.keep(line)
        return None
    body = format_roster(roster)
    parse_roster(body)
    require_edge(log, site, roster, line.at)
    block = commit(body)
    site.keep(line._replace(roster=block.digest.hex()))
    return sign_next(log, signer, Kind.INVENTORY, InventoryBody(block, roster.count()), line.at, body)
