"""How a job of the present API says its method, and how it is shown it."""

from typing import Annotated, Any, Literal

import msgspec

from tunesmith_server.domain.fine_tune import Dpo, FineTune, Hyperparameters
from tunesmith_server.edge.http.envelopes import refused
from tunesmith_server.edge.http.runs import begun

Auto = Literal["auto"]
_NAMES = ("n_epochs", "batch_size", "learning_rate_multiplier")


class HyperparameterBody(msgspec.Struct, forbid_unknown_fields=True):
    """Hyperparameters; `auto` is absent."""

    n_epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"
    learning_rate_multiplier: float | Auto = "auto"


class DpoHyperparameterBody(HyperparameterBody, forbid_unknown_fields=True):
    """Hyperparameters of direct preference optimisation."""

    beta: Annotated[float, msgspec.Meta(gt=0, le=2)] | Auto = "auto"


class SupervisedBody(msgspec.Struct, forbid_unknown_fields=True):
    """Options of supervised fine-tuning."""

    hyperparameters: HyperparameterBody = msgspec.field(default_factory=HyperparameterBody)


class DpoBody(msgspec.Struct, forbid_unknown_fields=True):
    """Options of direct preference optimisation."""

    hyperparameters: DpoHyperparameterBody = msgspec.field(default_factory=DpoHyperparameterBody)


class MethodBody(msgspec.Struct, forbid_unknown_fields=True):
    """The method of fine-tuning, and the options of that one."""

    type: str = "supervised"
    supervised: SupervisedBody | None = None
    dpo: DpoBody | None = None
    reinforcement: Any = None


def chosen(
    method: MethodBody, general: HyperparameterBody | None
) -> tuple[Hyperparameters, Dpo | None]:
    """What a create asks for; `general` is its deprecated field of its own, which goes first.

    What this version does not offer is refused, never left out, and so are the options of another
    method than the one that is asked for.
    """
    if method.type not in ("supervised", "dpo"):
        raise refused(
            f"The method '{method.type[:40]}' is not offered here: use supervised or dpo.",
            "method.type",
        )
    for other in ("supervised", "dpo", "reinforcement"):
        if other != method.type and getattr(method, other) is not None:
            raise refused(
                f"method.{other} has options of another method than '{method.type}'.",
                f"method.{other}",
            )
    if method.type == "dpo":
        options = (method.dpo or DpoBody()).hyperparameters
        return _asked(general or options), Dpo(beta=_given(options.beta))
    return _asked(general or (method.supervised or SupervisedBody()).hyperparameters), None


def shown(run: FineTune) -> tuple[dict[str, Any], dict[str, Any]]:
    """The hyperparameters of a run and its method: `auto` until it is prepared."""
    values, given, dpo = run.resolved.hyperparameters, run.spec.hyperparameters, run.spec.dpo
    told = begun(run)
    general = {
        name: getattr(values, name) if told else _or_auto(getattr(given, name)) for name in _NAMES
    }
    if dpo is None:
        return general, {"type": "supervised", "supervised": {"hyperparameters": general}}
    beta = values.beta if told else _or_auto(dpo.beta)
    return general, {"type": "dpo", "dpo": {"hyperparameters": {"beta": beta, **general}}}


def _asked(body: HyperparameterBody) -> Hyperparameters:
    given: dict[str, Any] = {name: _given(getattr(body, name)) for name in _NAMES}
    return Hyperparameters(**given)


def _given(value: Any) -> Any:
    return None if value == "auto" else value


def _or_auto(value: Any) -> Any:
    return "auto" if value is None else value
