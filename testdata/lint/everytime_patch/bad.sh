everytime && patch -p1 -d /opt/tool < "$COMPDIR/fix.patch"
