"""Runs in the environment of a client: does what the tests ask for, and tells what came of it.

A line of standard input is `{"code", "names"}`: statements whose last may be an expression. The
answer is a line with its `value`, or with what was `raised`. Variables stay from call to call.
"""

import ast
import json
import os
import sys


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the code prints is not an answer
    kept = {}
    for line in sys.stdin:
        asked = json.loads(line)
        kept.update(asked["names"])
        try:
            answer = {"value": run(asked["code"], kept)}
        except Exception as error:
            answer = {"raised": told(error)}
        answers.write(json.dumps(answer, default=plain) + "\n")
        answers.flush()


def run(code, names):
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "test", "exec"), names)
    if last is None:
        return None
    value = eval(compile(ast.Expression(last.value), "test", "eval"), names)
    return json.loads(json.dumps(value, default=plain))  # here, where an error is the test's


def plain(value):
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, bytes):
        return value.decode()
    return list(value)


def told(error):
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or getattr(error, "headers", None) or {}
    status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
    names = ("code", "param", "type", "request_id", "body")
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "status": status,
        "headers": {name.lower(): value for name, value in dict(headers).items()},
        **{name: getattr(error, name, None) for name in names},
    }


main()
