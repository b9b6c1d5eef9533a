"""TLS contexts from the paths in `LinkOptions`."""

from __future__ import annotations

import ssl

from swergio.errors import ConfigurationError
from swergio.hub.link import LinkOptions


def client_context(options: LinkOptions) -> ssl.SSLContext:
    """
    Trust ``tls_ca`` alone, or the system's authorities without it; show ``tls_cert`` if there is one.

    Raises:
        ConfigurationError: A file cannot be read or used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.tls_ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _trust(context, options.tls_ca)
    if options.tls_cert is not None:
        _show(context, options.tls_cert, options.tls_key)
    return context


def server_context(options: LinkOptions) -> ssl.SSLContext:
    """
    Show ``tls_cert``; with ``tls_ca``, accept only clients that show a certificate of that authority.

    Raises:
        ConfigurationError: There is no ``tls_cert``, or a file cannot be read or used.
    """
    if options.tls_cert is None:
        raise ConfigurationError("wss:// needs a certificate to show", "a PEM file in tls_cert (and tls_key)")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, options.tls_cert, options.tls_key)
    if options.tls_ca is not None:
        _trust(context, options.tls_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _trust(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as exc:
        raise ConfigurationError(f"tls_ca {path!r} cannot be used: {_why(exc)}", "a PEM file of certificates") from exc


def _show(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except OSError as exc:
        raise ConfigurationError(
            f"tls_cert {cert!r} with tls_key {key!r} cannot be used: {_why(exc)}", "PEM files that belong together"
        ) from exc


def _no_passphrase() -> str:
    # Without this OpenSSL would ask on the terminal, and hold the event loop until somebody types.
    raise ConfigurationError("tls_key is encrypted", "a key without passphrase, in a file that only its user can read")


def _why(exc: OSError) -> str:
    reason = exc.reason if isinstance(exc, ssl.SSLError) else exc.strerror
    return reason or str(exc)
