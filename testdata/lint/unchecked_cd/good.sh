next_stage && (cd /opt/tool && make)
