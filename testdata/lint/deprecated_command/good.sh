next_stage && install -D -m 644 /tmp/key.asc /etc/apt/keyrings/tool.asc
