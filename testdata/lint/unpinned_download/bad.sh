next_stage && curl -fLO https://example.org/tool/latest/tool.tgz
