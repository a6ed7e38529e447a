"""Where the API server is and who we are to it: the service account of a pod, or a kubeconfig file. Reads files, no more.

The token is read again for each request and the certificates for each connection: the kubelet renews a token every hour.
"""

import base64
import os
import re
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_TOKEN = re.compile(r"[\x21-\x7e]*")


class CredentialsError(Exception):
    """No cluster can be reached with what is there, said to its owner."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """``url`` without a path's last ``/``; ``token`` and ``tls`` read files, and raise ``CredentialsError`` or ``OSError``."""

    url: str
    token: Callable[[], str]
    tls: Callable[[], ssl.SSLContext]


def find(kubeconfig: str | None, context: str | None) -> Cluster:
    """The cluster of a kubeconfig file, else the one whose pod this is. Raises ``CredentialsError`` or ``OSError``."""
    return of_kubeconfig(Path(kubeconfig), context) if kubeconfig else in_cluster(os.environ)


def in_cluster(environment: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> Cluster:
    """What Kubernetes gives every pod with a service account. Raises ``CredentialsError``."""
    host, port = (environment.get(f"KUBERNETES_SERVICE_{name}") for name in ("HOST", "PORT"))
    if not host or not (account / "token").exists():
        raise CredentialsError("this is no pod with a service account, and kubeconfig names no file")
    host = f"[{host}]" if ":" in host else host
    return Cluster(
        f"https://{host}:{port or 443}",
        token=lambda: _token_in(account / "token"),
        tls=lambda: ssl.create_default_context(cafile=account / "ca.crt"),
    )


def of_kubeconfig(path: Path, context: str | None) -> Cluster:
    """A context of a kubeconfig file; None: its current one. Raises ``CredentialsError`` or ``OSError``."""
    import yaml  # noqa: PLC0415  an optional dependency: only who uses it pays

    try:
        config = yaml.safe_load(path.read_bytes())
        name = context or config["current-context"]
        chosen = _named(config, "contexts", "context", name)
        cluster = _named(config, "clusters", "cluster", chosen["cluster"])
        user = _named(config, "users", "user", chosen["user"]) if chosen.get("user") else {}
        url = str(cluster["server"]).rstrip("/")
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise CredentialsError(f"{path}: not a kubeconfig file with such a context: {error}") from error
    if unknown := sorted({"exec", "auth-provider", "username"} & user.keys()):
        raise CredentialsError(
            f"{path}: the user of {name} has {unknown[0]}, which is not supported; give it a token or a certificate"
        )
    return Cluster(url, token=lambda: _token(path, user), tls=lambda: _tls(path, cluster, user))


def _named(config: Any, table: str, key: str, name: str) -> dict[str, Any]:  # noqa: ANN401  YAML
    found = next((each[key] for each in config[table] if each["name"] == name), None)
    if not isinstance(found, dict):
        raise KeyError(f"{table} has no {name}")
    return found


def _token(path: Path, user: Mapping[str, Any]) -> str:
    if "tokenFile" in user:
        return _token_in(path.parent / str(user["tokenFile"]))
    return _whole(str(user.get("token") or ""), path)


def _token_in(file: Path) -> str:
    return _whole(file.read_text(encoding="ascii", errors="replace"), file)


def _whole(token: str, file: Path) -> str:
    """Without the line end that files have; the HTTP client would show a token that fits into no header."""
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise CredentialsError(f"{file}: the token has characters that no token has, such as a space or a line end")
    return token


def _tls(path: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _pem(path, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate, key = _pem(path, user, "client-certificate"), _pem(path, user, "client-key")
    if certificate:
        with tempfile.NamedTemporaryFile() as file:  # readable by its owner alone; OpenSSL reads keys from files only
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _pem(path: Path, table: Mapping[str, Any], name: str) -> bytes:
    """What stands there, or in the file that is named; relative to the kubeconfig file."""
    try:
        if f"{name}-data" in table:
            return base64.b64decode(table[f"{name}-data"], validate=True)
    except ValueError as error:
        raise CredentialsError(f"{path}: {name}-data is not Base64") from error
    return (path.parent / table[name]).read_bytes() if name in table else b""
