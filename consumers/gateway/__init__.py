"""The gateway: `Gateway` is the library, `prefledger gateway run` the process; `docs/gateway.md` tells how it works."""

from consumers.gateway.gateway import Gateway

__all__ = ["Gateway"]
