"""The OpenAPI document tells of what there is."""

import re
from inspect import signature
from unittest.mock import Mock

from tunesmith_server.edge.http.app import endpoints
from tunesmith_server.edge.http.openapi import document, page
from tunesmith_server.edge.http.operations import OPERATIONS


def test_every_route_is_described_and_nothing_else():
    made = endpoints(*(Mock() for _ in signature(endpoints).parameters))
    found = {(verb, path.replace(":path}", "}")) for verb, path, _, _ in made}
    assert found == set(OPERATIONS)


def test_every_reference_of_the_document_leads_somewhere_and_every_operation_has_a_name():
    whole = document()
    text = repr(whole)
    names = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert names <= set(whole["components"]["schemas"])
    operations = [each for path in whole["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations) == len(OPERATIONS)
    for path in whole["paths"]:
        assert path in page()
