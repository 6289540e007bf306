# What docker-compose.yml takes from a registry, made of Debian's packages for tests/deploy/images: as those images as far
# as that file goes by it (users, paths, what a command is given to).

FROM docker.io/library/debian:bookworm-slim AS base
# A package's service is not started.
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d && apt-get -q update

FROM base AS redis
RUN apt-get -q -y --no-install-recommends install redis-server && install -d -o 999 -g 999 /data
WORKDIR /data

FROM base AS haproxy
RUN apt-get -q -y --no-install-recommends install haproxy
STOPSIGNAL SIGUSR1

FROM base AS prometheus
RUN apt-get -q -y --no-install-recommends install prometheus && install -d -o 65534 -g 65534 /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]

FROM base AS alertmanager
RUN apt-get -q -y --no-install-recommends install prometheus-alertmanager && install -d -o 65534 -g 65534 /alertmanager
ENTRYPOINT ["/usr/bin/prometheus-alertmanager"]
