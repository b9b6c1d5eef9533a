#!/bin/sh
# Makes what the hosts of a deployment share: a token, an authority, and a certificate for the host with the hub or
# Redis.
#
#   ./make-secrets.sh FOLDER NAME...      the names and addresses at which components reach that host
#
# FOLDER/token        the token of the hub, the password of Redis       hub or Redis, and every component
# FOLDER/ca.pem       who is trusted                                    every component
# FOLDER/server.pem, server.key                                         the hub or Redis
# FOLDER/users.acl    the users of Redis: `swergio`, who may do what rooms need and has the token as its password
# FOLDER/ca.key       signs further certificates; keep it away from the hosts
set -eu
folder=${1:?a folder}
shift
first=${1:?the name or address at which components reach the host of the hub or of Redis}

umask 077
mkdir -p "$folder"
cd "$folder"
if [ -e token ]; then
    echo "$folder has secrets already" >&2
    exit 1
fi

names=
for name in "$@"; do
    case $name in
    *:*) kind=IP ;; # version 6
    *[!0-9.]*) kind=DNS ;;
    *) kind=IP ;;
    esac
    names="$names${names:+,}$kind:$name"
done

openssl rand -hex 32 | tr -d '\n' >token

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=swergio authority" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$first" \
    -keyout server.key -out server.csr 2>/dev/null
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n' "$names" >server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -extfile server.ext \
    -out server.pem 2>/dev/null
rm -f server.csr server.ext ca.srl

# Nobody gets in without a password, and the password is not in the file: only its digest is.
digest=$(openssl dgst -sha256 -r token | cut -d ' ' -f 1)
cat >users.acl <<EOF
user default off
user swergio on #$digest resetkeys resetchannels ~swergio:* &swergio:* -@all +@connection +@read +@write +@pubsub +@scripting +time -@dangerous +info +config|get
EOF

# The folder lets nobody in but its owner. The files in it can be read, as containers get them as they are, and run as
# another user.
chmod 644 token ca.pem server.pem server.key users.acl
echo "made in $folder: token, ca.pem, ca.key, server.pem, server.key, users.acl"
