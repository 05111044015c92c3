"""Masked numbers for the read models, from the identities beside the ledger; a number itself never goes there.

`+1416•••0123` as everywhere else. Only numbers: an address names its domain, and an account its customer.
"""

from itertools import islice

from ledger.people import People
from projections.sharing import Sharing
from schemas.number import mask

AT_ONCE = 2_000


def mask_numbers(people: People, sharing: Sharing) -> int:
    """Stores the masked number of everybody who has none yet; returns how many. Repeatable.

    Raises UnavailableError; what was stored until then stays.
    """
    refs, masked = iter(people.all_refs()), 0
    while page := list(islice(refs, AT_ONCE)):
        new = people.identities(sharing.without_mask(page))
        masks = {ref: mask(identity.id) for ref, identity in new.items() if identity.kind == "number"}
        sharing.keep_masks(masks)
        # Who was erased after the look and before the storing would come back by it; one more look tells. Killed in
        # between, it is doctor that tells, by the events.
        sharing.erase(masks.keys() - people.identities(masks).keys())
        masked += len(masks)
    return masked
