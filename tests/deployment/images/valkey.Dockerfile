FROM leaderboard-tests/debian:13
RUN apt-get update && apt-get install -y --no-install-recommends valkey-server valkey-tools \
    && groupmod --gid 999 valkey && usermod --uid 999 valkey \
    && rm -rf /var/lib/apt/lists/* && mkdir /data && chown valkey:valkey /data
VOLUME /data
WORKDIR /data
EXPOSE 6379
CMD ["valkey-server"]
