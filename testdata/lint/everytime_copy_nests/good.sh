everytime && mkdir -p /opt/config && cp -a /src/config/. /opt/config/
