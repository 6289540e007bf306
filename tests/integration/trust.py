"""What makes the processes of a test's cluster trust each other over TCP: a secret, or certificates.

Each is made in a directory of its own and knows the options that a process of a role needs (`options`), and the flags
that dormousectl needs (`operator`)."""

import os
import secrets
import subprocess

ROLES = ("dormouse-gateway", "dormouse-statekeeper", "dormouse-operator")


def write(path, text):
    """Puts a whole file, which nobody else can read, in the place of what was there."""
    with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + ".new", path)
    return path


class Secret:
    """A secret that all have. Operators have the admin key instead."""

    def __init__(self, directory, admin_key):
        self.path = write(os.path.join(directory, "cluster-secret"), secrets.token_hex(32))
        self.admin_key = admin_key

    def options(self, _role):
        return {"cluster-secret": self.path}

    def operator(self):
        return ["--key", self.admin_key]


class Certificates:
    """An authority, and a certificate for each role."""

    def __init__(self, directory):
        self.directory = os.path.join(directory, "certificates")
        os.mkdir(self.directory, 0o700)
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", f"/CN=test authority {secrets.token_hex(4)}", "-keyout", "ca.key", "-out", "ca.pem")
        for role in ROLES:
            self.renew(role)

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True,
                       check=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def renew(self, role, names=None):
        """A new certificate in the place of the old one, `names`: with others than its role's."""
        write(self.path("names"), "subjectAltName=" + ",".join(f"DNS:{name}" for name in names or [role]))
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                      "/CN=test process", "-keyout", role + ".key.new", "-out", role + ".csr")
        self._openssl("x509", "-req", "-in", role + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "1", "-extfile", "names", "-out", role + ".pem.new")
        for end in (".key", ".pem"):
            os.rename(self.path(role + end + ".new"), self.path(role + end))

    def options(self, role):
        return {"link-certificate": self.path(role + ".pem"), "link-key": self.path(role + ".key"),
                "link-ca": self.path("ca.pem")}

    def operator(self):
        return ["--certificate", self.path("dormouse-operator.pem"), "--private-key",
                self.path("dormouse-operator.key"), "--ca", self.path("ca.pem")]


def make(kind, directory, admin_key):
    """`kind`: secret or tls."""
    if kind == "secret":
        return Secret(directory, admin_key)
    assert kind == "tls", f"DORMOUSE_TEST_TRUST must be secret or tls, not {kind}"
    return Certificates(directory)
