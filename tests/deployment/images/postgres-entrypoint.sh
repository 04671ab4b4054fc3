#!/bin/sh
# Makes the cluster at the first start, with a user and a database by the variables of the official
# image; as root it hands the volume over and starts again as postgres.
set -eu
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" && chown -R postgres:postgres /var/lib/postgresql
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ "$1" = postgres ]; then
    set -- "$@" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        mkdir -p "$PGDATA"
        printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
        initdb --pgdata "$PGDATA" --username "$POSTGRES_USER" --pwfile /tmp/password \
            --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8
        rm /tmp/password
        echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
        pg_ctl -D "$PGDATA" -w start \
            -o "-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql"
        createdb -h /var/run/postgresql -U "$POSTGRES_USER" "$POSTGRES_DB"
        pg_ctl -D "$PGDATA" -m fast -w stop
    fi
fi
exec "$@"
