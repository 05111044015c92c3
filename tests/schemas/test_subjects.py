"""Who is meant: a number, an address or an account, each in its one spelling, or nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ContactError
from schemas.subject import LONGEST_ACCOUNT, LONGEST_ADDRESS, Subject, parse_contact, parse_subject


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+14165550123", Subject("number", "+14165550123")),
        ("number:+1 416 555 0123", Subject("number", "+14165550123")),
        ("  +14165550123\n", Subject("number", "+14165550123")),
        ("account:ACC-77", Subject("account", "ACC-77")),
        ("account: acc 77 ", Subject("account", "acc 77")),
        ("account:a:b", Subject("account", "a:b")),
        ("account:Ze\u0301ro", Subject("account", "Zéro")),
        ("email:Jean@Example.ORG", Subject("email", "jean@example.org")),
        ("email:je\u0301an@example.org", Subject("email", "jéan@example.org")),
        ("email:a+b.c@mail.example.co.uk", Subject("email", "a+b.c@mail.example.co.uk")),
    ],
)
def test_a_subject_has_one_spelling(text: str, expected: Subject) -> None:
    assert parse_subject(text) == expected
    assert parse_subject(str(expected)) == expected


def test_a_national_number_needs_a_region() -> None:
    assert parse_subject("number:416 555 0123", "CA") == parse_contact("416 555 0123", "CA")
    with pytest.raises(ContactError, match="is a national number"):
        parse_subject("416 555 0123")


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "account:", "account:   ", "account:a\nb", "account:\x00", "account:\ud800", "account:" + "x" * 201),
        *("email:", "email:jean", "email:@example.org", "email:jean@", "email:jean@example", "email:je an@example.org"),
        *("email:jean@exa_mple.org", "email:jean@-example.org", "email:jean@example.c", "email:jean@@example.org"),
        *('email:"jean paul"@example.org', "email:jean@example.org\x00", "email:" + "x" * 65 + "@example.org"),
        *("email:jean@example.123", "email:jean@example..org", "email:j\u202ean@example.org", "email:\ud800@x.org"),
        *("mailto:jean@example.org", "tel:+14165550123", "operator:ledger", "NUMBER:+14165550123", "jean@example.org"),
    ],
)
def test_what_names_nobody_is_refused_in_words(text: str) -> None:
    with pytest.raises(ContactError) as caught:
        parse_subject(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_an_account_id_may_be_as_long_as_it_says_and_no_longer() -> None:
    assert parse_subject("account:" + "x" * LONGEST_ACCOUNT).id == "x" * LONGEST_ACCOUNT
    with pytest.raises(ContactError, match="longer than 200"):
        parse_subject("account:" + "x" * (LONGEST_ACCOUNT + 1))


def test_an_address_may_be_as_long_as_mail_allows_and_no_longer() -> None:
    domain = ".".join(["x" * 60] * 3) + ".org"
    longest = "j" * (LONGEST_ADDRESS - len(domain) - 1) + "@" + domain
    assert len(longest) == LONGEST_ADDRESS or len(longest.partition("@")[0]) > 64
    assert parse_contact(f"{'j' * 64}@{domain}").kind == "email"
    with pytest.raises(ContactError):
        parse_contact(f"{'j' * 64}@{'y' * 60}.{domain}")


def test_a_contact_may_leave_its_kind_out_and_is_never_an_account() -> None:
    assert parse_contact("Jean@Example.org") == Subject("email", "jean@example.org")
    assert parse_contact("+14165550123") == Subject("number", "+14165550123")
    with pytest.raises(ContactError, match="is an account; a contact is a number or an address"):
        parse_contact("account:ACC-77")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+14165550123", "+1416•••0123"),
        ("email:jean@example.org", "j•••@example.org"),
        ("account:ACC-77", "account:ACC-77"),
    ],
)
def test_a_subject_is_shown_masked(text: str, expected: str) -> None:
    assert parse_subject(text).masked == expected


def test_only_what_a_message_can_be_sent_to_is_a_contact() -> None:
    assert [Subject(kind, "x").is_contact for kind in ("number", "email", "account")] == [True, True, False]


@given(st.text() | st.text(st.characters(codec=None)), st.sampled_from(["", "number:", "account:", "email:"]))
def test_any_text_names_somebody_in_one_spelling_or_nobody(text: str, kind: str) -> None:
    for parse in (parse_subject, parse_contact):
        try:
            subject = parse(kind + text)
        except ContactError:
            continue
        assert parse_subject(str(subject)) == subject
        assert str(subject).isprintable()
        subject.id.encode()
