FROM alpine:3.22
RUN apk add --no-cache python3 py3-pip \
    && apk add --no-cache --virtual .build gcc musl-dev python3-dev \
    && python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir numpy==2.1.0 'pandas>=2.2,<3' \
    && apk del .build
ENV PATH="/opt/venv/bin:$PATH"
RUN addgroup -S app && adduser -S -G app app
WORKDIR /srv/app
COPY requirements.txt requirements.txt
RUN pip install --no-cache-dir -r requirements.txt
