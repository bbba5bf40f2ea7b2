"""Where a baseline comes from, without its sketches: what is kept by those who need to know no more of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from driftmeter.schema import BaselineKind


@dataclass(frozen=True, slots=True)
class Provenance:
    """A baseline's kind and where it comes from; the fields are as `Baseline` has them."""

    kind: BaselineKind
    id: str = ""
    created: str = ""
    source: str = ""

    @property
    def created_at(self) -> float | None:
        """When it was built, in Unix seconds; None where that is unknown."""
        try:
            # Python 3.10 does not read the Z of UTC.
            created = dt.datetime.fromisoformat(self.created.replace("Z", "+00:00"))
        except ValueError:
            return None
        return (created if created.tzinfo else created.replace(tzinfo=dt.timezone.utc)).timestamp()
