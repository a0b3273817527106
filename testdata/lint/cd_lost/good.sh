everytime && cd /opt/tool
next_stage && make
