"""PyJWT's PyJWKClient across key rotations; see README.md."""

import base64
import json
import os
import sys
import time
import urllib.parse
import urllib.request

import jwt

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
CREDENTIALS = f"{os.environ['CLIENT_ID']}:{os.environ['CLIENT_SECRET']}"
ROTATIONS = int(sys.argv[1])
REFRESH_SECONDS = 2
BREATH_SECONDS = 0.15

ALGORITHMS = ["ES256", "RS256", "PS256", "ES384", "EdDSA"]


class CountingClient(jwt.PyJWKClient):
    fetches = 0

    def fetch_data(self):
        self.fetches += 1
        return super().fetch_data()


def get(url, form=None):
    body = urllib.parse.urlencode(form).encode() if form else None
    request = urllib.request.Request(url, data=body)
    request.add_header("Authorization", "Basic " + base64.b64encode(CREDENTIALS.encode()).decode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def main():
    metadata = get(f"{ISSUER}/.well-known/oauth-authorization-server")
    keys = CountingClient(metadata["jwks_uri"], lifespan=REFRESH_SECONDS)
    alive, signed, issued, shown = [], [], 0, 0
    # Until the keys have rotated so often, and then until the last token has expired.
    while len(signed) <= ROTATIONS or alive:
        if len(signed) <= ROTATIONS:
            token = get(metadata["token_endpoint"], {"grant_type": "client_credentials"})["access_token"]
            issued += 1
            kid = jwt.get_unverified_header(token)["kid"]
            if kid not in signed:
                signed.append(kid)
            expires = jwt.decode(token, options={"verify_signature": False})["exp"]
            alive.append((token, expires))
        alive = [(token, expires) for token, expires in alive if expires > time.time() + 0.5]
        for token, _ in alive:
            key = keys.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=ALGORITHMS, issuer=ISSUER, audience=AUDIENCE)
            shown += 1
        time.sleep(BREATH_SECONDS)
    print(
        f"PyJWT {jwt.__version__}: {len(signed) - 1} rotations, {issued} tokens, "
        f"verified {shown} times, {keys.fetches} fetches of the key set, no refusal"
    )


main()
