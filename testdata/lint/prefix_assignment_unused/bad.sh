next_stage && VERSION=1.2 true && curl -fLO "https://example.org/tool-$VERSION.tgz"
