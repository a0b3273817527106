next_stage && patch -p1 -d /opt/tool < "$COMPDIR/fix.patch"
