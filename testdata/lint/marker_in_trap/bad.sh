trap 'next_stage && rm -f /tmp/archive' EXIT
