next_stage && make -C "$COMPDIR"
next_stage && cd "$COMPDIR" && make
next_stage && echo built > "$COMPDIR/state"
next_stage && cp /etc/hosts "$COMPDIR/hosts"
next_stage && git -C "$COMPDIR" fetch --tags
next_stage && gunzip "$COMPDIR/data.gz"
next_stage && tar -xf /archive.tar -C "$COMPDIR"
next_stage && sed -i s/a/b/ "$COMPDIR/file"
