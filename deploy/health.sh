#!/bin/bash
# Succeeds when the node in this container answers 200 on its management listener: `symbolon-health /readyz`.
# The image has no HTTP client, and needs none: Bash opens the connection.
set -u
exec 3<>"/dev/tcp/127.0.0.1/8081" || exit 1
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "${1:-/readyz}" >&3
read -r -t 2 _ status _ <&3 && [ "$status" = 200 ] || exit 1
