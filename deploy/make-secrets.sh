#!/bin/sh
# Makes the secrets that docker-compose.yml mounts, in deploy/secrets. What is there already is left as it is.
#
#   sudo deploy/make-secrets.sh login.example.org
#
# Run it as root: a file is mounted with the owner that it has here, and each belongs to the one user that reads it,
# the user number of a container. The host name is that of the certificate for trying things out, which is made where
# deploy/secrets/tls.pem is missing.
set -eu

if [ "$#" -ne 1 ]; then
    echo "usage: make-secrets.sh <host name of the issuer>" >&2
    exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "error: the files must belong to the users of the containers; run this as root" >&2
    exit 1
fi

host=$1
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/secrets"
umask 077
# Whoever runs `docker compose` may see that the files are there, and no more.
chmod 0711 .

# The users of the containers, as in docker-compose.yml.
haproxy=99
postgres=999
redis=999
symbolon=10001

# keep <user>:<file>...: whether all of these are there already; some without the others is an error.
keep() {
    there=0
    for file in "$@"; do
        [ ! -e "$file" ] || there=$((there + 1))
    done
    if [ "$there" -ne 0 ] && [ "$there" -ne "$#" ]; then
        echo "error: only some of deploy/secrets/{$(echo "$*" | tr ' ' ',')} are there; they belong together:" \
            "restore what is missing, or remove the others" >&2
        exit 1
    fi
    [ "$there" -ne 0 ]
}

# put <user> <file>: standard input becomes the file, all at once.
put() {
    cat >".$2.new"
    chown "$1:$1" ".$2.new"
    chmod 0400 ".$2.new"
    mv ".$2.new" "$2"
    echo "made deploy/secrets/$2"
}

# 256 random bits, in characters that need no quoting in a URL.
password() {
    openssl rand -hex 32
}

if ! keep encryption-key; then
    openssl rand -base64 32 | put "$symbolon" encryption-key
fi

if ! keep postgres-password; then
    password | put "$postgres" postgres-password
fi

if ! keep database-url postgres-symbolon-password; then
    secret=$(password)
    echo "$secret" | put "$postgres" postgres-symbolon-password
    echo "postgres://symbolon:$secret@postgres:5432/symbolon" | put "$symbolon" database-url
fi

if ! keep redis-url redis-users.acl; then
    secret=$(password)
    hash=$(printf %s "$secret" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
    sed "s/@PASSWORD_SHA256@/$hash/" ../redis/users.acl.template | put "$redis" redis-users.acl
    echo "redis://symbolon:$secret@redis:6379/0" | put "$symbolon" redis-url
fi

if ! keep tls.pem; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$host" \
        -addext "subjectAltName=DNS:$host" -addext "basicConstraints=critical,CA:FALSE" -keyout .tls.key -out .tls.crt
    cat .tls.crt .tls.key | put "$haproxy" tls.pem
    rm .tls.crt .tls.key
    echo "warning: the certificate in tls.pem is self-signed, for trying things out: replace it with a real one" >&2
fi
