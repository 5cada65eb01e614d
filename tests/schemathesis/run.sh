#!/bin/sh
# Runs schemathesis (4.32 or later, `pip install schemathesis`) on the admin API of a development server, by the document
# that the server serves: no answer may be a fault of the server, have a status that the document does not name, or a body
# that does not fit its schema.
#
#   tests/schemathesis/run.sh [examples per operation, 100]
#
# It builds the release binary unless SYMBOLON names one. What would end its own token or secret, or the signing keys that
# the others need, runs in a second pass, whose later requests are refused: that is counted too.
set -eu
examples=${1:-100}
here=$(cd "$(dirname "$0")/../.." && pwd)
if [ -z "${SYMBOLON:-}" ]; then
    (cd "$here" && cargo build --release)
    SYMBOLON=$here/target/release/symbolon
fi
folder=$(mktemp -d)
cd "$folder"
"$SYMBOLON" serve --dev --listen 127.0.0.1:0 --json > ready.json 2> log.jsonl &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$folder"' EXIT
until [ -s ready.json ]; do
    kill -0 $server
    sleep 0.1
done
member() { python3 -c "import json, sys; print(json.load(open('$1'))['$2'])"; }
admin=$(member ready.json admin_url)
endpoint=$(member ready.json token_endpoint)

token() {
    python3 - "$endpoint" <<'PY'
import json, sys, urllib.parse, urllib.request
stored = json.load(open("symbolon-data/login.json"))
login = stored["logins"][stored["current"]]
form = {
    "grant_type": "client_credentials",
    "resource": "urn:symbolon:admin",
    "scope": login["scope"],
    "client_id": login["client_id"],
    "client_secret": login["client_secret"],
}
body = urllib.parse.urlencode(form).encode()
print(json.load(urllib.request.urlopen(sys.argv[1], body))["access_token"])
PY
}

checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
ends='^(add_client_secret|expire_client_secret|delete_client_secret|disable_client|delete_client|update_client|create_revocation|compromise_key|compromise_all_keys|rewrap_keys|retire_key)$'
run() {
    bearer=$(token)
    st run "$admin/admin/v1/openapi.json" --url "$admin" --header "Authorization: Bearer $bearer" \
        --checks $checks,unsupported_method --phases coverage,fuzzing --max-examples "$examples" \
        --request-timeout 30 "$@"
}
# A stream of server-sent events has no end.
run --workers 2 --exclude-operation-id stream_audit --exclude-operation-id-regex "$ends"
run --workers 1 --include-operation-id-regex "$ends"
