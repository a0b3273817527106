next_stage && curl -fkLO https://example.org/tool-1.2.tgz
