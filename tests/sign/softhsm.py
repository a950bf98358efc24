"""SoftHSM 2 for the tests: found on this machine, or unpacked from Debian's packages into the tests' cache folder.

Nothing is installed and no root is needed: apt keeps its lists in the cache folder too. Where neither works, `find`
says why, and what needs a token is skipped with that reason.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ctypes import CDLL
from pathlib import Path
from typing import NamedTuple

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from attest.trust.keys import Alg
from tests.debian import UnavailableError, run, unpacked

PACKAGES = ("softhsm2", "libsofthsm2", "libsqlite3-0")
PLACES = ("usr/lib/softhsm", "usr/lib/*/softhsm", "usr/lib64/softhsm", "usr/local/lib/softhsm")
PIN = "314159"
NAMES = ("lab", "other")  # of the tokens that there are


class SoftHsm(NamedTuple):
    """The library, the tool that makes tokens and what the tool is run with."""

    module: Path
    util: Path
    environment: Mapping[str, str]


def find(cache: Path) -> SoftHsm:
    """SoftHSM, loadable here. Raises UnavailableError."""
    found = _installed(Path("/"), os.environ)
    if found is None:
        root = unpacked(cache, PACKAGES)
        libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu"))
        found = _installed(root, {**os.environ, "LD_LIBRARY_PATH": libraries})
    if found is None:
        raise UnavailableError("Debian's packages of SoftHSM have no library or no tool")
    try:
        CDLL(str(found.module))
    except OSError as error:
        raise UnavailableError(f"SoftHSM cannot be loaded: {error}") from error
    return found


def _installed(root: Path, environment: Mapping[str, str]) -> SoftHsm | None:
    modules = [found for place in PLACES for found in sorted(root.glob(f"{place}/libsofthsm2.so"))]
    util = shutil.which("softhsm2-util", path=os.pathsep.join(str(root / p) for p in ("usr/bin", "usr/local/bin")))
    return SoftHsm(modules[0], Path(util), environment) if modules and util else None


class Tokens:
    """Two tokens of this process's own in a folder of their own, each without keys at first."""

    def __init__(self, found: SoftHsm, folder: Path) -> None:
        self.folder, self.module = folder / "tokens", found.module
        self.folder.mkdir()
        self.pin_file = folder / "pin"
        self.pin_file.touch(0o600)
        self.pin_file.write_text(f"{PIN}\n", "utf-8")
        conf = folder / "softhsm2.conf"
        conf.write_text(
            f"directories.tokendir = {self.folder}\nobjectstore.backend = file\nlog.level = ERROR\n", "utf-8"
        )
        os.environ["SOFTHSM2_CONF"] = str(conf)
        environment = {**found.environment, "SOFTHSM2_CONF": str(conf)}
        for name in NAMES:
            words = f"--init-token --free --label {name} --pin {PIN} --so-pin 27182818"
            run([str(found.util), "--module", str(found.module), *words.split()], folder, environment)

    def uri(self, path: str, pin: str | None = None, module: str | None = None) -> str:
        """The URI of a key, `token=lab;object=n1`, through this module and with the right PIN where none is given."""
        source = f"file:{self.pin_file}" if pin is None else pin
        return f"pkcs11:{path}?module-path={module or self.module}&pin-source={source}"

    @contextmanager
    def session(self, on: str = "lab") -> Iterator[pkcs11.Session]:
        """One that may write; it logs everybody out when it ends, as far as this process goes."""
        found = pkcs11.lib(str(self.module)).get_token(token_label=on)
        try:
            session = found.open(rw=True, user_pin=PIN)
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            session = found.open(rw=True)
        try:
            yield session
        finally:
            session.close()

    def generate(self, label: str, alg: Alg = Alg.ED25519, on: str = "lab", **private: object) -> str:
        """Makes a key pair, in place of any of this label, and gives its URI."""
        self.remove(label, on)
        template = {Attribute[name.upper()]: value for name, value in private.items()}
        with self.session(on) as session:
            if alg is Alg.ED25519:
                kind, parameters = KeyType.EC_EDWARDS, b"\x13\x0cedwards25519"
                mechanism = Mechanism.EC_EDWARDS_KEY_PAIR_GEN
            else:
                kind, mechanism = KeyType.EC, Mechanism.EC_KEY_PAIR_GEN
                parameters = encode_named_curve_parameters("secp256r1" if alg is Alg.ESP256 else "secp384r1")
            domain = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: parameters}, local=True)
            domain.generate_keypair(
                id=label.encode(), label=label, store=True, mechanism=mechanism, private_template=template
            )
        return self.uri(f"token={on};object={label}")

    def remove(self, label: str, on: str = "lab", kind: ObjectClass | None = None) -> None:
        """Takes a key pair, or its one half, off a token."""
        wanted = {Attribute.LABEL: label} | ({Attribute.CLASS: kind} if kind else {})
        with self.session(on) as session:
            for found in list(session.get_objects(wanted)):
                found.destroy()

    def lose_sessions(self) -> None:
        """What a token does that is pulled out for a moment: no session is left, and nobody is logged in."""
        library = CDLL(str(self.module))
        for slot in pkcs11.lib(str(self.module)).get_slots():
            assert library.C_CloseAllSessions(slot.slot_id) == 0
