next_stage && cp "$GFSDIR/model.bin" /opt/model.bin
