"""A certificate like another one, but run out, and its key: good for nothing but to be refused."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chaos.errors import BadInput

_LIFE = timedelta(days=90)


@dataclass(frozen=True)
class Pair:
    """PEM texts."""

    certificate: str
    key: str


def like(data: str, ended: datetime, secret: str) -> Pair:
    """A pair with the names of the certificate in `data` (base64 of PEM), which ran out at `ended`."""
    from cryptography import x509  # noqa: PLC0415 - 60 ms, and only this fault makes certificates
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    try:
        old = x509.load_pem_x509_certificate(base64.b64decode(data))
    except ValueError as error:
        raise BadInput(f"secret {secret}: its tls.crt holds no certificate that could run out ({error})") from None
    if old.not_valid_after_utc < datetime.now(UTC):
        raise BadInput(f"secret {secret}: its certificate ran out on {old.not_valid_after_utc:%Y-%m-%d} already")
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "An authority that is thrown away")])
    made = x509.CertificateBuilder(issuer, old.subject, own.public_key(), x509.random_serial_number())
    made = made.not_valid_before(ended - _LIFE).not_valid_after(ended)
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    for extension in old.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            made = made.add_extension(extension.value, critical=extension.critical)
    private = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    signed = made.sign(authority, hashes.SHA256())
    return Pair(signed.public_bytes(serialization.Encoding.PEM).decode(), private)
