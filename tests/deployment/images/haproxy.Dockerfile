FROM leaderboard-tests/debian:13
RUN apt-get update && apt-get install -y --no-install-recommends haproxy \
    && groupmod --gid 99 haproxy && usermod --uid 99 haproxy \
    && rm -rf /var/lib/apt/lists/* && mkdir -p /usr/local/etc/haproxy
STOPSIGNAL SIGUSR1
USER haproxy
WORKDIR /var/lib/haproxy
CMD ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
