next_stage && { make install || true; }
