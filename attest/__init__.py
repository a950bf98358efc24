"""attest: signed, complete, bounded evidence of what accelerators and power meters did."""

__version__ = "0.1.0"
