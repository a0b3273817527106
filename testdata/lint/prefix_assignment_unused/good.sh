VERSION=1.2
next_stage && curl -fLO "https://example.org/tool-$VERSION.tgz"
