#!/bin/bash
# Makes what is missing of a cluster's credentials, in Secrets that are there, and renews certificates in time. Runs in a pod
# whose account may read and change these Secrets. What to make, by the names of the Secrets:
#
#   LINK_CA, LINK_GATEWAY, LINK_STATEKEEPER   an authority, and the certificates of both kinds of process
#   CLUSTER                                   a secret that they share, and one for operators
#   REDIS                                     the password of a Redis, as it is and as Redis reads it
#
# DAYS: how long certificates are good; RENEW_BEFORE_DAYS: how long before their end they are renewed.
set -euo pipefail
umask 077
account=${SERVICE_ACCOUNT:-/var/run/secrets/kubernetes.io/serviceaccount}
api=${KUBERNETES_API:-https://kubernetes.default.svc}/api/v1/namespaces/$(<"$account/namespace")/secrets
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# request METHOD SECRET [FILE]: sends what is in the file; the answer is in $work/answer.
request() {
  local body=() said
  [[ $# -lt 3 ]] || body=(--header='Content-Type: application/merge-patch+json' --body-file="$3")
  # In a file: a command line can be seen.
  printf 'header = Authorization: Bearer %s\n' "$(<"$account/token")" >"$work/wgetrc"
  if ! said=$(wget --config="$work/wgetrc" --no-verbose --no-hsts --no-proxy --tries=3 --retry-connrefused --waitretry=3 --timeout=20 --content-on-error \
    --ca-certificate="$account/ca.crt" --method="$1" "${body[@]}" -O "$work/answer" "$api/$2" 2>&1); then
    fail "Kubernetes does not $1 the Secret $2: $said $(head -c 500 "$work/answer" 2>/dev/null || true)"
  fi
}

# Of the Secret that was asked for last: a member of its JSON, and what it keeps under a key (nothing: there is none).
member() { grep -o "\"$1\": *\"[^\"]*\"" "$work/answer" | head -n 1 | cut -d '"' -f 4 || true; }
value() { member "${1//./\\.}" | base64 -d; }

# look SECRET KEY...: puts what it has into files $work/SECRET/KEY, and says whether it has all of them.
look() {
  local secret=$1 key complete=0
  shift
  request GET "$secret"
  mkdir -p "$work/$secret"
  member resourceVersion >"$work/$secret/.version"
  for key; do
    value "$key" >"$work/$secret/$key"
    [[ -s $work/$secret/$key ]] || complete=1
  done
  return $complete
}

# keep SECRET KEY...: puts these files there, unless somebody has changed the Secret since look; the next try sees what he did.
keep() {
  local secret=$1 key separator=""
  shift
  {
    printf '{"metadata":{"resourceVersion":"%s"},"data":{' "$(<"$work/$secret/.version")"
    for key; do
      printf '%s"%s":"%s"' "$separator" "$key" "$(base64 -w0 "$work/$secret/$key")"
      separator=,
    done
    printf '}}'
  } >"$work/body"
  request PATCH "$secret" "$work/body"
  echo "Filled the Secret $secret."
}

random() { openssl rand -hex 32; }

authority() {
  local at=$work/$LINK_CA
  ! look "$LINK_CA" ca.crt ca.key || return 0
  # Authorities of one name would be taken for each other.
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=dormouse $(date +%s)" \
    -keyout "$at/ca.key" -out "$at/ca.crt" 2>/dev/null
  keep "$LINK_CA" ca.crt ca.key
}

# certificate ROLE SECRET: whether it is there, of the authority, and good for long enough; else a new one.
certificate() {
  local role=$1 secret=$2 at=$work/$2 ca=$work/$LINK_CA
  if look "$secret" tls.crt tls.key ca.crt && cmp -s "$at/ca.crt" "$ca/ca.crt" &&
    openssl verify -CAfile "$ca/ca.crt" "$at/tls.crt" >/dev/null 2>&1 &&
    openssl x509 -in "$at/tls.crt" -noout -checkend $((RENEW_BEFORE_DAYS * 86400)) >/dev/null; then
    return 0
  fi
  cp "$ca/ca.crt" "$at/ca.crt"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=dormouse-$role" \
    -addext "subjectAltName=DNS:dormouse-$role" -keyout "$at/tls.key" -out "$work/request" 2>/dev/null
  openssl x509 -req -in "$work/request" -CA "$ca/ca.crt" -CAkey "$ca/ca.key" -CAcreateserial -days "$DAYS" \
    -copy_extensions copy -out "$at/tls.crt" 2>/dev/null
  keep "$secret" tls.crt tls.key ca.crt
}

if [[ -n ${LINK_CA-} ]]; then
  authority
  certificate gateway "$LINK_GATEWAY"
  certificate statekeeper "$LINK_STATEKEEPER"
fi
if [[ -n ${CLUSTER-} ]] && ! look "$CLUSTER" cluster-secret admin-key; then
  for key in cluster-secret admin-key; do
    [[ -s $work/$CLUSTER/$key ]] || random >"$work/$CLUSTER/$key"
  done
  keep "$CLUSTER" cluster-secret admin-key
fi
if [[ -n ${REDIS-} ]] && ! look "$REDIS" password redis.conf; then
  [[ -s $work/$REDIS/password ]] || random >"$work/$REDIS/password"
  # Not on a command line, which all users can see.
  printf 'requirepass %s\n' "$(<"$work/$REDIS/password")" >"$work/$REDIS/redis.conf"
  keep "$REDIS" password redis.conf
fi
echo "All credentials are there."
