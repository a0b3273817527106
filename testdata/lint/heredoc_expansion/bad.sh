next_stage && cat > /usr/local/bin/tool <<EOF
#!/bin/sh
exec /opt/tool/run "$@"
EOF
