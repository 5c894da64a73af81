# The images, a target each: gateway, admin, client.
#
#     docker build --target gateway -t roomcast-gateway:0.1.0 .
#
#     console    the console, by node            ──┐
#     build      the programs, by cmake and gcc  ──┼─> gateway, admin, client
#     runtime    the libraries that they share   ──┘
#
# A program runs as user 10001, from a root file system that may be read-only, and needs no
# shell: it checks its own health. It is stripped; its debug symbols stay in the stage `build`
# (docker build --target build). tests/image/ runs these very steps without an engine.

FROM debian:bookworm-slim AS console
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates nodejs npm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src/frontend
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
# Debian's node is too old for vite, and its npm leaves out what it is too old for. So the first
# call is for the newer node that the lock file brings, and that one runs the second.
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error \
    && install -m 755 node_modules/node-linux-*/bin/node /usr/local/bin/node \
    && NODE_PATH=/usr/share/nodejs npm ci --no-audit --no-fund --loglevel=error
COPY frontend/ ./
RUN npm run build

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        build-essential cmake ninja-build pkg-config \
        libuv1-dev libhiredis-dev libwslay-dev libcjson-dev \
        libh2o-dev libh2o-dev-common libssl-dev libcurl4-openssl-dev \
        libncurses-dev libutf8proc-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake/ cmake/
COPY lua/ lua/
COPY common/ common/
COPY gateway/ gateway/
COPY client/ client/
COPY admin/ admin/
RUN cmake --preset release -DROOMCAST_TESTS=OFF \
    && cmake --build --preset release
COPY --from=console /src/frontend/dist/ frontend/dist/
# What is built must be what the labels below say.
ARG VERSION=0.1.0
RUN test "$(build/bin/roomcast-gateway --version)" = "roomcast-gateway $VERSION" \
    && for part in gateway admin client; do \
        cmake --install build --strip --component "$part" --prefix "/parts/$part/usr/local" \
            || exit 1; \
    done

FROM debian:bookworm-slim AS runtime
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates libuv1 libhiredis0.14 libcjson1 libwslay1 libh2o0.13 libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/*
COPY LICENSE /usr/local/share/doc/roomcast/
ARG VERSION=0.1.0
LABEL org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT"

FROM runtime AS gateway
LABEL org.opencontainers.image.title="roomcast-gateway" \
      org.opencontainers.image.description="Chat rooms over WebSocket: a stateless gateway"
COPY --from=build /parts/gateway/ /
USER 10001:10001
# Clients; operators (/metrics, /healthz, /readyz).
EXPOSE 9001 9101
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/roomcast-gateway", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/roomcast-gateway"]

FROM runtime AS admin
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcurl4 \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/*
LABEL org.opencontainers.image.title="roomcast-admin" \
      org.opencontainers.image.description="roomcast's admin service, with the console"
COPY --from=build /parts/admin/ /
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/roomcast-admin", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/roomcast-admin"]

FROM runtime AS client
RUN apt-get update \
    && apt-get install -y --no-install-recommends libncursesw6 ncurses-base libutf8proc2 \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/*
LABEL org.opencontainers.image.title="roomcast" \
      org.opencontainers.image.description="roomcast's terminal client"
COPY --from=build /parts/client/ /
ENV TERM=xterm-256color LANG=C.UTF-8
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/roomcast"]
