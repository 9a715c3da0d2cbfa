"""The OpenAPI 3.1 document of the HTTP port, made of its operations, and a page to read it on."""

import html
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from tunesmith import __version__

from tunesmith_server.edge.http import schemas
from tunesmith_server.edge.http.operations import OPERATIONS, FileForm, Operation

_REF = "#/components/schemas/{name}"
_ERRORS = {
    400: "The request can never work as it is.",
    401: "No key, or a wrong one.",
    403: "The key may not do this, or nobody may.",
    404: "There is no such thing, or it is another tenant's.",
    429: "A rate or a quota is used up.",
    500: "A bug; the incident is in the log.",
    503: "Not now; again after `Retry-After`.",
}
_OF_BODIES = {
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The body is of another type than this operation takes.",
    507: "There is no room to keep what was sent.",
}
_HEADERS = {
    "x-request-id": "what to look for in the service's log",
    "openai-processing-ms": "how long it took, in milliseconds",
    "openai-version": "the version of the API",
}


def document() -> dict[str, Any]:
    """The document."""
    components = _components()
    paths: dict[str, dict[str, Any]] = {}
    for (verb, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[verb.lower()] = _operation(verb, path, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tunesmith, OpenAI-compatible",
            "version": __version__,
            "description": "Files, uploads, fine-tunes, models and completions for OpenAI's own "
            "clients. null in a body is the same as leaving the field out.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _components() -> dict[str, Any]:
    bodies = {op.body for op in OPERATIONS.values() if isinstance(op.body, type)}
    answers = {op.answer for op in OPERATIONS.values() if op.answer} | {schemas.Error}
    ordered = sorted(bodies | answers, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    for kind in bodies:
        _let_be_null(components[kind.__name__])
    return components


def _let_be_null(schema: dict[str, Any]) -> None:
    """What need not be given may be null: the old command line sends null for it."""
    for name, each in schema.get("properties", {}).items():
        if name not in schema.get("required", ()):
            each = {key: value for key, value in each.items() if key != "default"}
            if each and {"type": "null"} not in each.get("anyOf", ()):
                each = {"anyOf": [each, {"type": "null"}]}
            schema["properties"][name] = each


def _operation(verb: str, path: str, operation: Operation) -> dict[str, Any]:
    errors = dict(_ERRORS)
    if verb != "GET":
        errors |= _OF_BODIES
    responses = {"200": _answer(operation)}
    if operation.answer is None:
        errors[416] = "The range begins behind the end."
        responses["206"] = {**_answer(operation), "description": "The bytes from there on."}
    for status, words in sorted(errors.items()):
        responses[str(status)] = {
            "description": words,
            "content": {"application/json": {"schema": _ref(schemas.Error)}},
        }
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.words,
        "parameters": list(_parameters(path, operation)),
        "responses": responses,
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _body(operation.body)}
    return described


def _parameters(path: str, operation: Operation) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    for query in operation.query:
        shown: dict[str, Any] = {"name": query.name, "in": "query", "description": query.words}
        if query.schema["type"] == "object":
            shown |= {"style": "deepObject", "explode": True}
        yield {**shown, "schema": query.schema}
    if operation.answer is None:
        words = "from which byte on, as bytes=N-; another form is ignored"
        schema = {"type": "string", "examples": ["bytes=1000-"]}
        yield {"name": "Range", "in": "header", "description": words, "schema": schema}


def _body(body: type | FileForm) -> dict[str, Any]:
    if isinstance(body, FileForm):
        schema = {
            "type": "object",
            "properties": {body.file: {"type": "string", "format": "binary"}, **body.fields},
            "required": [body.file, *body.required],
        }
        return {"multipart/form-data": {"schema": schema}}
    return {"application/json": {"schema": _ref(body)}}


def _answer(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if operation.answer is None:
        content["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    else:
        content["application/json"] = {"schema": _ref(operation.answer)}
    if operation.streams:
        content["text/event-stream"] = {}
    headers = {
        name: {"description": words, "schema": {"type": "string"}}
        for name, words in _HEADERS.items()
    }
    return {"description": operation.words, "headers": headers, "content": content}


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


def page() -> str:
    """The operations for people: one page without anything from elsewhere."""
    rows, group = [], ""
    for (verb, path), operation in OPERATIONS.items():
        if operation.group != group:
            group = operation.group
            rows.append(f"<tr><th colspan=3>{html.escape(group)}</th></tr>")
        body = operation.body
        takes = ""
        if isinstance(body, FileForm):
            takes = ", ".join([body.file, *body.fields])
        elif body is not None:
            takes = ", ".join(field.name for field in msgspec.structs.fields(body))
        elif operation.query:
            takes = ", ".join(query.name for query in operation.query)
        rows.append(
            f"<tr><td><code>{verb} {html.escape(path)}</code></td>"
            f"<td>{html.escape(operation.words)}</td><td><small>{html.escape(takes)}</small></td>"
        )
    return _PAGE.format(rows="\n".join(rows), version=html.escape(__version__))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tunesmith, OpenAI-compatible API</title>
<style>body{{font:15px/1.5 sans-serif;margin:2em auto;max-width:75em;padding:0 1em}}
td,th{{text-align:left;vertical-align:top;padding:.2em .8em}}th{{padding-top:1.2em}}
code{{white-space:nowrap}}</style></head><body>
<h1>Tunesmith {version}: OpenAI-compatible API</h1>
<p>With a tenant's key as the bearer. In full: <a href="/openapi.json">openapi.json</a>.</p>
<table>
{rows}
</table></body></html>
"""
