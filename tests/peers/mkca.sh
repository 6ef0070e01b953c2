#!/bin/bash
# Makes a private authority and a certificate for the loopback server.
# Usage: mkca.sh FOLDER; writes ca.crt, server.crt and server.key there.
set -euo pipefail
cd "${1:?folder}"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
  -keyout ca.key -out ca.crt -subj "/CN=Strongroom test authority" \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
cat > server.ext <<X
subjectAltName=DNS:localhost,DNS:upload.localhost,DNS:home.test,DNS:upload.home.test,IP:127.0.0.1
basicConstraints=CA:FALSE
keyUsage=digitalSignature
extendedKeyUsage=serverAuth,clientAuth
X
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
  -keyout server.key -out server.csr -subj "/CN=localhost"
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
  -extfile server.ext -out server.crt
