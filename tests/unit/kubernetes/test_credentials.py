"""Where the API server is, and who we are to it."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.kubernetes.credentials import CredentialsError, in_cluster, of_kubeconfig


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of one's own, and its key."""
    made = tmp_path / "made.crt", tmp_path / "made.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=it"]
    subprocess.run([*command, "-days", "2", "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)
    return made


def kubeconfig(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    """A file with two contexts; the second one is current."""
    path = folder / "config"
    clusters = [
        {"name": "other", "cluster": {"server": "https://other"}},
        {"name": "c", "cluster": {"server": "https://it/", **cluster}},
    ]
    contexts = [
        {"name": name, "context": {"cluster": name[0] if name == "c1" else "other", "user": "u"}} for name in ("c1", "o1")
    ]
    users = [{"name": "u", "user": user}]
    path.write_text(json.dumps({"clusters": clusters, "contexts": contexts, "users": users, "current-context": "c1"}))
    return path


def test_a_pod_has_an_address_and_a_token_that_changes(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """IPv6 in brackets; the kubelet replaces the file."""
    (tmp_path / "token").write_text("one\n")
    (tmp_path / "ca.crt").write_bytes(certificate[0].read_bytes())
    cluster = in_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)
    assert cluster.url == "https://[fd00::1]:443"
    assert cluster.token() == "one"
    (tmp_path / "token").write_text("two\n")
    assert cluster.token() == "two"
    assert cluster.tls().cert_store_stats()["x509"] == 1


def test_no_pod_and_no_file_is_said() -> None:
    """Whoever runs it on a host without either."""
    with pytest.raises(CredentialsError, match="this is no pod with a service account, and kubeconfig names no file"):
        in_cluster({})


def test_a_kubeconfig_gives_token_and_certificates(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """In the file or beside it; a context by name."""
    inline = {name: base64.b64encode(path.read_bytes()).decode() for name, path in zip(("crt", "key"), certificate, strict=True)}
    (tmp_path / "token").write_text("beside")
    user = {"tokenFile": "token", "client-certificate-data": inline["crt"], "client-key-data": inline["key"]}
    path = kubeconfig(tmp_path, {"certificate-authority": "made.crt"}, user)
    cluster = of_kubeconfig(path, None)
    assert (cluster.url, cluster.token()) == ("https://it", "beside")
    assert cluster.tls().cert_store_stats()["x509"] == 1
    assert of_kubeconfig(path, "o1").url == "https://other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clusters: [", "not a kubeconfig file"),
        ("a: b", "not a kubeconfig file"),
        ('{"current-context": "x", "contexts": []}', "contexts has no x"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """With what is wrong."""
    (tmp_path / "config").write_text(text)
    with pytest.raises(CredentialsError, match=message):
        of_kubeconfig(tmp_path / "config", None)


def test_programs_that_give_tokens_are_not_run(tmp_path: Path) -> None:
    """It says what to do instead."""
    path = kubeconfig(tmp_path, {}, {"exec": {"command": "aws"}})
    with pytest.raises(CredentialsError, match="has exec, which is not supported; give it a token or a certificate"):
        of_kubeconfig(path, None)


@pytest.mark.parametrize("told", ["SECRET\n", " SECRET", None, ""])
def test_a_token_may_have_a_line_end_or_be_missing(tmp_path: Path, told: str | None) -> None:
    """As a block of YAML has it; the key may stand there with nothing behind it."""
    assert of_kubeconfig(kubeconfig(tmp_path, {}, {"token": told}), None).token() == ("SECRET" if told else "")


@pytest.mark.parametrize("told", [b"SEC\nRET", b"SEC RET", "SECR\u00c9T".encode(), b"SECRET\xff"])
def test_what_is_no_token_is_refused_without_showing_it(tmp_path: Path, told: bytes) -> None:
    """Whether in the file or beside it; the HTTP client would quote it."""
    (tmp_path / "token").write_bytes(told)
    users: tuple[dict[str, str], ...] = ({"tokenFile": "token"}, {"token": told.decode("latin-1")})
    for user in users:
        with pytest.raises(CredentialsError, match="the token has characters that no token has") as raised:
            of_kubeconfig(kubeconfig(tmp_path, {}, user), None).token()
        assert "SEC" not in str(raised.value)
