next_stage && cp "$COMPDIRR/config" /etc/tool.conf
