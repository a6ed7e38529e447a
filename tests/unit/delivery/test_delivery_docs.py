"""docs/delivery.md keeps up with the code."""

from pathlib import Path

from pipeline.delivery.ledger import ON_PURPOSE, Reason

PAGE = Path(__file__).parents[3] / "docs" / "delivery.md"


def test_every_reason_is_documented() -> None:
    """With whether it is intentional."""
    page = PAGE.read_text()
    for reason in Reason:
        assert f"| `{reason}` | {'yes' if reason in ON_PURPOSE else 'no'} |" in page
