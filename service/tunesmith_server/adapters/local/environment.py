"""What of the server's environment its children get: an allow-list, since keys live there too."""

import os
from collections.abc import Mapping

_ALLOWED = {
    "HOME",
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "VIRTUAL_ENV",
    "XDG_CACHE_HOME",
}
_ALLOWED_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_")
# What fetching a base may need: where the index and the hub are, and how to get there.
_DOWNLOADS = {
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
}
_DOWNLOAD_PREFIXES = ("PIP_", "HF_", "UV_")


def worker_environment(threads: int) -> dict[str, str]:
    """The environment of a trainer or another worker, which need no secret.

    They reach nothing but their files and pipes. What a trainer's integrations need it is handed
    over its standard input.
    """
    return _allowed(os.environ) | {
        "GOMP_SPINCOUNT": "0",
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": str(threads),
        "PYTHONFAULTHANDLER": "1",
        "PYTHONUTF8": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def download_environment() -> dict[str, str]:
    """The environment of a child that fetches a base: package indexes and hubs are reachable."""
    return (
        _allowed(os.environ)
        | {
            name: value
            for name, value in os.environ.items()
            if name.upper() in _DOWNLOADS or name.startswith(_DOWNLOAD_PREFIXES)
        }
        | {"GOMP_SPINCOUNT": "0", "GRPC_ENABLE_FORK_SUPPORT": "0", "PYTHONUTF8": "1"}
    )


def network_environment() -> dict[str, str]:
    """How to get out of here: proxies, and whose certificates to trust."""
    return {name: value for name, value in os.environ.items() if name.upper() in _DOWNLOADS}


def _allowed(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES)
    }
