"""The TLS context of the settings."""

from __future__ import annotations

import ssl
from pathlib import Path

from swergio.errors import ConfigurationError
from swergio.settings import Settings


def context_of(settings: Settings) -> ssl.SSLContext:
    """
    Trust ``tls_ca`` alone, or the system's authorities without it; show ``tls_cert`` if there is one.

    Raises:
        ConfigurationError: A file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if settings.tls_ca is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            context.load_verify_locations(settings.tls_ca)
    except OSError as exc:
        raise _unusable("tls_ca", settings.tls_ca, exc) from exc
    if settings.tls_cert is not None:
        try:
            context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_passphrase)
        except OSError as exc:
            raise _unusable("tls_cert (with tls_key)", settings.tls_cert, exc) from exc
    return context


def _no_passphrase() -> str:
    # Without this OpenSSL would ask on the terminal, and hold the event loop until somebody types.
    raise ConfigurationError("tls_key is encrypted", "a key without passphrase, in a file that only its user can read")


def _unusable(setting: str, path: Path | None, exc: OSError) -> ConfigurationError:
    reason = exc.reason if isinstance(exc, ssl.SSLError) else exc.strerror
    return ConfigurationError(f"{setting} {str(path)!r} cannot be used: {reason or exc}", "PEM files that fit together")
