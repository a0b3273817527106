next_stage && cd /opt/tool
next_stage && make
