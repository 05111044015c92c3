"""What the report says, in each of its languages: the same sentences, so that none is missing in one of them."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Words(NamedTuple):
    """One language. `{…}` are figures."""

    language: str
    thousands: str
    decimal: str
    title: str
    as_of: str
    until: str
    never: str
    nothing: str
    opt_outs: str
    opt_outs_said: str
    period: str
    in_own_words: str
    otherwise: str
    total: str
    propagation: str
    propagation_said: str
    waiting: str
    gateway: str
    median: str
    longest: str
    seconds: str
    coverage: str
    coverage_said: str
    partial: str
    scope: str
    accounts: str
    covered: str
    uncovered: str
    queue: str
    queue_said: str
    age: str
    holding: str
    others: str
    overdue: str
    ages: dict[str, str]
    footer: str


ENGLISH: Final = Words(
    language="en",
    thousands=",",
    decimal=".",
    title="Preference ledger: report",
    as_of="As of {at} (UTC).",
    until="The last event in it was recorded at {until}.",
    never="No event is in it yet: run prefledger projector.",
    nothing="There is nothing to show.",
    opt_outs="Opt-outs over time",
    opt_outs_said="{total} opt-outs, {share} % of them in people's own words; by when they were said.",
    period="Beginning",
    in_own_words="in own words",
    otherwise="by keyword, form or staff",
    total="all",
    propagation="From recorded to enforced, by gateway",
    propagation_said="How long it took until an opt-out was in force at a gateway, by the gateways' own receipts.",
    waiting="Not in force everywhere yet: {waiting}.",
    gateway="Gateway",
    median="median",
    longest="longest",
    seconds="seconds",
    coverage="Accounts that opted out: are all their numbers covered?",
    coverage_said="{covered} numbers of opted-out accounts are covered, {uncovered} are not. Any that is not is a gap.",
    partial="Accounts of which only some numbers opted out themselves, to be looked at: {partial}.",
    scope="Scope",
    accounts="accounts",
    covered="numbers covered",
    uncovered="numbers not covered",
    queue="Open follow-ups by age",
    queue_said="{total} follow-ups wait for a person, {overdue} of them are overdue.",
    age="Open for",
    holding="holding traffic",
    others="not holding",
    overdue="overdue",
    ages={"day": "less than a day", "week": "1 to 7 days", "month": "7 to 30 days", "older": "30 days or more"},
    footer="Numbers and names are not in this page. It was made by prefledger report and needs no network.",
)
FRENCH: Final = Words(
    language="fr",
    thousands="\u202f",
    decimal=",",
    title="Registre des préférences : rapport",
    as_of="État au {at} (UTC).",
    until="Le dernier événement pris en compte a été enregistré le {until}.",
    never="Aucun événement n'y figure encore : lancez prefledger projector.",
    nothing="Il n'y a rien à montrer.",
    opt_outs="Oppositions au fil du temps",
    opt_outs_said="{total} oppositions, dont {share} % en termes libres ; selon la date où elles ont été exprimées.",
    period="À partir du",
    in_own_words="en termes libres",
    otherwise="par mot-clé, formulaire ou agent",
    total="toutes",
    propagation="De l'enregistrement à l'application, par passerelle",
    propagation_said="Temps écoulé jusqu'à l'application d'une opposition, selon les accusés des passerelles.",
    waiting="Pas encore appliquées partout : {waiting}.",
    gateway="Passerelle",
    median="médiane",
    longest="maximum",
    seconds="secondes",
    coverage="Comptes ayant fait opposition : tous leurs numéros sont-ils couverts ?",
    coverage_said="{covered} numéros de ces comptes sont couverts, {uncovered} ne le sont pas : autant de lacunes.",
    partial="Comptes dont seuls certains numéros se sont opposés, à examiner : {partial}.",
    scope="Portée",
    accounts="comptes",
    covered="numéros couverts",
    uncovered="numéros non couverts",
    queue="Suivis ouverts selon leur ancienneté",
    queue_said="{total} suivis attendent quelqu'un, dont {overdue} en retard.",
    age="Ouverts depuis",
    holding="bloquant les envois",
    others="non bloquants",
    overdue="en retard",
    ages={"day": "moins d'un jour", "week": "1 à 7 jours", "month": "7 à 30 jours", "older": "30 jours ou plus"},
    footer="Cette page ne contient ni numéro ni nom. Faite par prefledger report, elle n'a besoin d'aucun réseau.",
)
LANGUAGES: Final[Mapping[str, Words]] = {"en": ENGLISH, "fr": FRENCH}


def number(value: float, words: Words, decimals: int = 0) -> str:
    """A figure as the language writes it."""
    return f"{value:,.{decimals}f}".translate({ord(","): words.thousands, ord("."): words.decimal})
