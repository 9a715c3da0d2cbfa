"""The tokens of a dataset, where they are counted."""

from tunesmith.token_counts import decode_count

from tunesmith_server.domain.analysis import Content
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.ports import TenantScope


def billable_tokens(
    scope: TenantScope, content: Content, base: BaseModel, longest: int
) -> int | None:
    """What one epoch trains on with a base, of examples of at most `longest` tokens each.

    None where it is not counted yet.
    """
    analysis = scope.analyses.one(content, base.tokenizer_ref)
    if analysis is None or analysis.count is None:
        return None
    return decode_count(analysis.count).within(longest).billable
