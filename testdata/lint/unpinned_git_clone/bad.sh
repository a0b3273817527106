next_stage && git clone https://example.org/tool.git /opt/tool
