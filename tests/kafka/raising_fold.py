"""The command line with a fold that fails as no entry makes it fail: `python -m tests.kafka.raising_fold KEY COMMAND…`.

What one entry is to blame for is set aside. This is what is left, a fault of ours or no memory: the states of a batch
that changes the subject KEY are folded, and then cannot be encoded.
"""

import sys

from projections.adapters import faust_fold

REASON = "no state of this batch can be encoded"


def raises_at(key: str) -> None:
    """From now on no batch that changes a subject can be encoded in this process."""
    encoded = faust_fold.encoded

    def raising(changed: dict[str, faust_fold.Part]) -> object:
        if key in changed:
            raise RuntimeError(REASON)
        return encoded(changed)

    faust_fold.encoded = raising  # type: ignore[assignment]


if __name__ == "__main__":
    raises_at(sys.argv.pop(1))
    from consumers.cli.main import main

    main()
