"""Tokens (RFC 7519) as their issuers, and forgers, make them."""

import base64
import json
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

SECRET = "a secret of more than thirty-two bytes, for tests"
OMIT = object()
GRANTED = ["register", "discover", "send", "receive", "broadcast", "publish", "subscribe"]


def claims(actor="test/a", **changes):
    """Good ones; `changes` replace claims, OMIT leaves one out."""
    now = int(time.time())
    good = {"iss": "signal-hub", "sub": actor, "actorId": actor, "iat": now, "exp": now + 600,
            "capabilities": GRANTED, **changes}
    return {name: value for name, value in good.items() if value is not OMIT}


def signed(key=SECRET, *, algorithm="HS256", headers=None, **changes):
    """A token of claims(**changes)."""
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header, signature=b"", **changes):
    """A token with any header and no good signature."""
    return ".".join((part(json.dumps(header).encode()), part(json.dumps(claims(**changes)).encode()), part(signature)))


def new_keys(kind):
    """(private key, public key), PEM texts."""
    key = rsa.generate_private_key(65537, 2048) if kind == "RS256" else ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def jwks(kind, public, kid="one"):
    key = serialization.load_pem_public_key(public.encode())
    algorithm = jwt.algorithms.RSAAlgorithm if kind == "RS256" else jwt.algorithms.ECAlgorithm
    if kind == "RS256":
        fields = json.loads(algorithm.to_jwk(key))
        fields.pop("key_ops", None)
    else:
        numbers = key.public_numbers()
        fields = {"kty": "EC", "crv": "P-256", "x": part(numbers.x.to_bytes(32, "big")),
                  "y": part(numbers.y.to_bytes(32, "big"))}
    return json.dumps({"keys": [{**fields, "kid": kid, "alg": kind, "use": "sig"}]})
