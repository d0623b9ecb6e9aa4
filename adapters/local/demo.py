"""The cast of the demo: a directory that can be copied, and the story that the page tells on request."""

from dataclasses import dataclass
from pathlib import Path

from bot.directory import Address, PersonId
from bot.plan import Text

DIRECTORY_FILE = Path(__file__).with_name("demo-directory.yaml")


@dataclass(frozen=True, slots=True)
class Story:
    """The running example: who opens what, where, and how it is settled two levels up."""

    opener: PersonId
    channel: Address
    matrix: str
    words: Text
    solution: Text


STORY = Story(
    opener=PersonId(Address("local:noor")),
    channel=Address("local:#helpdesk"),
    matrix="support-process",
    words=Text.of(
        {
            "en": "Checkout fails for every customer",
            "fr": "Le paiement échoue pour tous les clients",
        }
    ),
    solution=Text.of(
        {
            "en": "Expired certificate of the payment provider renewed; payments work again.",
            "fr": "Certificat expiré du prestataire de paiement renouvelé ; les paiements fonctionnent.",
        }
    ),
)
