"""Secrets: keys and tokens in the forms that their issuers give them, and passwords beside a name.

The forms are those which issuers publish so that leaks can be found: a prefix of their own, an
alphabet, a length. What names itself an example is none.
"""

import base64
import binascii
import json
import re
from typing import Final

from tunesmith.dataset_rules.sensitive.kinds import Kind
from tunesmith.dataset_rules.sensitive.recogniser import Recogniser, all_of_it

_FILLER = re.compile(
    r"example|sample|placeholder|changeme|change_me|change-me|redacted|dummy|your|insert|notreal|"
    r"not-real|fake|x{5}|\*{3}|\.{3}|0{8}|1{8}|012345|123456789|abcdefgh|password|passwd|secret",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(r"[<>{}$%`]|\[\w+\]")
_EXPRESSION = re.compile(
    r"[./~@#&!?*\[\]|:+-]|0x|[A-Za-z_]+[0-9]{0,2}$|[A-Za-z_]\w*(?:[(\[]|(?:\.\w+)+$)"
)
_HAS_DIGIT, _HAS_LETTER = re.compile("[0-9]"), re.compile("[A-Za-z]")


def _random(text: str) -> bool:
    """Whether a key looks drawn by lot, and not made up to show where one belongs."""
    return len(set(text)) >= min(10, len(text) // 2) and not _FILLER.search(text)


def _is_password(text: str) -> int:
    """How much of a value in quotes is a password."""
    value = text.rstrip(".,;")
    if len(value) < 8 or len(set(value)) < 6 or _FILLER.search(value) or _TEMPLATE.search(value):
        return 0
    return len(value) if _HAS_DIGIT.search(value) and _HAS_LETTER.search(value) else 0


def _is_bare_password(text: str) -> int:
    """How much of a value without quotes is a password, and no piece of a program or a path."""
    return 0 if _EXPRESSION.match(text) else _is_password(text)


def _is_url_password(text: str) -> bool:
    return len(text) >= 6 and not _FILLER.search(text) and not _TEMPLATE.search(text)


def _is_jwt(text: str) -> bool:
    head = text.partition(".")[0]
    try:
        value = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(value, dict) and ("alg" in value or "enc" in value)


def _key(sign: str, pattern: str, kind: Kind = Kind.SECRET_API_KEY) -> Recogniser:
    return Recogniser(kind, sign, pattern, all_of_it(_random), not_after=r"[0-9A-Za-z_]")


_NOTHING = r"[^\x00-\xff]"
"""A class without any byte: whatever stands beside it is no matter."""
_PASSWORD_NAMES = r"(?:password|passwd|passphrase|pwd)"
_KEY_NAMES = (
    r"(?:api[_-]?key|api[_-]?token|access[_-]?key|secret[_-]?key|auth[_-]?token|access[_-]?token|"
    r"client[_-]?secret|app[_-]?secret|secret[_-]?access[_-]?key)"
)
_IS = r"[\"'\\]{0,3}[ \t]{0,4}(?::=|=>|=|:)"
_QUOTED = r"[ \t]{0,4}\\?[\"']([^\s\"'\\]{8,200})"
_BARE = r"[ \t]{0,4}([^\s\"'\\,;]{8,200})"
_KEY_BODY = r"[A-Za-z0-9+/=\s\\]"

SECRETS: Final = (
    # --- keys of well-known issuers --------------------------------------------------------------
    _key(r"(?:AKIA|ASIA)[A-Z2-7]{4}", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
    _key(r"gh[pousr]_[A-Za-z0-9]{4}", r"gh[pousr]_[A-Za-z0-9]{36}"),
    _key(r"github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _key(r"glpat-", r"glpat-[A-Za-z0-9_-]{20,64}"),
    _key(r"sk-[a-z]{2,8}-", r"sk-(?:proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{32,220}"),
    _key(r"sk-[A-Za-z0-9]{20}", r"sk-[A-Za-z0-9]{32,64}"),
    _key(r"sk-ant-", r"sk-ant-[a-z]{3,8}[0-9]{2}-[A-Za-z0-9_-]{60,220}"),
    _key(r"sk-ts-", r"sk-ts-[A-Za-z0-9_-]{32,128}"),
    _key(r"hf_[A-Za-z0-9]{4}", r"hf_[A-Za-z0-9]{34}"),
    _key(r"AIza", r"AIza[A-Za-z0-9_-]{35}"),
    _key(r"GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    _key(r"[sr]k_(?:live|test)_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{20,120}"),
    _key(r"whsec_", r"whsec_[A-Za-z0-9+/]{32,64}"),
    _key(r"xox[abeoprs]-", r"xox[abeoprs]-[0-9]{6,14}-[A-Za-z0-9-]{16,160}"),
    _key(r"xapp-[0-9]", r"xapp-[0-9]-[A-Z0-9]{8,16}-[0-9]{8,16}-[a-f0-9]{32,80}"),
    _key(
        r"hooks\.slack\.com/services/",
        r"hooks\.slack\.com/services/T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{20,28}",
    ),
    _key(r"SG\.[A-Za-z0-9_-]{4}", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _key(r"npm_[A-Za-z0-9]{4}", r"npm_[A-Za-z0-9]{36}"),
    _key(r"pypi-AgE", r"pypi-AgE[A-Za-z0-9_-]{50,300}"),
    _key(r"do[opr]_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _key(r"dapi[a-f0-9]{4}", r"dapi[a-f0-9]{32}"),
    _key(r"shp(?:at|ca|pa|ss)_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _key(r"hv[bs]\.", r"hv[bs]\.[A-Za-z0-9_-]{24,180}"),
    _key(r"key-[a-f0-9]{4}", r"key-[a-f0-9]{32}"),
    _key(r"[a-f0-9]{8}-us[0-9]", r"[a-f0-9]{32}-us[0-9]{1,2}"),
    _key(r"[0-9]{6}:AA", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    _key(r"AccountKey=", r"AccountKey=([A-Za-z0-9+/]{86}==)"),
    # --- private keys ----------------------------------------------------------------------------
    Recogniser(
        Kind.SECRET_PRIVATE_KEY,
        r"PRIVATE KEY(?: BLOCK)?-----",
        r"-----BEGIN (?:[A-Z0-9]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\\[rn]|\s){1,8}(?:[A-Z][A-Za-z-]{2,12}: [^\\\n]{1,100}(?:\\[rn]|\s){1,8}){0,4}"
        rf"{_KEY_BODY}{{60}}{_KEY_BODY}*(?:-----END [A-Z0-9 ]{{5,40}}-----)?",
        not_before=_NOTHING,
        not_after=_NOTHING,
    ),
    _key(r"AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}", Kind.SECRET_PRIVATE_KEY),
    # --- tokens ----------------------------------------------------------------------------------
    Recogniser(
        Kind.SECRET_TOKEN,
        r"\beyJ[A-Za-z0-9_-]{8}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        all_of_it(_is_jwt),
    ),
    Recogniser(
        Kind.SECRET_TOKEN,
        r"(?i)authorization[\"'\\]{0,3}[ \t]{0,4}[:=]",
        r"(?i)authorization[\"'\\]{0,3}[ \t]{0,4}[:=][ \t]{0,4}[\"'\\]{0,3}(?:bearer|basic|token) "
        r"([A-Za-z0-9._~+/=-]{16,})",
        all_of_it(lambda text: _random(text) and any(map(str.isdigit, text))),
    ),
    # --- passwords and keys beside a name that says so -------------------------------------------
    *(
        Recogniser(
            kind,
            rf"(?i){names}{_IS}",
            rf"(?i){names}{_IS}{value}",
            check,
            not_before=_NOTHING,
            not_after=_NOTHING,
        )
        for kind, names in (
            (Kind.SECRET_PASSWORD, _PASSWORD_NAMES),
            (Kind.SECRET_API_KEY, _KEY_NAMES),
        )
        for value, check in ((_QUOTED, _is_password), (_BARE, _is_bare_password))
    ),
    Recogniser(
        Kind.SECRET_PASSWORD,
        r"://[^\s:/?#@]{1,64}:[^\s:/?#@]{3,128}@",
        r"://[^\s:/?#@]{1,64}:([^\s:/?#@]{3,128})@",
        all_of_it(_is_url_password),
        not_before=_NOTHING,
        not_after=r"[^@]",
    ),
)
