next_stage && rm -rf "$GFSDIR/cache"
