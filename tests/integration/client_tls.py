"""TLS between clients and gateways: an authority for tests, what it certifies, and contexts for clients that believe it.

With DORMOUSE_TEST_CLIENTS=tls in the environment all clusters are reached by TLS alone, where their test has not said
otherwise, and Cluster.port() is the port for that: what is tested in the clear can be so through TLS."""

import atexit
import datetime
import functools
import ipaddress
import os
import shutil
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from trust import write

_HOUR = datetime.timedelta(hours=1)


def by_tls():
    return os.environ.get("DORMOUSE_TEST_CLIENTS") == "tls"


class Authority:
    def __init__(self, directory, name="authority"):
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = self._put(f"{name}.pem", self._certificate(self._name, self._key, [], _HOUR, is_authority=True))

    def certify(self, name, hosts=("localhost",), valid=_HOUR):
        """(file of the certificate, file of the key), in the place of those of before. `valid`: from now; negative: it has
        expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(subject, key, hosts, valid)
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption())
        return self._put(f"{name}.pem", certificate), write(os.path.join(self.directory, f"{name}.key"), text.decode())

    def _certificate(self, subject, key, hosts, valid, is_authority=False):
        now = datetime.datetime.utcnow()
        names = [x509.DNSName(host) for host in hosts]
        if hosts:
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - 2 * _HOUR)
                   .not_valid_after(now + valid)
                   .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _put(self, name, certificate):
        return write(os.path.join(self.directory, name),
                     certificate.public_bytes(serialization.Encoding.PEM).decode())

    def context(self, certificate=None, **settings):
        """A client's, that believes this authority; `certificate`: the files of its own. `settings`: of ssl.SSLContext."""
        context = ssl.create_default_context(cafile=self.file)
        if certificate:
            context.load_cert_chain(*certificate)
        for name, value in settings.items():
            setattr(context, name, value)
        return context


@functools.cache
def everybody():
    """The authority of this process's clusters."""
    directory = tempfile.mkdtemp(prefix="dormouse-tls-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Authority(directory)


@functools.cache
def server_files():
    return everybody().certify("gateway")


@functools.cache
def client_context():
    return everybody().context()


def options(port, files=None, host="127.0.0.1"):
    """Of a gateway that shows the certificate at the port."""
    certificate, key = files or server_files()
    return {"tls-listen": f"{host}:{port}", "tls-cert": certificate, "tls-key": key}
