next_stage && { set -e; make; exit 0; make install; }
next_stage && make && return
next_stage && exec make install
