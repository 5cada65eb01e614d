#!/bin/sh
# Run by the image of PostgreSQL once, when its data volume is empty: a role that is no superuser, and its database.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set password `cat /run/secrets/postgres-symbolon-password`
CREATE ROLE symbolon LOGIN PASSWORD :'password';
-- Sorted by bytes: the order does not change with the version of a C library.
CREATE DATABASE symbolon OWNER symbolon TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8';
REVOKE ALL ON DATABASE symbolon FROM PUBLIC;
SQL
