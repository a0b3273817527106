next_stage && { set -e; ./configure; make; make install; }
