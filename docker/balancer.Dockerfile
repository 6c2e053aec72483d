# The load balancer of docker-compose.cluster.yaml: Caddy as Debian maintains it, with the one file that says
# what to balance.
FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends caddy \
    && rm -rf /var/lib/apt/lists/*
COPY Caddyfile /etc/caddy/Caddyfile
# It keeps nothing: there is no certificate to keep while it speaks plain HTTP.
ENV XDG_DATA_HOME=/tmp XDG_CONFIG_HOME=/tmp
USER www-data
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile"]
