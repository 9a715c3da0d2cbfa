"""What a text says of a tuned model and its checkpoints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.domain.model_reference import ModelReference, model_reference
from tunesmith_server.domain.names import ModelName

BOT = ModelName("acme", "bot")
PUBLIC = "ft:ada:acme:bot:456789ab"
LEGACY = "ada:ft-acme:bot-2026-01-02-03-04-05"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("tenants/acme/models/bot", ModelReference(BOT)),
        ("tenants/acme/models/bot#0", ModelReference(BOT, 0)),
        ("tenants/acme/models/bot#40", ModelReference(BOT, 40)),
        ("tenants/-/models/bot#40", ModelReference(ModelName("-", "bot"), 40)),
        (PUBLIC, ModelReference(PUBLIC)),
        (f"{PUBLIC}:ckpt-step-40", ModelReference(PUBLIC, 40)),
        (LEGACY, ModelReference(LEGACY)),
        # a base model, or nothing
        ("ada", None),
        ("baseModels/ada", None),
        ("ada#40", None),
        (f"{PUBLIC}#40", None),
        (f"{PUBLIC}:ckpt-step-040", None),
        (f"{LEGACY}:ckpt-step-40", None),
    ],
)
def test_a_text_means_a_model_a_checkpoint_or_a_base(text: str, meant: ModelReference | None):
    assert model_reference(text) == meant


@pytest.mark.parametrize(
    "behind", ["#", "#-1", "#007", "#1.5", "# 1", "#1#2", "#٣", "#" + "9" * 19]
)
def test_what_is_no_step_is_refused_in_its_field(behind: str):
    with pytest.raises(InvalidArgument) as caught:
        model_reference(f"{BOT}{behind}", "spec.base_model")
    assert [each.field for each in caught.value.violations] == ["spec.base_model"]


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_every_step_reads_back(step: int):
    assert model_reference(f"{BOT}#{step}") == ModelReference(BOT, step)
    assert model_reference(f"{PUBLIC}:ckpt-step-{step}") == ModelReference(PUBLIC, step)
