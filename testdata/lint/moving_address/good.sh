next_stage && curl -fLO https://example.org/tool-1.2-linux.sh
