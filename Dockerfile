# syntax=docker/dockerfile:1

# The compiler is that of `rust-version` in Cargo.toml. Both stages are of one Debian: the binary needs its C library.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The two caches outlive the layer: after a change only the crates that changed are compiled again. OpenSSL and the
# other C libraries are compiled from the sources that Cargo.lock pins.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package symbolon-server \
    && install -D target/release/symbolon /out/symbolon

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Symbolon" \
      org.opencontainers.image.description="An OAuth 2.0 authorization server with revocable tokens" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/symbolon/
# Authorities that may vouch for a Redis or a PostgreSQL that is reached over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/symbolon /usr/local/bin/symbolon
# A number, so that an orchestrator can see that it is not root. Nothing in the image belongs to it, and the server
# writes no file: the root file system may be read-only.
USER 10001:10001
WORKDIR /
# `server.listen` is on loopback until it is set, and so is `admin.listen` (8082), which is for administrators alone. The
# management listener (8081) is not for others.
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether the process lives, not whether it is ready: a node whose database is away must not be restarted for that.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/usr/local/bin/symbolon", "healthcheck", "--live"]
ENTRYPOINT ["/usr/local/bin/symbolon"]
CMD ["serve"]
