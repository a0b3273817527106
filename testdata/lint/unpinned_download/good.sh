next_stage && curl -fLO https://example.org/tool/1.2/tool.tgz && sha256sum -c "$COMPDIR/tool.sha256"
