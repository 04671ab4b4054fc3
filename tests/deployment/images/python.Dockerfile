FROM leaderboard-tests/debian:13
RUN apt-get update && apt-get install -y --no-install-recommends python3 \
    && ln -s python3 /usr/bin/python && rm -rf /var/lib/apt/lists/*
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
CMD ["python3"]
