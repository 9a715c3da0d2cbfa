"""The documentation names what there is: files, targets, settings, reasons and exceptions."""

import re
from pathlib import Path

import pytest
import tunesmith
from pydantic import BaseModel
from tunesmith import _config
from tunesmith._errors import REASONS
from tunesmith.v1 import errors_pb2
from tunesmith_server.edge.grpc.errors import CODES
from tunesmith_server.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
]
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)")
TARGET = re.compile(r"(?:^ {4}|`)make ([a-z-]+)", re.MULTILINE)
SETTING = re.compile(r"TUNESMITH_[A-Z0-9_]*[A-Z]")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere_and_every_target_is_in_the_makefile(document: Path):
    text = document.read_text()
    assert [link for link in LINK.findall(text) if not (document.parent / link).exists()] == []
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [target for target in TARGET.findall(text) if target not in targets] == []


def settings(model: type[BaseModel], prefix: str) -> set[str]:
    """Every environment variable of the service."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        variable, inner = f"{prefix}{name.upper()}", field.annotation
        is_group = isinstance(inner, type) and issubclass(inner, BaseModel)
        found |= settings(inner, f"{variable}__") if is_group else {variable}
    return found


SERVICE = settings(Settings, "TUNESMITH_")
# the client asks for the last three by a name put together of parts
CLIENT = {
    *SETTING.findall(Path(_config.__file__).read_text()),
    *(f"TUNESMITH_TLS_{part}_FILE" for part in ("CA", "CERT", "KEY")),
}


def test_the_page_of_settings_lists_every_setting_of_the_service():
    page, _, _ = (ROOT / "docs/reference/settings.md").read_text().partition("\n\nFor ")
    assert set(re.findall(r"^\| `(TUNESMITH_\w+)` \|", page, re.MULTILINE)) == SERVICE


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_that_is_named_anywhere_exists(document: Path):
    named = set(SETTING.findall(document.read_text())) - {"TUNESMITH_DEFAULT_LIMITS"}
    assert named - SERVICE - CLIENT == set()


def test_the_page_of_errors_has_every_reason_with_its_exception():
    page = (ROOT / "docs/reference/errors.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \| `(\w+)` \| (.+) \|$", page, re.MULTILINE)
    names = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert {reason: kind for reason, _, kind, _ in rows} == {
        reason: REASONS[reason].__name__ for reason in names - {"UNSPECIFIED"}
    }
    assert all(kind in tunesmith.__all__ for _, _, kind, _ in rows)


def test_the_reasons_that_this_version_gives_are_in_the_first_table_of_the_page_of_errors():
    first, _, _ = (ROOT / "docs/reference/errors.md").read_text().partition("\n## ")
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", first, re.MULTILINE))
    assert listed == {kind.reason for kind in CODES}
