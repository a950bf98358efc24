"""Root holders and keys as agreements and trust files write them, each key with one role.

    threshold = 2

    [[holder]]
    name = "Ada"
    keys = ["ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]

Errors are AgreementErrors with the line and key of the text.
"""

from typing import Final

from attest.errors import AttestError
from attest.format.note import Vkey
from attest.format.toml_lines import Path
from attest.format.toml_table import Table, require_unique
from attest.trust.holders import Holder, Holders
from attest.trust.keys import PublicKey, parse_key
from attest.trust.notes import public_key

MAX_HOLDERS: Final = 32  # of one party
MAX_HOLDER_KEYS: Final = 4  # of one holder
MAX_HOLDER_NAME: Final = 200  # characters


class KeyRoles:
    """Who has which key so far."""

    def __init__(self) -> None:
        self._roles: dict[PublicKey, str] = {}

    def take(self, table: Table, key: PublicKey, role: str, path: Path) -> None:
        """Gives `key` a role; `path` is where it stands in the text of `table`.

        Raises AgreementError key/reused where it has one already.
        """
        if key in self._roles:
            detail = f"the key of {role} is already that of {self._roles[key]}"
            raise table.error_at("key/reused", detail, path, hint="one key has one role and one holder")
        self._roles[key] = role

    def take_vkey(self, table: Table, vkey: Vkey, role: str, path: Path) -> None:
        """The same for the key inside a vkey, whatever its signature type."""
        try:
            key = public_key(vkey)
        except AttestError as error:
            raise table.error_at(error.code, f"{role}: {error.detail}", path) from error
        self.take(table, key, role, path)


def read_holders(table: Table, roles: KeyRoles, party: str) -> Holders:
    """`threshold` and the `holder` tables of `table`. Raises AgreementError."""
    holders: list[Holder] = []
    tables = table.tables("holder", MAX_HOLDERS)
    for holder in tables:
        name = holder.only("name", "keys").text("name", limit=MAX_HOLDER_NAME)
        keys: list[PublicKey] = []
        for text in holder.texts("keys", MAX_HOLDER_KEYS):
            key = holder.parsed_at(text, parse_key)
            roles.take(holder, key, f"{name}, root holder of {party}", text.path)
            keys.append(key)
        holders.append(Holder(name, tuple(keys)))
    require_unique(tables, "name", "holder")
    threshold = table.integer("threshold", 1, MAX_HOLDERS)
    if threshold > len(holders):
        detail = f"a threshold of {threshold} can never be met by {len(holders)} holders"
        raise table.error("holders/threshold", detail, "threshold")
    return Holders(threshold, tuple(holders))
