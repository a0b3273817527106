everytime && mkdir /opt/data
