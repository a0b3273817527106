next_stage && curl -LO https://example.org/tool-1.2.tgz
