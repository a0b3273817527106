next_stage && curl -fsSL https://example.org/install-1.2.sh | sh
