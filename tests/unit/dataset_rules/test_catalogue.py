"""Every rule has an example that shows it, and a section in the documentation."""

import pytest
from tunesmith.dataset_rules import RULES
from tunesmith.dataset_rules.illustrations import EXAMPLES, PAIRS

from scripts import dataset_findings


def test_every_rule_has_one_example() -> None:
    assert {*EXAMPLES, *PAIRS} == RULES.keys()
    assert not EXAMPLES.keys() & PAIRS.keys()


@pytest.mark.parametrize("code", [*EXAMPLES, *PAIRS])
def test_the_example_of_a_rule_shows_it(code: str) -> None:
    found = dataset_findings.finding(code)
    assert (found.severity, found.fixable) == (RULES[code].severity, RULES[code].fixable)


def test_the_page_of_findings_is_up_to_date() -> None:
    assert dataset_findings.PAGE.read_text() == dataset_findings.page()
