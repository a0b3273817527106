next_stage && { ./configure && make install; }
