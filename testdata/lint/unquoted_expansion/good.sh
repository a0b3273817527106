next_stage && cp "$COMPDIR/config" /etc/tool.conf
