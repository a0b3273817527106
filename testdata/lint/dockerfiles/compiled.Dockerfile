FROM debian:13
RUN apt-get update && apt-get install -y --no-install-recommends build-essential cmake git gfortran && rm -rf /var/lib/apt/lists/*
ENV LIBRARY_COMMIT=3f786850e387550fdab836ed7e6dc881de23001b
RUN git clone https://example.org/library.git /usr/src/library \
    && cd /usr/src/library \
    && git checkout "$LIBRARY_COMMIT" \
    && cmake -S . -B build -DCMAKE_BUILD_TYPE=Release \
    && cmake --build build --parallel "$(nproc)" \
    && cmake --install build \
    && cd / \
    && rm -rf /usr/src/library
RUN set -e; \
    arch="$(dpkg --print-architecture)"; \
    case "$arch" in \
        amd64) url=https://example.org/x/1.2/x-amd64.tar.xz ;; \
        arm64) url=https://example.org/x/1.2/x-arm64.tar.xz ;; \
        *) echo "there is none for $arch" >&2; exit 1 ;; \
    esac; \
    curl -fsSL "$url" -o x.tar.xz; \
    tar -xJf x.tar.xz -C /usr/local; \
    rm x.tar.xz; \
    x --version
RUN { \
        echo '[settings]'; \
        echo 'threads = 4'; \
    } > /etc/x.conf
RUN if [ ! -e /usr/bin/python ]; then ln -s python3 /usr/bin/python; fi
RUN find /usr/local -depth -type d -name __pycache__ -exec rm -rf '{}' +
