everytime && mkdir -p /opt/data
