"""The policy: what the operator decides, as data with a version. `docs/policy.md` explains every field."""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from schemas.errors import ScopeError, TimeError
from schemas.scope import EVERYTHING, covers, path
from schemas.times import Millis, parse_time, rfc3339


def _path(text: str) -> str:
    try:
        return path(text)
    except ScopeError as error:
        raise ValueError(str(error)) from None  # which pydantic takes as its own, and says where


Path = Annotated[str, AfterValidator(_path)]
Regime = Literal["opt_in", "opt_out"]
Reach = Literal["contact", "account"]
Basis = Literal["express", "implied", "soft_opt_in", "contract"]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


def _millis(value: object) -> object:
    try:
        return parse_time(value) if isinstance(value, str) else value
    except TimeError as error:
        raise ValueError(str(error)) from None


Time = Annotated[
    Millis,
    BeforeValidator(_millis, json_schema_input_type=Millis | str),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]


class Strict(BaseModel):
    """An unknown field is an error: a misspelt switch must not silently keep its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RegimeRule(Strict):
    """A regime for some messages; of a list the first that matches counts. What is not said matches all."""

    jurisdiction: Annotated[str, Field(pattern=r"^([A-Z]{2}|\*)$")] = EVERYTHING
    channel: str = EVERYTHING
    regime: Regime


class Purpose(Strict):
    """What holds for a purpose and, where they say nothing else, for the purposes below it."""

    regime: Regime | tuple[RegimeRule, ...] | None = None
    never_needs_consent: bool | None = None
    max_staleness_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    exempt_from_sender_check: bool | None = None


class DefaultReach(Strict):
    """Whom a revocation of a contact reaches, by who recorded it, where the request does not say."""

    agent: Reach = "account"
    person: Reach = "contact"


class Policy(Strict):
    """One version of the operator's policy."""

    name: Code
    version: Code
    brand: Path
    brands: tuple[Path, ...]
    channels: tuple[Path, ...]
    purposes: dict[Path, Purpose]
    number_lifts_account: bool = False
    grants_reach_later_links: bool = False
    unknown_senders_pass: bool = True
    max_age_days: dict[Basis, Annotated[int, Field(gt=0, le=36_500)]] = {}
    reach: DefaultReach = DefaultReach()
    effective_from: Time

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.brand not in self.brands:
            raise ValueError(f"the brand {self.brand!r} is not among the brands")
        for purpose in self.purposes:
            if "." in purpose and purpose.rpartition(".")[0] not in self.purposes:
                raise ValueError(f"the purpose {purpose!r} has no parent; add {purpose.rpartition('.')[0]!r}")
        return self

    @property
    def label(self) -> str:
        """`default@1`, as decisions name it."""
        return f"{self.name}@{self.version}"

    def _said(self, purpose: str) -> list[Purpose]:
        """What is said of a purpose, the nearest first."""
        steps = purpose.split(".")
        paths = (".".join(steps[:length]) for length in range(len(steps), 0, -1))
        return [self.purposes[path] for path in paths if path in self.purposes]

    def never_needs_consent(self, purpose: str) -> bool:
        """One-time codes, emergencies: they pass before any preference is looked at."""
        return next((p.never_needs_consent for p in self._said(purpose) if p.never_needs_consent is not None), False)

    def exempt_from_sender_check(self, purpose: str) -> bool:
        """Whether a message of this purpose passes from a sender that takes no reply."""
        said = (p.exempt_from_sender_check for p in self._said(purpose))
        return next((exempt for exempt in said if exempt is not None), False)

    def max_staleness_s(self, purpose: str) -> float:
        """How old, in seconds, a gateway's copy may be for this purpose (default 30)."""
        return next((p.max_staleness_s for p in self._said(purpose) if p.max_staleness_s is not None), 30.0)

    @property
    def lease_s(self) -> float:
        """How long, in seconds, a gateway may go on with what needs consent: the most that any such purpose allows."""
        needing = (purpose for purpose in self.purposes if not self.never_needs_consent(purpose))
        return max(map(self.max_staleness_s, needing), default=30.0)

    def regime(self, purpose: str, channel: str, jurisdiction: str | None) -> Regime:
        """What silence means; where nothing is said, silence is not consent (opt-in)."""
        for said in self._said(purpose):
            if isinstance(said.regime, str):
                return said.regime
            for rule in said.regime or ():
                if rule.jurisdiction in (EVERYTHING, jurisdiction) and covers(rule.channel, channel):
                    return rule.regime
        return "opt_in"

    def regime_asks_jurisdiction(self, purpose: str) -> bool:
        """Whether the regime of this purpose depends on where the contact is."""
        return any(
            rule.jurisdiction != EVERYTHING
            for said in self._said(purpose)
            if not isinstance(said.regime, str)
            for rule in said.regime or ()
        )

    def must_know(self, brand: str, channel: str, purpose: str) -> None:
        """Refuses a brand, channel or purpose that is not in this policy. Raises ScopeError."""
        for kind, value, known in self._listed(brand, channel, purpose):
            if value not in known:
                raise ScopeError(f"the {kind} {value!r} is not in the policy {self.label}; it has {', '.join(known)}")

    def _listed(self, brand: str, channel: str, purpose: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        return (
            ("brand", brand, self.brands),
            ("channel", channel, self.channels),
            ("purpose", purpose, tuple(self.purposes)),
        )

    def unknown(self, brand: str, channel: str, purpose: str) -> list[str]:
        """Which of `brand`, `channel`, `purpose` name something that is not in this policy (`*` is known)."""
        return [
            kind for kind, value, known in self._listed(brand, channel, purpose) if value not in (EVERYTHING, *known)
        ]
