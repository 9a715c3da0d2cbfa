"""Texts with something sensitive in them, and texts that only look so.

Keys are drawn by lot when the tests run: none was ever issued, and none stands in this file.
"""

import base64
import json
import random
import string

from tunesmith.dataset_rules.sensitive import Kind

_LOT = random.Random(20)
_ALNUM = string.ascii_letters + string.digits


def drawn(length: int, alphabet: str = _ALNUM) -> str:
    """A text of so many characters, each of them drawn."""
    return "".join(_LOT.choice(alphabet) for _ in range(length))


def _jwt() -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": "1"})]
    encoded = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, drawn(43)])


_HEX = "0123456789abcdef"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BODY = "\n".join(drawn(64, _ALNUM + "+/") for _ in range(12))
_PRIVATE = "-----{} {}PRIVATE KEY-----"


def private_key(kind: str, body: str = _BODY, line: str = "\n") -> str:
    """A private key as PEM."""
    begin, end = _PRIVATE.format("BEGIN", kind), _PRIVATE.format("END", kind)
    return f"{begin}{line}{body}{line}{end}"


_ENCRYPTED = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0F1E2D3C4B5A69788796A5B4C3D2E1F0\n\n"

# What is meant stands between the marks « and ».
PLANTED: list[tuple[Kind, str]] = [
    (Kind.SECRET_API_KEY, f"the id is «AKIA{drawn(16, _BASE32)}», in eu-west-1"),
    (Kind.SECRET_API_KEY, f"git clone with «ghp_{drawn(36)}» please"),
    (Kind.SECRET_API_KEY, f"«github_pat_{drawn(22)}_{drawn(59)}»"),
    (Kind.SECRET_API_KEY, f"GITLAB: «glpat-{drawn(20)}»."),
    (Kind.SECRET_API_KEY, f"use «sk-proj-{drawn(48)}» for it"),
    (Kind.SECRET_API_KEY, f"openai.api_key is «sk-{drawn(48)}»"),
    (Kind.SECRET_API_KEY, f"«sk-ant-api03-{drawn(93)}»"),
    (Kind.SECRET_API_KEY, f"export TUNESMITH=«sk-ts-{drawn(43)}»"),
    (Kind.SECRET_API_KEY, f"login «hf_{drawn(34)}»"),
    (Kind.SECRET_API_KEY, f"maps?key=«AIza{drawn(35)}»&q=berlin"),
    (Kind.SECRET_API_KEY, f"«sk_live_{drawn(24)}» for payments"),
    (Kind.SECRET_API_KEY, f"bot «xoxb-{drawn(12, string.digits)}-{drawn(24)}»"),
    (Kind.SECRET_API_KEY, f"«SG.{drawn(22)}.{drawn(43)}»"),
    (Kind.SECRET_API_KEY, f"//registry/:_authToken=«npm_{drawn(36)}»"),
    (Kind.SECRET_API_KEY, f"«pypi-AgEIcHlwaS5vcmc{drawn(120)}»"),
    (Kind.SECRET_API_KEY, f"«dop_v1_{drawn(64, _HEX)}»"),
    (Kind.SECRET_API_KEY, f"telegram «{drawn(9, '123456789')}:AA{drawn(33)}»"),
    (Kind.SECRET_API_KEY, f"AccountKey=«{drawn(86)}==»;EndpointSuffix"),
    (Kind.SECRET_API_KEY, f'{{"api_key": "«{drawn(24)}7»"}}'),
    (Kind.SECRET_API_KEY, f"AWS_SECRET_ACCESS_KEY=«{drawn(37)}/7q»"),
    (Kind.SECRET_PRIVATE_KEY, f"key:\n«{private_key('RSA ')}»\nthanks"),
    (Kind.SECRET_PRIVATE_KEY, f"«{private_key('')}»"),
    (Kind.SECRET_PRIVATE_KEY, f"«{private_key('OPENSSH ')}»"),
    (Kind.SECRET_PRIVATE_KEY, f"«{private_key('EC ', _ENCRYPTED + _BODY)}»"),
    (Kind.SECRET_PRIVATE_KEY, '{"private_key": "«' + private_key("", line="\\n") + '»"}'),
    (Kind.SECRET_TOKEN, f"cookie: session=«{_jwt()}»; path=/"),
    (Kind.SECRET_TOKEN, f"curl -H 'Authorization: Bearer «{drawn(30)}42»'"),
    (Kind.SECRET_PASSWORD, "your login is anna, password: «Tr0ub4dor&3x»"),
    (Kind.SECRET_PASSWORD, "DB_PASSWORD=«kV9!mmQ2zz»"),
    (Kind.SECRET_PASSWORD, "pwd = '«horse7battery»'"),
    (Kind.SECRET_PASSWORD, "postgres://app:«q7Gz1pLw»@db.internal:5432/shop"),
    (Kind.EMAIL, "write to «jane.doe@gmail.com»."),
    (Kind.EMAIL, "<«j+lists@mail.uni-bonn.de»>"),
    (Kind.EMAIL, "mailto:«o'neil@firm.co.uk»".replace("mailto:", "mail ")),
    (Kind.EMAIL, "Grüße an «anna_b@müller.de»".replace("müller", "mueller")),
    (Kind.EMAIL, "日本 «taro@docomo.ne.jp» へ"),
    (Kind.EMAIL, "CC: «A.B@IBM.COM»;"),
    (Kind.PHONE, "ring «+49 30 901820» tomorrow"),
    (Kind.PHONE, "«+44 20 7946 0958»".replace("7946 0958", "7031 3000")),
    (Kind.PHONE, "tel «+1 (650) 253-0000»"),
    (Kind.PHONE, "whatsapp «+33612345678»!"),
    (Kind.PHONE, "«(415) 626-4099» after six"),
    (Kind.PHONE, "call me: «212-736-5001»"),
    (Kind.PHONE, "«+41 44 668 18 00» 2024"),
    (Kind.PHONE, "ring «+49 30 901820» 2024-10-11"),
    (Kind.CREDIT_CARD, "card «4111 1111 1111 1111» exp 12/27"),
    (Kind.CREDIT_CARD, "«5555-5555-5555-4444»"),
    (Kind.CREDIT_CARD, "amex «3782 822463 10005»"),
    (Kind.CREDIT_CARD, "no. «6011111111111117»,"),
    (Kind.IBAN, "IBAN «DE89 3704 0044 0532 0130 00» BIC"),
    (Kind.IBAN, "to «GB82WEST12345698765432» please"),
    (Kind.IBAN, "«FR14 2004 1010 0505 0001 3M02 606»"),
    (Kind.NATIONAL_ID, "SSN «536-90-4399»"),
    (Kind.NATIONAL_ID, "CPF: «390.533.447-05»"),
    (Kind.NATIONAL_ID, "codice fiscale «RCCMNL83S18D969H»"),
    (Kind.NATIONAL_ID, "NIR «2 95 10 99 126 111 93»"),
    (Kind.NATIONAL_ID, "DNI «54362315K» de Madrid"),
    (Kind.NATIONAL_ID, "hetu «131052-308T»"),
    (Kind.NATIONAL_ID, "Aadhaar «2341 2341 2346»"),
    (Kind.IP_ADDRESS, "from «93.184.216.34» at noon"),
    (Kind.IP_ADDRESS, "peer «2a00:1450:4001:82a::200e»"),
    (Kind.CRYPTO_ADDRESS, "send it to «1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa»"),
    (Kind.CRYPTO_ADDRESS, "«bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4»"),
]

INNOCENT: list[str] = [
    # keys that say that they are none, names of keys, code about keys
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-your-key-here and sk-...",
    "sk-" + "a" * 48,
    f"task-{drawn(40)}",
    "the prefix ghp_ tells a token of GitHub",
    "A PEM file begins with -----BEGIN "
    + "PRIVATE KEY----- and ends with -----END "
    + "PRIVATE KEY-----.",
    "-----BEGIN PUBLIC KEY-----\n" + _BODY + "\n-----END PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----\n" + _BODY + "\n-----END CERTIFICATE-----",
    "eyJhbGciOiJub25l",
    f"eyJ{drawn(30)}.{drawn(30)}.{drawn(30)}",
    "I forgot my password, can you reset it?",
    "password: ",
    "password: str = field(default='')",
    "password=os.environ['DB_PASSWORD']",
    'password="${DB_PASSWORD1}"',
    "password: {{ vault_password2 }}",
    "api_key = settings.api_key2",
    "password: changeme123",
    "your password must have 8 characters: letters, 1 digit",
    "the secret is: 3 eggs and 2 cups of flour",
    "token = tokenizer.encode(text2)",
    "access_token=get_token4(user)",
    "http://user:password@host/",
    "https://{user}:{password1}@host",
    "see http://host:8080/@anna",
    "the secret: practice1",
    # addresses that are nobody's
    "user@example.com",
    "anna@mail.example.org",
    "root@localhost",
    "git@github.com:owner/repo.git",
    "icon@2x.png",
    "the value x@self.weight, in numpy",
    "@anna thanks! @bob too",
    "npm install lodash@4.17.21",
    "foo@bar",
    # numbers that are something else
    "order 4111111111111112",
    "pi is 3.14159265358979323846",
    "in 2024-10-11 12:30:45",
    "tweet 1234567890123456789",
    "https://host/status/4111111111111111",
    "id=4111111111111111",
    "uuid 550e8400-e29b-41d4-a716-446655440000",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "1111 1111 1111 1111",
    "call 555-0123 or 415-555-0132",
    "+1 800 123 4567 is free of charge".replace("123 4567", "253 0000"),
    "+12 points, +100000000 views",
    "2 + 2 = 4, 1+1234567890",
    "000-12-3456 and 666-12-3456 and 923-45-6789",
    "DE89 3704 0044 0532 0130 01",
    "AB12 CDEF 3456 7890",
    "192.168.1.1, 10.0.0.7, 127.0.0.1, 0.0.0.0",
    "203.0.113.7 and 2001:db8::1 are for documents",
    "version 1.2.3.4, Chrome 58.0.3029.110",
    "upgrade V8 to 4.5.103.35, and version 9.7.106.18 after it",
    "8.8.8.0/24",
    "OID 1.3.101.112",
    "std::vector and dead::beef and 12:34:56",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
    "ISBN 978-3-16-148410-0",
    "54362315A",
    "390.533.447-06",
]
