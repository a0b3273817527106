FROM debian:13
ENV TOOL_VERSION=2.4.1 \
    LANG=C.UTF-8
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates \
        # what the build needs
        curl gcc make \
    && rm -rf /var/lib/apt/lists/*
RUN set -eux; \
    curl -fsSLo /tmp/tool.tar.gz "https://example.org/tool/v$TOOL_VERSION/tool-$TOOL_VERSION.tar.gz"; \
    echo "0b3c5e5b0b0dbd0e9c3e1bfbb1d0a0c1d0bb6b1b6ffb0c6e7a8b9c0d1e2f3a4b  /tmp/tool.tar.gz" | sha256sum -c -; \
    mkdir -p /usr/src/tool; \
    tar -xzf /tmp/tool.tar.gz -C /usr/src/tool --strip-components=1; \
    make -C /usr/src/tool -j"$(nproc)"; \
    make -C /usr/src/tool install; \
    rm -rf /usr/src/tool /tmp/tool.tar.gz
RUN groupadd -r tool && useradd -r -g tool tool
