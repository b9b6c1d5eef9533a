"""The script that makes a deployment's secrets."""

from __future__ import annotations

import hashlib
import stat
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.deploy.units import DEPLOY


def test_the_certificate_is_the_authoritys_and_for_every_name(secrets: Path) -> None:
    authority, server = (
        x509.load_pem_x509_certificate((secrets / name).read_bytes()) for name in ("ca.pem", "server.pem")
    )
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert isinstance(server.public_key(), ec.EllipticCurvePublicKey)


def test_the_token_is_long_and_redis_knows_its_digest_alone(secrets: Path) -> None:
    token = (secrets / "token").read_text()
    assert len(token) == 64
    users = (secrets / "users.acl").read_text()
    assert f"#{hashlib.sha256(token.encode()).hexdigest()} " in users
    assert token not in users
    assert "user default off" in users


def test_nobody_else_gets_into_the_folder(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE((secrets / "ca.key").stat().st_mode) == 0o600


def test_secrets_that_are_there_are_kept(secrets: Path) -> None:
    token = (secrets / "token").read_text()
    again = subprocess.run([DEPLOY / "make-secrets.sh", secrets, "x"], capture_output=True, text=True, check=False)
    assert (again.returncode, "has secrets already" in again.stderr) == (1, True)
    assert (secrets / "token").read_text() == token
