// createRemoteJWKSet of `jose` across key rotations; see README.md.

const { createRemoteJWKSet, customFetch, decodeJwt, decodeProtectedHeader, jwtVerify } = require("jose");

const { ISSUER: issuer, AUDIENCE: audience, CLIENT_ID, CLIENT_SECRET } = process.env;
const rotations = Number(process.argv[2]);
const REFRESH_MS = 2000;
const BREATH_MS = 150;
const authorization = `Basic ${Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString("base64")}`;

async function main() {
    const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
    let fetches = 0;
    const keys = createRemoteJWKSet(new URL(metadata.jwks_uri), {
        cacheMaxAge: REFRESH_MS,
        [customFetch]: (...request) => {
            fetches += 1;
            return fetch(...request);
        },
    });
    const signed = new Set();
    let alive = [];
    let issued = 0;
    let shown = 0;
    // Until the keys have rotated so often, and then until the last token has expired.
    while (signed.size <= rotations || alive.length > 0) {
        if (signed.size <= rotations) {
            const body = new URLSearchParams({ grant_type: "client_credentials" });
            const answer = await fetch(metadata.token_endpoint, { method: "POST", headers: { authorization }, body });
            if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
            const token = (await answer.json()).access_token;
            issued += 1;
            signed.add(decodeProtectedHeader(token).kid);
            alive.push({ token, expires: decodeJwt(token).exp * 1000 });
        }
        alive = alive.filter(({ expires }) => expires > Date.now() + 500);
        for (const { token } of alive) {
            await jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" });
            shown += 1;
        }
        await new Promise((resume) => setTimeout(resume, BREATH_MS));
    }
    const version = require("jose/package.json").version;
    console.log(
        `jose ${version}: ${signed.size - 1} rotations, ${issued} tokens, ` +
            `verified ${shown} times, ${fetches} fetches of the key set, no refusal`,
    );
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
