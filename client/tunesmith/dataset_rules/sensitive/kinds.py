"""What is recognised, and what a tenant wants done about it."""

from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """A kind of secret or of personal data. The names are API: placeholders have them."""

    SECRET_API_KEY = "SECRET_API_KEY"
    SECRET_PRIVATE_KEY = "SECRET_PRIVATE_KEY"
    SECRET_TOKEN = "SECRET_TOKEN"
    SECRET_PASSWORD = "SECRET_PASSWORD"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    CREDIT_CARD = "CREDIT_CARD"
    IBAN = "IBAN"
    NATIONAL_ID = "NATIONAL_ID"
    IP_ADDRESS = "IP_ADDRESS"
    CRYPTO_ADDRESS = "CRYPTO_ADDRESS"

    @property
    def is_secret(self) -> bool:
        """Whether it opens something, rather than tells of somebody."""
        return self.name.startswith("SECRET_")

    @property
    def code(self) -> str:
        """The code of the finding that tells of it, and of the fix that takes it out."""
        return "SECRET_FOUND" if self.is_secret else "PERSONAL_DATA_FOUND"

    @property
    def placeholder(self) -> str:
        """What stands in its place in a redacted text."""
        return f"[{self.value}]"

    @property
    def noun(self) -> str:
        """Its name for people, in the singular, without an article."""
        return _NOUNS[self]


_NOUNS = {
    Kind.SECRET_API_KEY: "API key",
    Kind.SECRET_PRIVATE_KEY: "private key",
    Kind.SECRET_TOKEN: "access token",
    Kind.SECRET_PASSWORD: "password",
    Kind.EMAIL: "e-mail address",
    Kind.PHONE: "phone number",
    Kind.CREDIT_CARD: "credit card",
    Kind.IBAN: "bank account",
    Kind.NATIONAL_ID: "national identity number",
    Kind.IP_ADDRESS: "IP address",
    Kind.CRYPTO_ADDRESS: "crypto wallet",
}


SENSITIVE_CODES: Final = ("SECRET_FOUND", "PERSONAL_DATA_FOUND")
"""The rules that tell of secrets and of personal data."""


class Match(NamedTuple):
    """Where in a text something was recognised."""

    kind: Kind
    start: int
    """In characters."""
    end: int
    """The first character after it."""


class Policy(StrEnum):
    """What becomes of secrets and personal data in datasets."""

    OFF = "off"
    """Nothing is looked for."""
    WARN = "warn"
    """They are warnings."""
    BLOCK = "block"
    """They are errors: the dataset cannot be trained on."""
    REDACT = "redact"
    """They are warnings, and a version without them is made."""
