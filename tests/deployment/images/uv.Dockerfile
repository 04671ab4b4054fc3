FROM scratch
COPY uv /uv
