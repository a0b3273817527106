next_stage && cp -a "$COMPDIR/." /build && make -C /build
next_stage && cd "$COMPDIR" && tar -cf - . | tar -xf - -C /build
next_stage && pip install -r "$COMPDIR/requirements.txt"
