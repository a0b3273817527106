next_stage && apt-key add /tmp/key.asc
