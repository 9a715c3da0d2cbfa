"""Names of resources: full ones go through, bare ids become the caller's own."""

from tunesmith._resources.values import wrong

OWN = "tenants/-"


def tenant(name: str) -> str:
    """`acme` or `tenants/acme`; the caller's own if empty."""
    return OWN if not name else name if "/" in name else f"tenants/{name}"


def dataset(name: str) -> str:
    """`tickets` or `tenants/acme/datasets/tickets`."""
    return _owned(name, "datasets")


def fine_tune(name: str) -> str:
    """`support-bot` or `tenants/acme/fineTunes/support-bot`."""
    return _owned(name, "fineTunes")


def model(name: str) -> str:
    """`m1` or `tenants/acme/models/m1`."""
    return _owned(name, "models")


def model_part(name: str) -> tuple[str, int | None]:
    """`m1` or `tenants/acme/models/m1`, and the step of a checkpoint, as in `m1#40`, or None."""
    of, mark, step = name.partition("#")
    if mark and not step.isdecimal():
        raise wrong("model", f"{name!r}: behind '#' stands the step of a checkpoint, such as #40")
    return model(of), int(step) if mark else None


def base_model(name: str) -> str:
    """`ada` or `baseModels/ada`."""
    return name if "/" in name else f"baseModels/{name}"


def api_key(name: str, of: str = "") -> str:
    """`k1` or `tenants/acme/apiKeys/k1`; a bare id is one of the tenant `of`."""
    return name if "/" in name else f"{tenant(of)}/apiKeys/{name}"


def _owned(name: str, collection: str) -> str:
    return name if "/" in name else f"{OWN}/{collection}/{name}"
