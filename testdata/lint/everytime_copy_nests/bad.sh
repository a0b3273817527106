everytime && cp -r /src/config /opt/config
