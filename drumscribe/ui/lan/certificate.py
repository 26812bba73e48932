"""The certificate of the local network's HTTPS: an authority of this computer's own, and what it signs.

The authority is made once, so a device that was told to trust it keeps doing so when addresses change and the
server's certificate is made anew. It can vouch for private addresses and this computer's names only (name constraints,
RFC 5280): whoever got hold of its key could not play a bank to that device.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drumscribe.errors import StorageError
from drumscribe.storage.writing import atomic_path, storing

_PRIVATE = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7")
_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 397
"""Apple's systems take no longer ones."""
_LEFT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM: the server's certificate, its key, and the authority for devices to trust."""

    chain: Path
    key: Path
    authority: Path


def ready(folder: Path, names: list[str], addresses: list[str]) -> Certificate:
    """The certificate for these names and addresses, made where there is none that holds. Raises StorageError."""
    found = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    authority_key = folder / "authority.key"
    try:
        if not (authority_key.exists() and _reaches(found.authority, names, addresses)):
            _make_authority(found.authority, authority_key, names, addresses)
            found.chain.unlink(missing_ok=True)
        if not _holds(found, names, addresses):
            _make_server(found, authority_key, names, addresses)
    except (ValueError, TypeError) as error:
        raise StorageError(f"A certificate in {folder} cannot be read.", "Delete that folder and try again.") from error
    return found


def _reaches(authority: Path, names: list[str], addresses: list[str]) -> bool:
    """Whether the authority may vouch for all of these, and will for as long as a server's certificate lasts."""
    if not authority.exists():
        return False
    known = x509.load_pem_x509_certificate(authority.read_bytes())
    reach = known.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    networks = [ipaddress.ip_network(str(one.value)) for one in reach if isinstance(one, x509.IPAddress)]
    lasts = known.not_valid_after_utc > datetime.now(UTC) + timedelta(days=_SERVER_DAYS)
    inside = all(any(ipaddress.ip_address(one) in network for network in networks) for one in addresses)
    return lasts and inside and {one.value for one in reach if isinstance(one, x509.DNSName)} >= set(names)


def _holds(found: Certificate, names: list[str], addresses: list[str]) -> bool:
    if not (found.chain.exists() and found.key.exists()):
        return False
    present = x509.load_pem_x509_certificate(found.chain.read_bytes())
    known = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    named = {*known.get_values_for_type(x509.DNSName), *map(str, known.get_values_for_type(x509.IPAddress))}
    lasts = present.not_valid_after_utc > datetime.now(UTC) + timedelta(days=_LEFT_DAYS)
    return lasts and named >= {*names, *addresses}


def _make_authority(path: Path, key_path: Path, names: list[str], addresses: list[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    named = _named(f"DrumScribe on {names[-1]}")
    networks = [ipaddress.ip_network(one) for one in _PRIVATE]
    for address in map(ipaddress.ip_address, addresses):  # some schools give every computer a public one
        if not any(address in network for network in networks):
            networks.append(ipaddress.ip_network(address))
    reach = [*map(x509.IPAddress, networks), *map(x509.DNSName, names)]
    uses = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    made = (
        _begun(named, named, key.public_key(), _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **uses), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=reach, excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, _pem(key), secret=True)
    _write(path, made.public_bytes(serialization.Encoding.PEM))


def _make_server(found: Certificate, authority_key: Path, names: list[str], addresses: list[str]) -> None:
    authority = x509.load_pem_x509_certificate(found.authority.read_bytes())
    signer = serialization.load_pem_private_key(authority_key.read_bytes(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key of ours")
    key = ec.generate_private_key(ec.SECP256R1())
    also: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    also += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
    made = (
        _begun(_named(names[-1]), authority.subject, key.public_key(), _SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName(also), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    _write(found.key, _pem(key), secret=True)
    _write(found.chain, made.public_bytes(serialization.Encoding.PEM) + found.authority.read_bytes())


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a tablet's clock may be behind
        .not_valid_after(now + timedelta(days=days))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _write(path: Path, data: bytes, *, secret: bool = False) -> None:
    with storing("The certificate's folder"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("xb") as out:
        temporary.chmod(0o600 if secret else 0o644)
        out.write(data)
